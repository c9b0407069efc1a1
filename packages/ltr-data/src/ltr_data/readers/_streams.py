"""Files as streams of bytes: plain, compressed, or inside an archive."""

import bz2
import gzip
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self

import pyarrow as pa

from .._checks import did_you_mean
from ..files import atomic_write
from ._recognise import START_BYTES, recognise

#: By suffix, a raw file to what it holds; what has none of these is plain.
DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw, mode="rb"),
    ".zst": lambda raw: pa.CompressedInputStream(raw, "zstd"),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
COMPRESSED = tuple(DECOMPRESSORS)

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
            suffix = path.suffix.lower()
            if inner is self._raw:
                self._check(self._raw.read(START_BYTES), suffix)
                self._raw.seek(0)
            self._start = b""  # what is read already
            self._stream: Any = DECOMPRESSORS.get(suffix, lambda raw: raw)(inner)
            if self._stream is not self._raw:
                self._start = self._first()
                self._check(self._start, "")
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

    def _check(self, start: bytes, suffix: str) -> None:
        """Raise ValueError for the first bytes of something else than what the name says."""
        found = recognise(start)
        if found is not None and found.suffix != (suffix or None):
            raise ValueError(f"{self.path}: {found.message}")

    def _first(self) -> bytes:
        try:
            return self.read(START_BYTES)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, or raise ValueError if the compressed data are damaged."""
        try:
            start, self._start = self._start[:size], self._start[size:]
            read: bytes = start + self._stream.read(size - len(start))
            return read
        except (OSError, *_DAMAGED) as error:
            # pyarrow's decoders raise OSError, without a number, for damage.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(f"the compressed data are damaged: {error}") from error

    def skip_line(self) -> None:
        """Read to the end of the line."""
        read = b""
        while b"\n" not in read and (more := self.read(1 << 16)):
            read = more
        self._start = read.partition(b"\n")[2] + self._start

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


@contextmanager
def write_stream(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a new file that appears only when complete; ``.gz`` is compressed with gzip."""
    with atomic_write(path) as file:
        if path.suffix != ".gz":
            yield file
            return
        # Without a time and a name inside, equal contents give equal files.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as compressed:
            yield compressed
