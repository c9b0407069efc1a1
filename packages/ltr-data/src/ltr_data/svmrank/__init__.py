"""The text format of SVMrank and LETOR: ``<label> qid:<id> <feature>:<value> ... # comment``."""

from ._reader import read_svmrank
from ._writer import write_svmrank

__all__ = ["read_svmrank", "write_svmrank"]
