"""One file that holds a table: written as a stream, read by memory map.

The layout is that of safetensors: 8 bytes with the length of the header, a header in JSON that is
padded with blanks, and the arrays in sequence. The features are one row-major matrix, so that it
can be mapped; the header has a fixed size, so that they can be written before their number is
known. (An Arrow IPC file has either many record batches, and so no matrix, or one, whose size must
be known first.) Any reader of safetensors understands the file.
"""

import json
import math
import shutil
import struct
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .._strings import Strings
from .._table import RankingTable
from ._arrays import MappedArray, map_file

HEADER_BYTES = 4096  # a page, so that the features are aligned to one
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_CHUNK_BYTES = 8 << 20
_KIND = {"format": "ltr_data", "version": "2"}


class CacheFile:
    """The writer of a new named file: the features of a table block by block, then the rest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._segments: list[tuple[int, int]] = []  # (rows, width), the width rising
        file.write(b" " * HEADER_BYTES)

    def append(self, matrix: npt.NDArray[np.float32]) -> None:
        """Add a (row, width) matrix; the width never falls."""
        rows, width = matrix.shape
        if self._segments and self._segments[-1][1] == width:
            rows += self._segments.pop()[0]
        self._segments.append((rows, width))
        self._file.write(np.ascontiguousarray(matrix).data)

    def finish(
        self,
        width: int,
        table: RankingTable,
        manifest: dict[str, Any],
        segments: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Add the manifest, the rest of the table without its features, and the header.

        The (run, 2) segments are the rows in their final order; None if they are in it.
        """
        self._file.flush()
        self._widen(width)
        if segments is not None:
            self._reorder(width, segments)
        num_rows = sum(rows for rows, _ in self._segments)
        self._file.seek(HEADER_BYTES + num_rows * width * 4)
        about = {name: getattr(table, name) for name in ("feature_names", "nullable")}
        about |= {name: list(getattr(table, name).items()) for name in ("kinds", "words")}
        arrays = {
            "offsets": np.ascontiguousarray(table.offsets, dtype="<i8"),
            "query_ids": _as_bytes(table.query_ids),
            "about": _as_bytes(about),
            "manifest": _as_bytes(manifest),
        }
        for name in ("labels", "weights"):
            if (values := getattr(table, name)) is not None:
                arrays[name] = np.ascontiguousarray(values, dtype="<f4")
        if (ids := table.document_ids) is not None:
            arrays["document_ids"] = np.ascontiguousarray(ids.data)
            arrays["document_id_offsets"] = np.ascontiguousarray(ids.offsets, dtype="<i8")
        header: dict[str, Any] = {"__metadata__": _KIND}
        end = num_rows * width * 4
        header["features"] = {"dtype": "F32", "shape": [num_rows, width], "data_offsets": [0, end]}
        for name, array in arrays.items():
            self._file.write(array.data)
            start, end = end, end + array.nbytes
            header[name] = {
                "dtype": _NAMES[array.dtype],
                "shape": list(array.shape),
                "data_offsets": [start, end],
            }
        text = json.dumps(header).encode().ljust(HEADER_BYTES - 8)
        self._file.seek(0)
        self._file.write(struct.pack("<Q", len(text)) + text)

    def _widen(self, width: int) -> None:
        """Append zeros, in place, to the rows that were written while the table was narrower."""
        if all(segment_width == width for _, segment_width in self._segments):
            return
        start = sum(rows * segment_width for rows, segment_width in self._segments)
        row = sum(rows for rows, _ in self._segments)
        # From the last row back: a row's new place is never before its old one.
        with Path(self._file.name).open("r+b") as file:
            for rows, segment_width in reversed(self._segments):
                step = max(1, _CHUNK_BYTES // (4 * width))
                for stop in range(rows, 0, -step):
                    count = min(step, stop)
                    start -= count * segment_width
                    row -= count
                    file.seek(HEADER_BYTES + 4 * start)
                    narrow = np.frombuffer(file.read(4 * count * segment_width), dtype="<f4")
                    wide = np.zeros((count, width), dtype="<f4")
                    wide[:, :segment_width] = narrow.reshape(count, segment_width)
                    file.seek(HEADER_BYTES + 4 * row * width)
                    file.write(wide.data)

    def _reorder(self, width: int, segments: npt.NDArray[np.int64]) -> None:
        """Reorder the rows, by way of a temporary file."""
        name = Path(self._file.name)
        with name.open("r+b") as file, tempfile.TemporaryFile(dir=name.parent) as other:
            for start, end in segments.tolist():
                file.seek(HEADER_BYTES + 4 * width * start)
                _copy(file, other, 4 * width * (end - start))
            other.seek(0)
            file.seek(HEADER_BYTES)
            shutil.copyfileobj(other, file, _CHUNK_BYTES)


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    while count:
        chunk = source.read(min(count, _CHUNK_BYTES))
        target.write(chunk)
        count -= len(chunk)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return what the file was made from; None if it is no whole file of this kind."""
    try:
        with path.open("rb") as file:
            header = _header(file)
            if header is None:
                return None
            start, end = header["manifest"]["data_offsets"]
            file.seek(HEADER_BYTES + start)
            manifest: dict[str, Any] = json.loads(file.read(end - start))
            return manifest
    except (OSError, ValueError, KeyError):  # missing, a folder, not readable, damaged
        return None


def map_table(path: Path) -> RankingTable:
    """Map a file to a table, whose features and labels are read only.

    A pickle of the table has the file's path and not its content.
    """
    with path.open("rb") as file:
        header = _header(file)
        if header is None:
            raise ValueError(
                f"{path}: expected a complete file written by `convert`; convert the source again"
            )
    content = map_file(path)

    def array(name: str) -> npt.NDArray[Any]:
        about: dict[str, Any] = header[name]
        offset = HEADER_BYTES + about["data_offsets"][0]
        return MappedArray(about["shape"], _DTYPES[about["dtype"]], content, offset)

    try:
        about = json.loads(array("about").tobytes())
        features = array("features")
        names = about["feature_names"]
        ids = None
        if "document_ids" in header:
            # The file aligns an array to the end of the one before.
            ids = Strings(np.array(array("document_id_offsets")), array("document_ids"))
        return RankingTable(
            features=features,
            feature_ids=tuple(range(1, features.shape[1] + 1)),
            labels=array("labels") if "labels" in header else None,
            offsets=np.array(array("offsets")),
            query_ids=tuple(json.loads(array("query_ids").tobytes())),
            feature_names=None if names is None else tuple(names),
            nullable=tuple(about["nullable"]),
            kinds=dict(about["kinds"]),
            words={column: tuple(words) for column, words in about["words"]},
            document_ids=ids,
            weights=array("weights") if "weights" in header else None,
        )
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: the file is damaged, remove it: {error}") from error


def _header(file: IO[bytes]) -> dict[str, Any] | None:
    """Return the header; None unless the file is of this kind and as long as the header says."""
    start = file.read(HEADER_BYTES)
    if len(start) < HEADER_BYTES or start[:8] != struct.pack("<Q", HEADER_BYTES - 8):
        return None
    try:
        header: dict[str, Any] = json.loads(start[8:])
        if header.pop("__metadata__", None) != _KIND:
            return None
        end = 0
        for about in header.values():
            size = math.prod(about["shape"]) * _DTYPES[about["dtype"]].itemsize
            if about["data_offsets"] != [end, end + size]:
                return None
            end += size
    except (ValueError, KeyError, TypeError):
        return None
    return header if file.seek(0, 2) == HEADER_BYTES + end else None


def _as_bytes(value: Any) -> npt.NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)
