"""Reasons why a file cannot be written or read, and a check before the work."""

import errno
import os
import tempfile
from pathlib import Path

_BLOCK = 4_096
"""Bytes that the check writes, since a full disk still accepts an empty file."""

_REASONS = {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "it is a folder, expected a file",
    errno.ENOTEMPTY: "the folder is not empty",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "no space is left",
    errno.EDQUOT: "the quota is used up",
}
_FULL = (errno.ENOSPC, errno.EDQUOT)


def explain(error: OSError) -> str:
    """Describe a system error in one line: the path, then the reason.

    Messages of this package are returned unchanged.

    Examples:
        >>> explain(PermissionError(errno.EACCES, "Permission denied", "runs/x"))
        'runs/x: permission denied'
        >>> explain(FileNotFoundError("x: no finished run there"))
        'x: no finished run there'
    """
    if error.errno is None:
        return str(error)
    reason = _reason(error)
    if error.filename is None:
        return reason
    there = _there(Path(os.fsdecode(error.filename)))
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and not there.is_dir():
        reason = f"{there} is a file, expected a folder"
    return f"{os.fsdecode(error.filename)}: {reason}"


def writable(path: Path, option: str, *, folder: bool = False) -> None:
    """Check before the work that a result can be written, and leave nothing behind.

    `option` is the one that gave the path; the error names both and the reason. The missing parents
    of a folder are made later.

    Examples:
        >>> writable(Path(__file__, "runs"), "--out", folder=True)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        OSError: `--out` cannot be written to ...: ...files.py is a file, expected a folder
    """
    place = path.absolute()
    there = _there(place if folder else place.parent)
    if not there.is_dir():
        reason = f"{there} is a file, expected a folder"
    elif not folder and place.is_dir():
        reason = _REASONS[errno.EISDIR]
    elif not folder and there != place.parent:
        reason = f"there is no folder {place.parent}"
    else:
        try:
            with tempfile.TemporaryFile(dir=there, buffering=0) as file:
                file.write(b"\0" * _BLOCK)
            return
        except FileNotFoundError:  # /proc says so
            reason = f"nothing can be made in {there}"
        except OSError as error:
            reason = _reason(error)
    raise OSError(f"`{option}` cannot be written to {path}: {reason}")


def _reason(error: OSError) -> str:
    reason = _REASONS.get(error.errno or 0, (error.strerror or str(error)).lower())
    if error.errno in _FULL:
        reason += "; free some, and give the same command again: what was finished is kept"
    return reason


def _there(path: Path) -> Path:
    """Return the path, or its nearest parent that exists, which may be a file."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path
