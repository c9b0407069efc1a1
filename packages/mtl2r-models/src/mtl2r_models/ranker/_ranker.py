"""A ranker in use: a model together with the transform of its features."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ltr_data import FeatureTransform, TableTransform

from ..checks import check_dtype, check_names, check_sizes, check_tensor
from . import _checkpoint as checkpoint
from ._columns import Columns
from ._inference import Features, as_columns, as_lists, check_lists, score_lists

CACHED_DOCUMENTS, MANY_DOCUMENTS = 2_048, 32_768
"""Padded documents per batch in inference: on the CPU as many as its cache holds."""


class Ranking(NamedTuple):
    """The documents of one list, scored and ordered.

    Attributes:
        scores: (document,) float32, larger is better; (task, document) where each task has its own.
        order: Indices of the documents, best first, with the shape of `scores`. Documents with
            equal scores keep their order.
    """

    scores: Tensor
    order: Tensor


class Ranker(nn.Module):
    """Raw features in, scores out; saved and loaded as one folder.

    Args:
        model: Scores (batch, list) from transformed features (batch, list, feature) and a mask,
            e.g. a `ListTransformer`.
        transform: The fitted feature transform; None uses the features as they are.
        feature_ids: The columns of the data file (1-based) that are the inputs, in their order.
        feature_names: Their names, if they have any.
        tasks: Names of the tasks the model was trained on.
        metadata: Anything JSON can hold, saved with the ranker. Each entry becomes a section of
            the model card, e.g. ``labels`` (a list of label specs), ``training`` (a summary) and
            ``metrics`` (by metric and task).

    Raises:
        ValueError: When the number of `feature_ids` is not that of the model's inputs, when
            `transform` was fitted to others, or when the number of `tasks` is not that of the
            model's scores.
        TypeError: For an argument of another type.

    Examples:
        >>> from mtl2r_models import ListTransformer, Ranker
        >>> model = ListTransformer(3, hidden=8, layers=1, heads=2)
        >>> ranker = Ranker(model, feature_ids=(1, 2, 5), tasks=("relevance", "click"))
        >>> scores, order = ranker.rank(np.ones((4, 3), dtype=np.float32))
        >>> order
        tensor([0, 1, 2, 3])
        >>> lists = [np.ones((4, 3)), np.zeros((2, 3))]
        >>> [ranking.scores.shape for ranking in ranker.rank(lists)]
        [torch.Size([4]), torch.Size([2])]
        >>> ranker.rank(np.ones((4, 2)))
        Traceback (most recent call last):
        ValueError: `features` must have the 3 columns (1..2, 5) the ranker was trained on, got 2
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        transform: FeatureTransform | None = None,
        feature_ids: Sequence[int],
        feature_names: Sequence[str] = (),
        tasks: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"`model` must be a module, got {type(model).__name__}")
        if not isinstance(transform, FeatureTransform | None):
            raise TypeError(
                f"`transform` must be a FeatureTransform, got {type(transform).__name__}"
            )
        if not isinstance(metadata, Mapping | None):
            raise TypeError(f"`metadata` must be a dict, got {type(metadata).__name__}")
        self.tasks = check_names("tasks", tasks)
        self.metadata: dict[str, Any] = dict(metadata or {})
        check_names("metadata keys", self.metadata)
        self.columns = Columns(feature_ids, feature_names)
        inputs = len(self.columns) if transform is None else transform.width
        expected = getattr(model, "num_features", inputs)
        if inputs != expected:
            raise ValueError(f"`feature_ids` must name the model's {expected} inputs, got {inputs}")
        if transform is not None and transform.feature_ids != self.columns.feature_ids:
            fitted = Columns(transform.feature_ids)
            raise ValueError(
                f"`transform` must be fitted to the {self.columns} of `feature_ids`, got {fitted}"
            )
        num_tasks = getattr(model, "num_tasks", None)
        named = len(self.tasks)
        if named and num_tasks is not None and named != num_tasks:
            raise ValueError(f"`tasks` must name the model's {num_tasks} scores, got {named}")
        self.model = model
        self.transform = transform

    @property
    def feature_ids(self) -> tuple[int, ...]:
        """The columns of the data file (1-based) that are the inputs, in their order."""
        return self.columns.feature_ids

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Their names; empty where they have none."""
        return self.columns.feature_names

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return scores of raw features, computed in the type of the model's parameters.

        Args:
            features: (batch, list, feature) float32.
            mask: (batch, list) bool, True at a document; None where there is no padding.

        Returns:
            (batch, list), or (task, batch, list) where each task has a score of its own.
        """
        check_tensor("features", features)
        if self.transform is not None:
            features = self.transform(features)
        scores: Tensor = self.model(features.to(next(self.model.parameters()).dtype), mask)
        return scores

    @overload
    def rank(
        self,
        features: Features,
        mask: NDArray[np.bool_] | Tensor | None = None,
        *,
        feature_ids: Sequence[int | str] | None = None,
        max_documents: int | None = None,
    ) -> Any: ...

    @overload
    def rank(
        self,
        features: Sequence[Features],
        mask: None = None,
        *,
        feature_ids: Sequence[int | str] | None = None,
        max_documents: int | None = None,
    ) -> list[Ranking]: ...

    def rank(
        self,
        features: Features | Sequence[Features],
        mask: NDArray[np.bool_] | Tensor | None = None,
        *,
        feature_ids: Sequence[int | str] | None = None,
        max_documents: int | None = None,
    ) -> Ranking | list[Ranking]:
        """Score and order the documents of one list, or of several.

        Args:
            features: Raw inputs as NumPy arrays or tensors: one list (document, feature), a batch
                (batch, list, feature), or a sequence of lists (document, feature) of any lengths;
                or one list as a table with named columns, see `encode`.
            mask: (batch, list) bool, True at a document of a batch; None where all are.
            feature_ids: Numbers or names of the columns of `features`, from which those the ranker
                was trained on are chosen. None: `features` has exactly these, in their order.
            max_documents: Padded documents scored at a time; None chooses by the device.

        Returns:
            A `Ranking` for one list, a list of them for several, without padding and on the
            model's device.

        Raises:
            ValueError: For another shape, columns that do not fit, or a feature that is not finite.
            TypeError: For features that are not numbers, or a mask that is not bool.
        """
        scored = self.scores(features, mask, feature_ids=feature_ids, max_documents=max_documents)
        return _ranking(scored) if isinstance(scored, Tensor) else [_ranking(s) for s in scored]

    def scores(
        self,
        features: Features | Sequence[Features],
        mask: NDArray[np.bool_] | Tensor | None = None,
        *,
        feature_ids: Sequence[int | str] | None = None,
        max_documents: int | None = None,
    ) -> Any:
        """Return the scores that `rank` orders by: a tensor for one list, a list for several."""
        if max_documents is not None:
            check_sizes(max_documents=max_documents)
        if isinstance(features, Mapping) or hasattr(features, "columns"):
            features = self.encode(features)
        lists, single = as_lists(features, mask)
        if feature_ids is not None:
            lists = self._chosen(lists, feature_ids)
        gaps = self.transform is not None and self.transform.fills_gaps
        check_lists(lists, self.columns, gaps=gaps)
        training = self.training
        self.eval()
        try:
            with torch.no_grad():
                device = next(self.parameters()).device
                if max_documents is None:
                    max_documents = CACHED_DOCUMENTS if device.type == "cpu" else MANY_DOCUMENTS
                scored = score_lists(lists, self, device=device, max_documents=max_documents)
        finally:
            self.train(training)
        return scored[0] if single else scored

    def encode(self, table: Any) -> NDArray[np.float32]:
        """Return the features (document, feature) of a table with named columns.

        Args:
            table: Column name to values: a dict of arrays, or a frame of pandas or polars, or an
                Arrow table. Words are text, gaps None or NaN; columns that are no inputs are left
                out.

        Raises:
            ValueError: An input is missing, or a text means no number.
        """
        columns = as_columns(table)
        if isinstance(self.transform, TableTransform):
            return self.transform.encode(columns)
        if not self.feature_names:
            raise ValueError(
                f"`features` must be arrays: the ranker was trained on {self.columns} without names"
            )
        positions = Columns(self.feature_ids, self.feature_names).positions(list(columns))
        values = list(columns.values())
        return np.stack([np.asarray(values[i], dtype=np.float32) for i in positions], axis=1)

    def save(self, folder: str | Path, *, dtype: torch.dtype | None = None) -> None:
        """Write `folder` with config.json, model.safetensors and README.md, whole or not at all.

        Args:
            folder: Where to write; an older ranker there is replaced.
            dtype: Type of the saved parameters, e.g. ``torch.bfloat16`` for half the size; None
                keeps the model's. The transform's statistics keep theirs.

        Raises:
            TypeError: For an unknown architecture, metadata that JSON cannot hold, or a `dtype`
                that is not a floating point type.
            FileExistsError: When there are other files in `folder`.
        """
        check_dtype(dtype)
        state = self.state_dict()
        if dtype is not None:
            state |= {f"model.{name}": t.to(dtype) for name, t in self.model.state_dict().items()}
        checkpoint.save(folder, self, state)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Read what `save` wrote. No code is run from the file.

        Args:
            folder: Where to read.
            device: Where to put the ranker.
            dtype: Type of the parameters; None keeps that of the file.

        Raises:
            FileNotFoundError: When there is no such folder or one of its files is missing.
            ValueError: When the folder is damaged or holds something else (the message says what),
                or for an unknown or missing `device`.
            TypeError: For a `dtype` that is not a floating point type.
        """
        check_dtype(dtype)
        place = _device(device)
        model, transform, config, state = checkpoint.load(folder)
        try:
            ranker = cls(
                model,
                transform=transform,
                feature_ids=config["feature_ids"],
                feature_names=config["feature_names"],
                tasks=config["tasks"],
                metadata=config["metadata"],
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"{Path(folder) / checkpoint.CONFIG}: {error}") from error
        checkpoint.load_state(ranker, state, folder)
        return ranker.to(device=place, dtype=dtype).eval()

    def save_pretrained(self, folder: str | Path, *, dtype: torch.dtype | None = None) -> None:
        """Call `save`; Hugging Face's libraries use this name."""
        self.save(folder, dtype=dtype)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Call `load`; Hugging Face's libraries use this name. Local folders only."""
        return cls.load(folder, device=device, dtype=dtype)

    def _chosen(self, lists: Sequence[Tensor], feature_ids: Sequence[int | str]) -> list[Tensor]:
        positions = self.columns.positions(feature_ids)
        for index, values in enumerate(lists):
            if values.shape[1] != len(feature_ids):
                raise ValueError(
                    f"`features` must have the {len(feature_ids)} columns of `feature_ids`, "
                    f"got {values.shape[1]} in list {index}"
                )
        if positions == list(range(len(feature_ids))):
            return list(lists)
        return [values[:, positions] for values in lists]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # What `to`, `half` etc. call. Raw features span more than half precision holds: the
        # statistics move, and stay float32.
        apply: Any = nn.Module._apply
        apply(self.model, fn, recurse)
        if self.transform is not None:
            apply(self.transform, lambda tensor: tensor.to(fn(tensor).device), recurse)
        return self


def _device(name: torch.device | str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"`device` must be cpu, cuda or the like, got {name!r}") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"`device` is {str(device)!r}, but torch finds no GPU")
    return device


def _ranking(scores: Tensor) -> Ranking:
    return Ranking(scores, torch.argsort(scores, dim=-1, descending=True, stable=True))
