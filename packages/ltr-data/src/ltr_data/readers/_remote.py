"""Files of remote places, copied once to a folder on this machine."""

import glob
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs

from .._progress import Progress
from ..files import atomic_write, remove_leftovers
from ..files._locks import locked
from ._parts import choose_parts, matches, split_pattern, table_suffix
from ._streams import COMPRESSED

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]+)://(?P<user>[^/@]*@)?(?P<path>.*?)(?P<query>\?[\w.-]+=.*)?",
    re.IGNORECASE | re.DOTALL,
)
_SECRETS = re.compile(r"(?<=://)([^@?]*:[^@?]*@|[^/@?]*@)|\?[\w.-]+=.*", re.DOTALL)
_OF_ARROW = {"s3": "S3FileSystem", "gs": "GcsFileSystem", "gcs": "GcsFileSystem"}
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_PACKAGES |= dict.fromkeys(("hf", "http", "https"), '"ltr-data[remote]"')
_COMPANIONS = (".query", ".group", ".weight")  # files beside text that belong to it
_CHUNK_BYTES = 4 << 20


def is_remote(name: str | bytes) -> bool:
    """Return whether a name is an address rather than a path.

    Examples:
        >>> is_remote("s3://bucket/train.csv"), is_remote("train.csv"), is_remote("C://train.csv")
        (True, False, False)
    """
    return isinstance(name, str) and _ADDRESS.fullmatch(name) is not None


def without_secrets(address: str) -> str:
    """Return an address to show: without user, password and query.

    Examples:
        >>> without_secrets("https://me:word@host/a.csv?signature=x"), without_secrets("s3://b/?.csv")
        ('https://...@host/a.csv...', 's3://b/?.csv')
    """
    return _SECRETS.sub(lambda found: "...@" if found[0].endswith("@") else "...", address)


def user_cache() -> Path:
    """Return the folder for copies of remote files, unless the caller gives another.

    It is ``ltr-data`` in ``%LOCALAPPDATA%`` on Windows, in ``~/Library/Caches`` on macOS, and in
    ``$XDG_CACHE_HOME`` or ``~/.cache`` elsewhere.
    """
    if sys.platform == "win32":
        given, usual = os.environ.get("LOCALAPPDATA"), Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        given, usual = None, Path.home() / "Library" / "Caches"
    else:
        given, usual = os.environ.get("XDG_CACHE_HOME"), Path.home() / ".cache"
    return (Path(given) if given else usual) / "ltr-data"


