"""How the values of a column are written: numbers in their own ways, and words."""

import re
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

KINDS = ("number", "flag", "percent", "money", "words")
"""What a column can hold. All but words are numbers, which may be written in their own ways."""

GAPS = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "?"),
    )
)
"""Texts that mean a missing value: those of pandas, and the question mark."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PERCENT = re.compile(r"([+-]?\d+(?:\.\d*)?)\s*%", re.ASCII)
_MONEY = re.compile(
    r"(?P<sign>[+-]?)\s*[$€£¥]?\s*(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?)\s*[$€£¥]?",
    re.ASCII,
)
_MARKS = re.compile(r"[$€£¥,]")
_PATTERNS = {"percent": (_PERCENT, r"[%\s]"), "money": (_MONEY, r"[$€£¥,\s]")}
"""What a text of a kind looks like, and what of it is no part of the number."""
_FLAGS = {
    **dict.fromkeys(("t", "true", "yes", "y"), 1.0),
    **dict.fromkeys(("f", "false", "no", "n"), 0.0),
}


def parse_text(kind: str, text: str) -> float | None:
    """Return the number that a text means in a kind of number; None if it means none.

    Examples:
        >>> parse_text("money", "-$1,119.00"), parse_text("percent", "96%"), parse_text("flag", "t")
        (-1119.0, 96.0, 1.0)
        >>> parse_text("number", "ten") is None
        True
    """
    text = text.strip()
    if kind == "flag":
        return _FLAGS.get(text.lower())
    if kind == "percent":
        percent = _PERCENT.fullmatch(text)
        return None if percent is None else float(percent[1])
    if kind == "money":
        money = _MONEY.fullmatch(text)
        if money is None:
            return None
        return float(money["sign"] + money["number"].replace(",", ""))
    return float(text) if _NUMBER.fullmatch(text) else None


def parse_texts(kind: str, texts: pa.Array) -> npt.NDArray[np.float64]:
    """Return `parse_text` of each text; NaN where it means no number.

    Examples:
        >>> parse_texts("money", pa.array(["$1,119.00", "free"]))
        array([1119.,   nan])
    """
    if kind in _PATTERNS:
        pattern, marks = _PATTERNS[kind]
        bare = pc.utf8_trim_whitespace(texts)
        good = pc.match_substring_regex(bare, f"^(?:{pattern.pattern})$")
        digits = pc.replace_substring_regex(pc.if_else(good, bare, None), marks, "")
        numbers: npt.NDArray[np.float64] = digits.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return numbers
    parsed = (parse_text(kind, text) for text in texts.to_pylist())
    return np.array([np.nan if n is None else n for n in parsed], dtype=np.float64)


def infer_kind(texts: Collection[str]) -> str:
    """Return the kind of a column by some of its different values, of which none is a gap.

    Examples:
        >>> [infer_kind(t) for t in (["1", "-2e3"], ["t", "f"], ["9%"], ["$9", "8"], ["9", "x"])]
        ['number', 'flag', 'percent', 'money', 'words']
    """
    for kind in ("number", "flag", "percent"):
        if all(parse_text(kind, text) is not None for text in texts):
            return kind
    marked = any(map(_MARKS.search, texts))
    if marked and all(parse_text("money", text) is not None for text in texts):
        return "money"
    return "words"
