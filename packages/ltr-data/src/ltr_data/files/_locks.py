"""Locks between processes, which the system releases when a process ends, a kill included."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor, unlock_descriptor

_WINDOWS = os.name == "nt"


class FileLock:
    """A file that one process at a time can hold; a kill releases it.

    The file stays when it is released: if it were removed, two processes could hold two files of
    one name. Where a file system cannot lock, every `acquire` succeeds.

    Args:
        path: The file, which is created if it does not exist. It holds nothing.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first, second = FileLock(Path(folder, "lock")), FileLock(Path(folder, "lock"))
        ...     first.acquire(), second.acquire(), second.taken()
        ...     first.release()
        ...     second.taken()
        (True, False, True)
        False
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free, without waiting; return whether it was.

        Raises:
            OSError: The file cannot be opened.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT)
        if not _lock(descriptor, unsupported=True):
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Release the lock; do nothing if this object does not hold it."""
        if self._descriptor is not None:
            _unlock_and_close(self._descriptor)
            self._descriptor = None

    def taken(self) -> bool:
        """Return whether a process holds the lock at this moment."""
        if not self.path.is_file():
            return False
        if not self.acquire():
            return True
        self.release()
        return False


def hold(descriptor: int) -> bool:
    """Lock a temporary file until it is closed; return False if that is not possible.

    Windows needs no lock, since it removes no file that is open. A lock there would also keep the
    writer from opening the file a second time.
    """
    return _WINDOWS or _lock(descriptor, unsupported=False)


def held(path: Path) -> bool:
    """Return whether a living process may `hold` a file, so that it must not be removed."""
    with path.open("rb") as file:
        return not hold(file.fileno())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for other processes that lock the same existing file or folder, and keep them out.

    The lock is on `path` itself, so that no lock file is left beside it. Windows opens no folder,
    and a locked file could not be written there: a file beside it is locked, and then removed.
    """
    beside = path / ".lock" if path.is_dir() else path.with_name(f".{path.name}.lock")
    name, flags = (beside, os.O_RDWR | os.O_CREAT) if _WINDOWS else (path, os.O_RDONLY)
    descriptor = os.open(name, flags)
    try:
        with suppress(OSError):  # some network file systems cannot lock
            lock_descriptor(descriptor, poll_interval=0.01)
        yield
    finally:
        _unlock_and_close(descriptor)
        if _WINDOWS:
            with suppress(OSError):  # another process has it open, and removes it later
                beside.unlink()


def _lock(descriptor: int, *, unsupported: bool) -> bool:
    """Lock an open file without waiting; return `unsupported` if its file system cannot lock."""
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:
        return unsupported


def _unlock_and_close(descriptor: int) -> None:
    with suppress(OSError):  # closing unlocks too, but on Windows at some later time
        unlock_descriptor(descriptor)
    os.close(descriptor)