class Place:
    """The file system of an address, and the path in it.

    pyarrow's own is taken for S3 and Google's storage where pyarrow was built with it, else that of
    fsspec. Both raise what the libraries behind raise; see `_reached`.
    """

    def __init__(self, address: str) -> None:
        found = _parse(address)
        scheme, user, query = found["scheme"].lower(), found["user"] or "", found["query"] or ""
        self.path = found["path"].rstrip("/")
        self._fsspec: Any = None
        self.system: pa.fs.FileSystem
        if hasattr(pa.fs, _OF_ARROW.get(scheme, "")):
            bucket = self.path.split("/")[0]
            with _reached(address):
                self.system, _ = pa.fs.FileSystem.from_uri(f"{scheme}://{user}{bucket}{query}")
        else:
            whole = f"{scheme}://{user}{self.path}{query}"
            self._fsspec, self.path = _open_fsspec(scheme, whole)
            self._fsspec.invalidate_cache()
            self.system = pa.fs.PyFileSystem(pa.fs.FSSpecHandler(self._fsspec))
        # An address on the web has a query behind the name.
        bare = self.path.removesuffix(query)
        self.folder, self.name = bare.rpartition("/")[0], bare.rpartition("/")[2]

    def below(self, folder: str) -> dict[str, pa.fs.FileInfo]:
        """Return the files below a folder, at any depth, by their names relative to it."""
        found = self.system.get_file_info(pa.fs.FileSelector(folder, recursive=True))
        return {
            info.path.removeprefix(f"{folder}/"): info
            for info in found
            if info.type == pa.fs.FileType.File
        }

    def state(self, info: pa.fs.FileInfo) -> str:
        """Return a digest of size, time of change and ETag, as far as the place tells them."""
        about: list[Any] = [info.size, info.mtime_ns]
        if self._fsspec is None:
            with self.system.open_input_file(info.path) as file:
                about += sorted(file.metadata().items())
        else:
            found = sorted(self._fsspec.info(info.path).items())
            about += [item for item in found if isinstance(item[1], (str, int, float, datetime))]
        return _digest(repr(about))

    def read(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file as they are, block by block."""
        with self.system.open_input_stream(path, compression=None) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk


def _open_fsspec(scheme: str, address: str) -> tuple[Any, str]:
    shown = without_secrets(address)
    try:
        import fsspec.core
    except ImportError as error:
        raise ImportError(f"`path` {shown} needs fsspec: pip install fsspec") from error
    if scheme not in fsspec.available_protocols():
        raise ValueError(
            "`path` must be a file, or an address that begins with s3://, gs://, hf://, https:// "
            f"or another of fsspec, got {shown}"
        )
    try:
        with _reached(address):
            system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        advice = f"pip install {_PACKAGES[scheme]}" if scheme in _PACKAGES else str(error)
        raise ImportError(
            f"`path` {shown} needs a package that is not installed: {advice}"
        ) from error
    return system, str(path)


@dataclass(frozen=True)
class _File:
    """A remote file and its copy."""

    address: str
    place: Place
    info: pa.fs.FileInfo
    target: Path

    def fetch(self, state: str, progress: Progress, done: int, total: int) -> None:
        """Write the copy; the progress of all goes from `done` to `total`."""
        remove_leftovers(self.target)
        size = 0
        with atomic_write(self.target) as out:
            chunks = self.place.read(self.info.path)
            while chunk := self._next(chunks):
                out.write(chunk)
                size += len(chunk)
                progress(done + size, total)
            with _reached(self.address, self.target.parent):
                info = self.place.system.get_file_info(self.info.path)
                same = self.place.state(info) == state and info.size in (size, None)
            if not same:
                shown = without_secrets(self.address)
                raise RuntimeError(f"{shown}: {self.target.name} changed while it was copied")

    def _next(self, chunks: Iterator[bytes]) -> bytes:
        with _reached(self.address, self.target.parent):
            return next(chunks, b"")


class Copies:
    """The copies of a data set's remote files, which are fetched where they are out of date.

    Args:
        cache: The folder for them; by default `user_cache`.
    """

    def __init__(self, cache: str | os.PathLike[str] | None = None) -> None:
        self._cache = user_cache() if cache is None else Path(cache)
        self._files: list[_File] = []
        self._absent: list[Path] = []  # copies of files beside text, which are gone

    def add(self, address: str) -> tuple[Path, list[str]]:
        """Find the files of an address: a file, a pattern or a folder.

        Returns:
            The folder of the copies, and their names relative to it, in their order.
        """
        place = Place(address)
        folder = place.folder
        with _reached(address, self._copy_folder(address, folder)):
            info = place.system.get_file_info(place.path)
            if info.type == pa.fs.FileType.File:
                found = {place.name: info}
            elif info.type == pa.fs.FileType.Directory:
                folder = place.path
                found = place.below(folder)
            elif glob.has_magic(f"{folder}/{place.name}"):
                folder, pattern = split_pattern(f"{folder}/{place.name}")
                found = {n: i for n, i in place.below(folder).items() if matches(n, pattern)}
            else:
                found = {}
        shown = without_secrets(address)
        if info.type == pa.fs.FileType.Directory:
            names = choose_parts(list(found), shown)
        else:
            names = sorted(found)
        if not names:
            raise FileNotFoundError(f"`path` must name an existing file, {shown} names none")
        copies = self._copy_folder(address, folder)
        for name in names:
            if not {"", ".", ".."}.isdisjoint(re.split(r"[/\\]", name)):
                raise ValueError(f"{shown}: a copy cannot have the name {name!r}")
            self._files.append(_File(address, place, found[name], copies / name))
        self._add_companions(place, folder, names, copies, address)
        return copies, names

    def _copy_folder(self, address: str, folder: str) -> Path:
        """Return the folder of the copies of a remote folder's files."""
        about = _parse(address)
        return self._cache / _digest(f"{about['scheme']}://{folder}{about['query'] or ''}")[:16]

    def _add_companions(
        self, place: Place, folder: str, names: Sequence[str], copies: Path, address: str
    ) -> None:
        """Find the files with sizes of queries and weights beside text."""
        plain = {
            name.removesuffix(compressed)
            for name in names
            if table_suffix(name) is None
            for compressed in ("", *COMPRESSED)
        }
        for name in sorted(name + suffix for name in plain for suffix in _COMPANIONS):
            try:
                with _reached(address):
                    info = place.system.get_file_info(f"{folder}/{name}")
            except (ConnectionError, PermissionError):
                continue  # some places refuse what is not there
            if info.type == pa.fs.FileType.File:
                self._files.append(_File(address, place, info, copies / name))
            else:
                self._absent.append(copies / name)

    def fetch(self, progress: Progress | None = None) -> int:
        """Copy the files that are out of date, and return their bytes.

        Args:
            progress: Called with the bytes done, and the bytes to copy and then to read.
        """
        for path in self._absent:
            path.unlink(missing_ok=True)
        to_read = sum(file.info.size or 0 for file in self._files)
        old: list[tuple[_File, str]] = []
        for file in self._files:
            with _reached(file.address, file.target.parent):
                state = file.place.state(file.info)
            if _state_of(file.target) != state:
                old.append((file, state))
        to_copy = sum(file.info.size or 0 for file, _ in old)
        report: Progress = (lambda done, total: None) if progress is None else progress
        done = 0
        for file, state in old:
            file.target.parent.mkdir(parents=True, exist_ok=True)
            with locked(file.target.parent):
                if _state_of(file.target) != state:  # no other process was quicker
                    _state_file(file.target).unlink(missing_ok=True)
                    file.fetch(state, report, done, to_copy + to_read)
                    with atomic_write(_state_file(file.target), "w") as out:
                        out.write(state)
            done += file.info.size or 0
        return to_copy


def _state_file(copy: Path) -> Path:
    return copy.with_name(f".{copy.name}.state")


def _state_of(copy: Path) -> str | None:
    """Return the state of the remote file when it was copied, or None without a copy."""
    state = _state_file(copy)
    return state.read_text() if copy.is_file() and state.is_file() else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _reached(address: str, copies: Path | None = None) -> Iterator[None]:
    """Turn what the libraries raise into errors that name the address, without its secrets."""
    shown = without_secrets(address)
    try:
        yield
    except ImportError:
        raise
    except FileNotFoundError:
        raise FileNotFoundError(f"`path` must name an existing file, {shown} names none") from None
    except Exception as error:  # noqa: BLE001 - the libraries have no class in common
        text = str(error) or type(error).__name__
        for secret in _parse(address).group("user", "query"):
            text = text.replace(secret.strip("@?"), "...") if secret else text
        if isinstance(error, ValueError):
            raise ValueError(f"{shown}: {text}") from None
        earlier = copies is not None and copies.is_dir()
        advice = f"; what was copied earlier is in {copies}" if earlier else ""
        kind = PermissionError if isinstance(error, PermissionError) else ConnectionError
        raise kind(f"{shown} cannot be read ({text}){advice}") from None


def _parse(address: str) -> re.Match[str]:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ValueError(f"`path` must be an address, got {without_secrets(address)}")
    return found
