"""The transform of tables with gaps and words."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .._checks import did_you_mean
from .._columns import Features, LazyMatrix, row_chunks
from .._kinds import GAPS, parse_text
from ._chain import Fit
from ._ranges import some_rows
from ._transform import FeatureTransform


class TableTransform(FeatureTransform):
    r"""Numbers filled and scaled, an indicator for each column with gaps, and words as codes.

        numbers:     f(x or, in a gap, the training median)
        indicators:  1 in a gap, else 0, of the columns that have gaps in the training split
        words:       i for word i of V, V for any other word, V + 1 in a gap

    The outputs stand in this order. A gap in a column that had none in training is filled too.

    Args:
        feature_ids: (feature,) numbers of the columns.
        words: By number of a column of words, the words that its codes stand for.
        numbers: The transform f of the columns of numbers, or its config; None leaves them as they
            are.
        gaps: Numbers of the columns that have gaps in the training split.
        names: (feature,) names of the columns, for `encode`.
        kinds: By number of a column, how its values are written if they are no plain numbers.

    Raises:
        ValueError: `words`, `gaps` or `kinds` name other columns, or f is of others than the
            numbers.

    Examples:
        >>> features = np.array([[1, 0], [np.nan, 1], [5, np.nan]], dtype=np.float32)
        >>> transform = TableTransform.fit(features, (1, 2), words={2: ("red", "blue")})
        >>> transform.transform(features)
        array([[1., 0., 0.],
               [3., 1., 1.],
               [5., 0., 3.]], dtype=float32)
        >>> transform.outputs, transform.word_sizes
        (('1', '1 is a gap', '2'), (4,))
    """

    fills_gaps: ClassVar[bool] = True
    gap_texts: ClassVar[frozenset[str]] = GAPS
    """Texts that mean a missing value in `encode`, as in the readers."""
    fill: Tensor
    number_columns: Tensor
    gap_columns: Tensor
    word_columns: Tensor
    word_counts: Tensor

    def __init__(
        self,
        feature_ids: Sequence[int],
        words: Mapping[int, Sequence[str]] | Sequence[tuple[int, Sequence[str]]] = (),
        numbers: FeatureTransform | dict[str, Any] | None = None,
        gaps: Sequence[int] = (),
        names: Sequence[str] = (),
        kinds: Mapping[int, str] | Sequence[tuple[int, str]] = (),
    ) -> None:
        super().__init__(feature_ids)
        given = {int(column): tuple(own) for column, own in dict(words).items()}
        self.words = {column: given.pop(column) for column in self.feature_ids if column in given}
        self.kinds = {**dict(kinds), **dict.fromkeys(self.words, "words")}
        self.names = tuple(names)
        self.number_ids = tuple(column for column in self.feature_ids if column not in self.words)
        self.gaps = tuple(column for column in self.number_ids if column in set(gaps))
        wrong = [*given, *set(gaps) - set(self.number_ids), *set(self.kinds) - {*self.feature_ids}]
        if wrong or (self.names and len(self.names) != len(self.feature_ids)):
            raise ValueError(
                f"`words`, `gaps`, `names` and `kinds` must be of the columns {self.feature_ids}, "
                f"got {wrong or self.names}"
            )
        self.numbers = numbers if not isinstance(numbers, dict) else self.from_config(numbers)
        if self.numbers is not None and self.numbers.feature_ids != self.number_ids:
            raise ValueError(
                f"`numbers` must be of the columns {self.number_ids}, got those "
                f"{self.numbers.feature_ids}"
            )
        place = {column: i for i, column in enumerate(self.feature_ids)}
        self._index("number_columns", [place[column] for column in self.number_ids])
        self._index("gap_columns", [self.number_ids.index(column) for column in self.gaps])
        self._index("word_columns", [place[column] for column in self.words])
        self.register_buffer("fill", torch.zeros(len(self.number_ids)))
        counts = torch.tensor([float(len(own)) for own in self.words.values()])
        self.register_buffer("word_counts", counts)

    def _index(self, name: str, places: list[int]) -> None:
        self.register_buffer(name, torch.tensor(places, dtype=torch.int64))

    @classmethod
    def fit(  # type: ignore[override]  # the options of one transform
        cls,
        features: Features,
        feature_ids: Sequence[int],
        *,
        words: Mapping[int, Sequence[str]] | None = None,
        numbers: Fit | None = None,
        names: Sequence[str] = (),
        kinds: Mapping[int, str] | None = None,
    ) -> Self:
        """Fit to the training split.

        Args:
            features: (document, feature); codes of `words` in their columns, NaN in gaps.
            feature_ids: (feature,) numbers of the columns.
            words: By number of a column of words, the words; see `fit_words`.
            numbers: `fit` of the transform of the filled numbers, such as `LogStandardize.fit`.
            names: (feature,) names of the columns.
            kinds: By number, how values are written if they are no plain numbers.

        Raises:
            ValueError: There are no documents, or a number is infinite.
        """
        if features.ndim != 2 or features.shape[1] != len(feature_ids) or not len(features):
            raise ValueError(
                f"`features` must be (document, feature) with {len(feature_ids)} features and at "
                f"least one document, got shape {features.shape}"
            )
        empty = np.zeros(len(feature_ids), dtype=np.bool_)
        for chunk in row_chunks(features):
            infinite = np.isinf(chunk).any(axis=0)
            if infinite.any():
                column = feature_ids[int(np.flatnonzero(infinite)[0])]
                raise ValueError(f"`features` must not be infinite, got infinity in {column}")
            empty |= np.isnan(chunk).any(axis=0)
        options: dict[str, Any] = {"words": words or {}, "names": names, "kinds": kinds or {}}
        gaps = [
            f for f, gap in zip(feature_ids, empty, strict=True) if gap and f not in (words or ())
        ]
        transform = cls(feature_ids, gaps=gaps, **options)
        columns = transform.number_columns.numpy()
        rows = some_rows(features)[:, columns]
        known = ~np.isnan(rows).all(axis=0)
        fill = np.zeros(len(columns), dtype=np.float32)
        if known.any():
            fill[known] = np.nanmedian(rows[:, known], axis=0)
        filled = _Filled(features, columns, fill)
        fitted = None
        if numbers is not None and len(columns):
            fitted = numbers(filled, transform.number_ids)
        result = cls(feature_ids, numbers=fitted, gaps=gaps, **options)
        result.fill.copy_(torch.from_numpy(fill))
        if fitted is not None:
            varies = fitted.scale != 0
        else:
            sample = some_rows(filled)
            varies = torch.from_numpy((sample != sample[:1]).any(axis=0))
        result.scale[result.number_columns] = varies.float()
        return result

    @property
    def width(self) -> int:
        """Number of outputs per document."""
        return len(self.outputs)

    @property
    def word_sizes(self) -> tuple[int, ...]:
        """Numbers of codes of the last outputs: the words, another word, and a gap."""
        return tuple(len(own) + 2 for own in self.words.values())

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        name = dict(zip(self.feature_ids, self.names or map(str, self.feature_ids), strict=True))
        return (
            *(name[column] for column in self.number_ids),
            *(f"{name[column]} is a gap" for column in self.gaps),
            *(name[column] for column in self.words),
        )

    def columns(self) -> list[dict[str, str]]:
        """Return a row per column: what it is called, how it is written, what becomes of gaps."""
        names = dict(zip(self.feature_ids, self.names or self.feature_ids, strict=True))
        fill = dict(zip(self.number_ids, self.fill.tolist(), strict=True))
        rows = []
        for column in self.feature_ids:
            indicator = ", and an indicator is 1" if column in self.gaps else ""
            own = self.words.get(column)
            gap = f"becomes {fill[column]:.6g}{indicator}" if own is None else "is a code"
            kind = self.kinds.get(column, "number")
            row = {"column": f"{names[column]}", "kind": kind, "a gap": gap}
            rows.append({**row, "words": "" if own is None else ", ".join(own)})
        return rows

    def _map(self, features: Tensor) -> Tensor:
        numbers = features.index_select(-1, self.number_columns)
        missing = numbers.isnan()
        filled = torch.where(missing, self.fill, numbers)
        if self.numbers is not None:
            filled = self.numbers(filled)
        indicators = missing.index_select(-1, self.gap_columns).to(filled.dtype)
        codes = features.index_select(-1, self.word_columns)
        known = torch.minimum(codes.clamp(min=0), self.word_counts)
        coded = torch.where(codes.isnan(), self.word_counts + 1, known)
        return torch.cat([filled, indicators, coded], dim=-1)

    def encode(self, columns: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        """Return the features of documents from columns by name, as the reader makes them.

        Args:
            columns: By name, (document,) numbers, or texts in the column's kind; None, NaN and the
                texts that mean so are gaps. Columns that are no features are left out.

        Returns:
            (document, feature) float32, for `forward`.

        Raises:
            ValueError: A column is missing, or a text means no number.
        """
        names = self.names or tuple(map(str, self.feature_ids))
        result: list[npt.NDArray[np.float32]] = []
        for feature_id, name in zip(self.feature_ids, names, strict=True):
            if name not in columns:
                near = did_you_mean(name, columns)
                raise ValueError(f"`columns` must have the column {name!r}{near}")
            result.append(self._encoded(feature_id, name, columns[name]))
        return np.stack(result, axis=1)

    def _encoded(self, feature_id: int, name: str, values: Any) -> npt.NDArray[np.float32]:
        array = np.asarray(values)
        kind = self.kinds.get(feature_id, "number")
        if kind != "words" and array.dtype.kind in "biuf":
            return array.astype(np.float32)
        code = {word: i for i, word in enumerate(self.words.get(feature_id, ()))}
        found = np.full(len(array), np.nan, dtype=np.float32)
        for row, value in enumerate(array.tolist()):
            if value is None or value != value or str(value) in GAPS:
                continue
            if kind == "words":
                found[row] = code.get(str(value), len(code))
                continue
            number = value if isinstance(value, (int, float)) else parse_text(kind, str(value))
            if number is None:
                raise ValueError(
                    f"`columns` must hold values of the kind {kind!r} in {name!r}, got {value!r} "
                    f"in row {row}"
                )
            found[row] = number
        return found

    def config(self) -> dict[str, Any]:
        """Return what is not in `state_dict`, for JSON."""
        return {
            **super().config(),
            "words": [[column, list(own)] for column, own in self.words.items()],
            "numbers": None if self.numbers is None else self.numbers.config(),
            "gaps": list(self.gaps),
            "names": list(self.names),
            "kinds": [[column, kind] for column, kind in self.kinds.items()],
        }


class _Filled(LazyMatrix):
    """The columns of numbers with their gaps filled, computed for the rows that are requested."""

    def __init__(
        self, features: Features, columns: npt.NDArray[np.int64], fill: npt.NDArray[np.float32]
    ) -> None:
        self._features, self._columns, self._fill = features, columns, fill

    @property
    def shape(self) -> tuple[int, int]:
        return self._features.shape[0], len(self._columns)

    def __getitem__(self, rows: slice | npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        numbers = self._features[rows][:, self._columns]
        return np.where(np.isnan(numbers), self._fill, numbers)
