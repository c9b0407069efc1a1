"""Dense blocks, parsed by pyarrow's CSV reader: quick, and never more trusting than the text.

A dense line of two features is ``2 qid:11 1:0.5 2:3`` and becomes the table row ``2 qid 11 1 0.5 2
3`` when its colons turn into blanks. Two checks make that safe. What is left of the block after
all characters of numbers are taken out must be the same few separators line after line, which
rules out missing fields, comments, words, double blanks. And every field must be what stands in
its place: numbers are parsed, the word qid is compared, every feature number in every line must be
the expected one (which rules out another order and features swapped for others), and nothing may
follow a trailing blank. A block that fails is left to the tolerant parser.
"""

import io
import re

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ._blocks import Block, Rows

_COMMENT = re.compile(rb"[ \t]*#[^\n]*")
_BLANKS = bytes.maketrans(b"\t:", b"  ")
_TABS = bytes.maketrans(b"\t", b" ")
_OF_NUMBERS = b"0123456789.+-eE"
_HEAD = 3  # label, the word qid, query id


def parse_dense(block: Block) -> Rows | None:
    """Parse a block in which every line has the features 1, 2, ..., F in this order.

    Args:
        block: The lines.

    Returns:
        The rows, or None when the block is not of this form.
    """
    text = block.text
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if b"#" in text:
        text = _COMMENT.sub(b"", text)
    first = text[: text.index(b"\n")]
    num_features = first.count(b":") - 1
    if num_features < 1:
        return None
    separators = text.translate(_TABS, _OF_NUMBERS)
    trailing = first.endswith((b" ", b"\t"))
    line = b" qid:" + b" :" * num_features + b" " * trailing + b"\n"
    num_rows, remainder = divmod(len(separators), len(line))
    if remainder or separators != line * num_rows:
        return None

    columns = {"label": pa.float32(), "qid": pa.string(), "id": pa.string()}
    for j in range(1, num_features + 1):
        columns[f"k{j}"] = pa.int32()
        columns[f"v{j}"] = pa.float32()
    if trailing:
        columns["trailing"] = pa.string()
    text = text.translate(_BLANKS)
    if text.count(b" qid ") != num_rows:
        return None
    try:
        table = csv.read_csv(
            io.BytesIO(text),
            read_options=csv.ReadOptions(
                column_names=list(columns), block_size=len(text) + 1, use_threads=False
            ),
            parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=columns,
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != num_rows:
        return None
    if trailing and table["trailing"].unique().to_pylist() != [""]:
        return None
    arrays = [column.to_numpy() for column in table.columns[: _HEAD + 2 * num_features]]
    keys = np.stack(arrays[_HEAD::2])
    if (keys != np.arange(1, num_features + 1)[:, None]).any():
        return None
    labels = arrays[0]
    values = np.stack(arrays[_HEAD + 1 :: 2])
    query_ids = arrays[2].tolist()
    if not (np.isfinite(values).all() and np.isfinite(labels).all() and all(query_ids)):
        return None
    lines = np.arange(block.first_line, block.first_line + num_rows)
    return Rows(labels, query_ids, lines, None, None, values)
