"""Locks of folders."""

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: a folder is then not guarded against a second process
    fcntl = None  # type: ignore[assignment]


class FileLock:
    """A lock file that one process at a time can hold; a kill releases it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Acquire the lock; return False if another process holds it."""
        if fcntl is None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:  # a network file system without locks
            pass
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def taken(self) -> bool:
        """Return whether a process holds the lock."""
        if not self.path.is_file():
            return False
        if not self.acquire():
            return True
        self.release()
        return False
