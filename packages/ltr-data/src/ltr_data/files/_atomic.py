"""Write files and folders beside their place, and rename them when they are complete."""

import errno
import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any, Literal

from ._locks import held, hold, locked

_LEFTOVER_AFTER_SECONDS = 10.0

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing, which have no file's name, as opposed to those of a socket."""


@contextmanager
def atomic_write(
    path: str | os.PathLike[str],
    mode: Literal["wb", "w"] = "wb",
    *,
    encoding: str | None = None,
    newline: str | None = None,
) -> Iterator[IO[Any]]:
    r"""Open a file that appears under its name only when it is complete.

    The handle writes to a temporary file beside `path`, ``handle.name``. At the end of the block
    the data are flushed to the disk and the temporary file is renamed to `path`. An exception
    removes it; a kill leaves it behind as ``.NAME.XXXXXXXX.tmp``. In both cases the old file at
    `path` is untouched. A symbolic link is followed.

    Args:
        path: The final path of the file.
        mode: "wb" for bytes, "w" for text.
        encoding: Of text; by default UTF-8.
        newline: As in `open`; by default line feeds are written as they are.

    Yields:
        The open handle.

    Raises:
        ValueError: `mode` is neither "wb" nor "w".
        FileNotFoundError: The folder of `path` does not exist.
        IsADirectoryError: `path` is a folder.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "scores.txt")
        ...     with atomic_write(path, "w") as file:
        ...         _ = file.write("0.5\n")
        ...         path.exists()
        ...     path.read_text()
        False
        '0.5\n'
    """
    if mode not in ("wb", "w"):
        raise ValueError(f'`mode` must be "wb" or "w", got {mode!r}')
    target, temporary = _paths(path)
    if target.is_dir():
        raise IsADirectoryError(f"`path` must name a file, {target} is a folder")
    if mode == "w":
        encoding, newline = encoding or "utf-8", "" if newline is None else newline
    # "x": the name is new, and the umask applies as to any other file.
    with _named(temporary, target):
        handle = temporary.open(mode.replace("w", "x"), encoding=encoding, newline=newline)
    hold(handle.fileno())
    try:
        with _named(temporary, target):
            try:
                yield handle
                if not handle.closed:
                    handle.flush()
                    os.fsync(handle.fileno())
            finally:
                # On a full disk closing fails again; the first error is the one to report.
                with suppress(OSError):
                    handle.close()
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync(target.parent)


def remove_leftovers(path: str | os.PathLike[str]) -> list[Path]:
    """Remove the temporary files that killed processes left beside a file of `atomic_write`.

    A file that a living process writes to is locked, and stays; so does one from the last seconds,
    whose process may not have locked it yet.

    Args:
        path: As given to `atomic_write`.

    Returns:
        The removed files.

    Examples:
        >>> remove_leftovers("nothing-was-left-here.txt")
        []
    """
    target = Path(os.path.realpath(path))
    removed = []
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.????????.tmp"):
        try:
            if time.time() - leftover.stat().st_mtime < _LEFTOVER_AFTER_SECONDS:
                continue
            if not held(leftover):
                leftover.unlink()
                removed.append(leftover)
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            continue  # another process was quicker, or it is not ours
    return removed


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Fill a folder that appears under its name only when it is complete.

    The block writes to a new folder beside `path`. At its end an existing `path` is renamed to
    ``path.old``, the new folder to `path`, and the old one is removed. An exception removes the new
    folder and leaves `path` as it was. A kill between the two renames leaves ``path.old``;
    `recover_folder`, which is called here first, moves it back.

    Args:
        path: The final path of the folder.

    Yields:
        The folder to write into.

    Raises:
        NotADirectoryError: `path` is a file.
        FileNotFoundError: The folder above `path` does not exist.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as root:
        ...     with atomic_folder(pathlib.Path(root, "run")) as folder:
        ...         _ = (folder / "metrics.csv").write_text("epoch,ndcg")
        ...     sorted(str(p.relative_to(root)) for p in pathlib.Path(root).rglob("*.csv"))
        ['run/metrics.csv']
    """
    target, temporary = _paths(path)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"`path` must name a folder, {target} is a file")
    recover_folder(target)
    with _named(temporary, target):
        temporary.mkdir()
    try:
        with _named(temporary, target):
            yield temporary
            for file in (*temporary.rglob("*"), temporary):
                _sync(file)
        with locked(target.parent):
            old = _old(target)
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
                target.rename(old)
            try:
                temporary.rename(target)
            except OSError:
                if old.exists():
                    old.rename(target)
                raise
            _sync(target.parent)
            shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def recover_folder(path: str | os.PathLike[str]) -> bool:
    """Finish a swap of `atomic_folder` that a kill interrupted.

    If only ``path.old`` exists, it is renamed to `path`; if both exist, the swap had succeeded, and
    the old one is removed.

    Args:
        path: The folder given to `atomic_folder`.

    Returns:
        Whether a folder is at `path` now.

    Examples:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as root:
        ...     pathlib.Path(root, "run.old").mkdir()
        ...     recover_folder(pathlib.Path(root, "run"))
        True
    """
    target = Path(os.path.realpath(path))
    old = _old(target)
    if old.is_dir():
        with locked(target.parent):
            if target.exists():
                shutil.rmtree(old, ignore_errors=True)
            elif old.exists():
                old.rename(target)
                _sync(target.parent)
    return target.is_dir()


def _old(target: Path) -> Path:
    return target.with_name(target.name + ".old")


def _paths(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return the target, after symbolic links, and a new temporary path beside it."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"`path` must lie in an existing folder, got {path}")
    return target, target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


@contextmanager
def _named(temporary: Path, target: Path) -> Iterator[None]:
    """Let the system's errors name the target; those of a full disk name no file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            if error.errno in _DISK:
                error.filename = str(target)
        elif isinstance(error.filename, str | os.PathLike):
            name = os.fspath(error.filename)
            error.filename = name.replace(str(temporary), str(target), 1)
        raise


def _sync(path: Path) -> None:
    """Flush a file or a folder's entries to the disk, if the system can."""
    if os.name == "nt" or path.is_symlink():
        return  # Windows opens no folders, and syncs no file that was opened for reading
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Some network file systems cannot sync a folder; an error of a file is an error.
        with suppress(OSError) if path.is_dir() else nullcontext():
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
