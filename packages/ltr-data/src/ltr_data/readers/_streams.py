"""Files as streams of bytes: plain, compressed, or inside an archive."""

import bz2
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

import pyarrow as pa

from .._checks import did_you_mean

#: By suffix, a raw file to what it holds; what has none of these is plain.
DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw, mode="rb"),
    ".zst": lambda raw: pa.CompressedInputStream(raw, "zstd"),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
COMPRESSED = tuple(DECOMPRESSORS)

_MAGIC = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"PK\x03\x04": ".zip"}
_DAMAGED = (
    *(EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(zipfile.BadZipFile, pa.ArrowInvalid),
)


class Stream:
    """The decompressed content of a file, read forward.

    A name that ends in ``.gz``, ``.zst``, ``.bz2`` or ``.xz`` means compressed data; a member of an
    archive has the path of the archive and its own: ``data.zip/Fold1/train.txt``. The constructor
    raises OSError if there is no such file or member, and ValueError if the content does not fit
    the name, or is of another kind that is recognised.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = locate(path)
        self._raw = self.file.open("rb")
        self._size = self.file.stat().st_size
        try:
            inner = self._raw if self.file == path else self._member()
            decompress = DECOMPRESSORS.get(path.suffix.lower())
            if decompress is None and inner is self._raw:
                _check_plain(path, self._raw)
            self._stream: Any = inner if decompress is None else decompress(inner)
        except BaseException:
            self._raw.close()
            raise

    def _member(self) -> IO[bytes]:
        name = self.path.relative_to(self.file).as_posix()
        try:
            with_names = zipfile.ZipFile(self._raw)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{self.file}: not a zip archive: {error}") from error
        names = [member for member in with_names.namelist() if not member.endswith("/")]
        # The official archives have a folder of the data set's name on top, or none.
        found = [m for m in names if m == name] or [m for m in names if m.endswith("/" + name)]
        if len(found) != 1:
            shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            raise FileNotFoundError(
                f"{self.file}: expected one member {name}, found {len(found)} among {shown}"
            )
        return with_names.open(found[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, or raise ValueError if the compressed data are damaged."""
        try:
            read: bytes = self._stream.read(size)
            return read
        except (OSError, *_DAMAGED) as error:
            # pyarrow's decoders raise OSError, without a number, for damage.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(f"the compressed data are damaged: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed, for pyarrow."""
        return self._raw.closed

    def position(self) -> int:
        """Return the bytes of the file itself that have been read, to show progress."""
        return self._size if self._raw.closed else self._raw.tell()


def locate(path: Path) -> Path:
    """Return the file that holds what `path` names: itself, or the archive of a member."""
    if path.is_dir():
        raise IsADirectoryError(
            f"`path` must name a file, {path} is a folder; give one of its files, a pattern, or "
            "what `datasets.letor.find_splits` finds in it"
        )
    if path.suffix == ".zip" and path.is_file():
        names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
        raise ValueError(
            f"`path` must name a member of the archive, as {path}{os.sep}<member>; "
            f"it has {', '.join(names[:10])}"
        )
    if path.exists():
        return path
    for parent in path.parents:
        if parent.suffix == ".zip" and parent.is_file():
            return parent
    raise FileNotFoundError(
        f"`path` must name an existing file, there is no {path}{_nearest(path)}"
    )


def _nearest(path: Path) -> str:
    """Suggest the file of the most similar name in the folder, for messages."""
    try:
        names = [file.name for file in path.parent.iterdir()]
    except OSError:
        return f", and no folder {path.parent}"
    return did_you_mean(path.name, names)


def _check_plain(path: Path, raw: IO[bytes]) -> None:
    """Raise ValueError for compressed data under the name of plain ones."""
    start = raw.read(4)
    raw.seek(0)
    for magic, suffix in _MAGIC.items():
        if start.startswith(magic):
            raise ValueError(
                f"{path}: the content is compressed, so the name must end in {suffix}, "
                f"got {path.name!r}"
            )
