"""The ids of documents, which LETOR's files have in their comments: ``#docid = GX001-01-0001``."""

import re
from collections.abc import Sequence

import numpy as np

from ..._strings import Strings

#: A comment; its group is the document's id, if it begins with one.
COMMENT = re.compile(rb"#(?:[ \t]*(?i:docid)[ \t]*=[ \t]*([^\s]+))?[^\n]*")


def document_ids(found: Sequence[bytes | None], count: int) -> Strings | None:
    """Return the ids of `count` documents; None unless each has one, in UTF-8.

    Examples:
        >>> list(document_ids([b"a", b"b"], 2))
        ['a', 'b']
        >>> document_ids([b"a", None], 2) is None
        True
    """
    ids = [raw for raw in found if raw is not None]
    if not ids or len(ids) != len(found) or len(ids) != count:
        return None
    try:
        b" ".join(ids).decode()
    except UnicodeDecodeError:
        return None  # a comment is free text
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return Strings(offsets, np.frombuffer(b"".join(ids), dtype=np.uint8))
