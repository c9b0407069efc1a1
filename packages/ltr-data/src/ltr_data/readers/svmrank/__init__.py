"""The text format of SVMrank and LETOR: ``<label> qid:<id> <feature>:<value> ... # comment``."""

from ._blocks import Block, read_blocks
from ._reader import parse_blocks, parse_stream, read_svmrank
from ._writer import write_svmrank

__all__ = [
    "Block",
    "parse_blocks",
    "parse_stream",
    "read_blocks",
    "read_svmrank",
    "write_svmrank",
]
