"""The numbers that the texts of a column mean, the same for all parts of a data set."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .._kinds import GAPS, KINDS, infer_kind, parse_texts
from ._builder import FeatureColumns

MOST_WORDS = 1 << 20
_GAPS = pa.array(sorted(GAPS), pa.large_string())


@dataclass
class Coding:
    """The kinds of the features of all parts of a data set, and the codes of their words.

    Args:
        kinds: By name, those that are given or found.
        infer: Whether a kind that is not given is found by the first values.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    infer: bool = False
    words: dict[str, dict[str, int]] = field(default_factory=dict)

    def numbers_of(self, name: str, texts: pa.Array) -> npt.NDArray[np.float64]:
        """Return the number or code of each of the different texts of a column; NaN for a gap.

        Raises:
            ValueError: A text has no number in the column's kind: the text, as the argument, and
                what to do about it.
        """
        gaps = pc.is_in(texts, value_set=_GAPS).to_numpy(zero_copy_only=False)
        if gaps.all():
            return np.full(len(texts), np.nan)
        if name not in self.kinds:
            known = texts.filter(pa.array(~gaps))
            if not self.infer:
                text = known[0].as_py()
                raise UnreadableError(text, self._advice(name, text))
            self.kinds[name] = infer_kind(known.to_pylist())
        kind = self.kinds[name]
        if kind == "words":
            return self._codes(name, texts.to_pylist())
        numbers = parse_texts(kind, texts)
        wrong = np.flatnonzero(np.isnan(numbers) & ~gaps)
        if len(wrong):
            text = texts[int(wrong[0])].as_py()
            raise UnreadableError(text, self._advice(name, text))
        return numbers

    def _codes(self, name: str, texts: list[str]) -> npt.NDArray[np.float64]:
        codes = self.words.setdefault(name, {})
        found = np.array(
            [np.nan if t in GAPS else codes.setdefault(t, len(codes)) for t in texts],
            dtype=np.float64,
        )
        if len(codes) > MOST_WORDS:
            raise UnreadableError(
                texts[-1], f"has more than {MOST_WORDS} different words, leave it out by `exclude`"
            )
        return found

    def _advice(self, name: str, text: str) -> str:
        kind = infer_kind([text])
        given = self.kinds.get(name)
        must = "must hold numbers" if given is None else f"must be of the kind {given!r}"
        return (
            f"{must}, got {text!r}; `Columns(kinds={{{name!r}: {kind!r}}})` takes it, `exclude` "
            "leaves the column out"
        )

    def about(self, names: tuple[str, ...], nullable: tuple[int, ...]) -> FeatureColumns:
        """Return what is known about the features after the last part."""
        number = {name: j for j, name in enumerate(names, start=1)}
        for name, kind in self.kinds.items():
            if kind == "words":
                self.words.setdefault(name, {})
        return FeatureColumns(
            names,
            nullable,
            {number[n]: k for n, k in self.kinds.items() if k != "number" and n in number},
            {number[n]: tuple(codes) for n, codes in self.words.items() if n in number},
        )


class UnreadableError(ValueError):
    """A text that a column cannot hold, and what is wrong with it."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(problem)
        self.text = text
        self.problem = problem


def check_kinds(kinds: Mapping[str, str], features: Collection[str]) -> None:
    """Raise ValueError unless the kinds are of features."""
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise ValueError(f"`kinds` must be among {', '.join(KINDS)}, got {kind!r} for {name!r}")
        if name not in features:
            raise ValueError(f"`kinds` must be of features, got {name!r}")
