"""What all architectures have in common: an encoder of the documents, and a head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from .checks import as_options, check_arguments, check_dropout, check_sizes, check_tensor
from .feature_layers import FeatureLayer, FeatureLayers
from .heads import Head, make_head
from .members import MemberHead, Members
from .scorer import Scorer

__all__ = ["Network", "NetworkOptions"]


class NetworkOptions(TypedDict, total=False):
    """What every architecture takes beside arguments of its own.

    Attributes:
        feature_layers: What stands before the first layer, see `mtl2r_models.feature_layers`;
            nothing by default.
        members: Members of an ensemble that share the network, see `mtl2r_models.members`; 1 by
            default.
        experts: Options of the `mtl2r_models.experts.MixtureOfExperts` that scores each task; by
            default None, a linear score each.
        num_tasks: This many scores, one per task; by default None, one score that all tasks share.
        generator: Draws the initial weights; by default None, torch's default generator.
    """

    feature_layers: Sequence[Mapping[str, Any]]
    members: int
    experts: Mapping[str, int] | None
    num_tasks: int | None
    generator: torch.Generator | None


class Network(Scorer):
    """A ranker that is one network: feature layers, an architecture's encoder, a head.

    An architecture hands its arguments to this constructor, makes its layers, of which the first is
    as wide as `inputs` gives, ends its constructor with `_finish`, and defines `_hidden`.

    Args:
        num_features: Inputs per document.
        options: What every architecture takes.
        own: The architecture's other arguments, `dropout` among them.

    Raises:
        ValueError: For a value that is out of its range.
        TypeError: For an option that there is not, or a size that is no int.
    """

    inputs: FeatureLayers
    members: Members | None
    head: Head | MemberHead

    def __init__(self, num_features: int, options: NetworkOptions, **own: Any) -> None:
        known = [*own, *NetworkOptions.__annotations__]
        check_arguments(type(self).__name__, options, known)
        check_dropout(own["dropout"])
        experts = options.get("experts")
        super().__init__(
            num_features,
            options.get("num_tasks"),
            **own,
            feature_layers=_layers(options.get("feature_layers", ())),
            **check_sizes(members=options.get("members", 1)),
            experts=None if experts is None else as_options("experts", experts),
        )
        self.inputs = FeatureLayers(num_features, self._config["feature_layers"])
        self.members = None
        if self._config["members"] > 1:
            self.members = Members(self.inputs.width, self._config["members"])

    def _finish(self, hidden: int, options: NetworkOptions) -> None:
        """Adds the head, for hidden states of this width, and draws the initial weights."""
        members, experts = self._config["members"], self._config["experts"]
        if self.members is None:
            self.head = make_head(hidden, self.num_tasks, experts)
        else:
            self.head = MemberHead(hidden, self.num_tasks, members, experts)
        self.reset_parameters(options.get("generator"))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draws all matrices Xavier-uniform (as allRank and DeepMTL2R) and zeroes the biases.

        Nothing is left of what was trained; what was fitted to documents stays.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
            elif isinstance(module, FeatureLayer | Members):
                module.reset_parameters(generator)

    def fit_features(self, features: Tensor) -> None:
        """Fits the feature layers to training documents, see `Scorer.fit_features`."""
        check_tensor("features", features)
        if features.dim() != 2 or features.shape[1] != self.num_features:
            raise ValueError(
                f"`features` must be (document, {self.num_features}), got {tuple(features.shape)}"
            )
        self._check_type(features)
        self.inputs.fit(features)

    def _check_type(self, features: Tensor) -> None:
        wanted = next(self.parameters()).dtype
        if features.dtype != wanted:
            raise TypeError(f"`features` must be {wanted}, as is the ranker, got {features.dtype}")

    @abstractmethod
    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """What the feature layers give, (batch, list, width), and a mask to (batch, list, hidden).

        It is finite everywhere.
        """

    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Hidden states of the documents in the context of their list, see `Scorer.encode`."""
        check_tensor("features", features)
        if features.dim() != 3 or features.shape[-1] != self.num_features:
            raise ValueError(
                f"`features` must be (batch, list, {self.num_features}), "
                f"got {tuple(features.shape)}"
            )
        if not torch.is_autocast_enabled(features.device.type):
            self._check_type(features)
        if mask is not None:
            check_tensor("mask", mask)
        if mask is not None and mask.dtype != torch.bool:
            raise TypeError(f"`mask` must be bool, True at a document, got {mask.dtype}")
        if mask is not None and mask.shape != features.shape[:2]:
            raise ValueError(
                f"`mask` must be (batch, list) = {tuple(features.shape[:2])}, "
                f"got {tuple(mask.shape)}"
            )
        if mask is not None and _all_documents(mask):
            mask = None
        if mask is not None:
            # A masked key has the weight 0, but 0 times NaN is NaN.
            features = features.masked_fill(~mask[..., None], 0.0)
        inputs = self.inputs(features)
        if self.members is None:
            return self._hidden(inputs, mask)
        spread, repeated = self.members.spread(inputs), self.members.repeat(mask)
        return self.members.gather(self._hidden(spread, repeated))

    def score(self, hidden: Tensor) -> Tensor:
        """Scores of hidden states, see `Scorer.score`."""
        scores: Tensor = self.head(hidden)
        return scores

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """The parameters of one task alone, or of all tasks, see `Scorer.task_parameters`."""
        return self.head.task_parameters(task)


def _layers(configs: object) -> list[dict[str, Any]]:
    """Copies of the configs of feature layers."""
    if isinstance(configs, str | Mapping) or not isinstance(configs, Sequence):
        raise TypeError(
            f"`feature_layers` must be a list of dicts, e.g. [{{'kind': 'noise'}}], got {configs!r}"
        )
    return [as_options(f"feature_layers[{i}]", layer) for i, layer in enumerate(configs)]


def _all_documents(mask: Tensor) -> bool:
    # Looking costs nothing on the CPU; it would wait for a GPU and break a graph.
    if mask.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return bool(mask.all())
