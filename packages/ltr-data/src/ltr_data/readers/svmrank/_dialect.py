"""What SVMrank text may have that the format does not."""

from dataclasses import dataclass
from typing import Literal

from .._streams import Stream
from ._blocks import read_blocks
from ._comments import COMMENT


@dataclass(frozen=True)
class Dialect:
    """How a text departs from the format; `read_svmrank` describes the arguments."""

    zero_based: bool | Literal["auto"] = False
    clip: bool = False

    def __post_init__(self) -> None:
        if self.zero_based not in (True, False, "auto"):
            raise ValueError(f'`zero_based` must be True, False or "auto", got {self.zero_based!r}')


STRICT = Dialect()


def has_feature_0(stream: Stream) -> bool:
    """Return whether a feature 0 occurs in a text."""
    for block in read_blocks(stream):
        text = COMMENT.sub(b"", block.text) if b"#" in block.text else block.text
        if b" 0:" in text or b"\t0:" in text:
            return True
    return False
