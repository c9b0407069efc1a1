"""Downloads that resume, verify, and leave a complete file or none."""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..files._locks import locked
from ._catalogue import Manifest, how_to_get, manifest

_CHUNK_BYTES = 1 << 18


def download(
    name: str | Manifest,
    root: str | os.PathLike[str],
    *,
    accept_licence: bool | Callable[[Manifest], bool] = False,
    progress: Callable[[int, int], None] | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """Download the archive of a public data set, unless it is there.

    The received bytes are kept in ``ARCHIVE.part``. If the connection drops or the process is
    killed, the next attempt requests only the rest. The archive gets its name when it is complete
    and has the right size and SHA-256, if they are known; a wrong one is removed and downloaded
    again, once. If several processes download the same file, one does and the others wait.

    Args:
        name: A name of the catalogue, or a manifest.
        root: The folder, which is created if it does not exist.
        accept_licence: Whether its licence is accepted: True after reading it, or a function that
            asks.
        progress: Called with the received and the total bytes, such as `ProgressPrinter`.
        attempts: Number of attempts without a new byte.
        timeout: Seconds to wait for the next byte.
        pause: Seconds before another attempt; doubled after each failure.

    Returns:
        The archive.

    Raises:
        PermissionError: The licence is not accepted.
        ConnectionError: The address cannot be reached; the message says what to do by hand.
        ValueError: The name is unknown, there is no address, or the content is wrong.
    """
    about = manifest(name) if isinstance(name, str) else name
    target = Path(root) / about.archive
    if target.exists():
        return target
    if about.url is None:
        raise ValueError(
            f"{about.title} cannot be downloaded without a browser: {how_to_get(about, Path(root))}"
        )
    if not about.url.startswith(("http://", "https://")):
        raise ValueError(f"`url` must begin with http:// or https://, got {about.url}")
    if not (accept_licence(about) if callable(accept_licence) else accept_licence):
        raise PermissionError(
            f"the licence of {about.title} must be accepted (`accept_licence`): {about.licence}, "
            f"{about.page}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.touch()
    with locked(part):
        if target.exists():  # another process was quicker
            part.unlink(missing_ok=True)
            return target
        for fresh in (False, True):
            if fresh:
                part.unlink(missing_ok=True)
            part.touch()
            _fetch(about, part, target, progress, attempts, timeout, pause)
            wrong = _wrong(about, part)
            if wrong is None:
                break
            part.unlink()
        else:
            raise ValueError(f"{about.url}: {wrong}; {how_to_get(about, Path(root))}")
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    return target


def _fetch(
    about: Manifest,
    part: Path,
    target: Path,
    progress: Callable[[int, int], None] | None,
    attempts: int,
    timeout: float,
    pause: float,
) -> None:
    """Download the rest of a file, or raise ConnectionError after attempts without a new byte."""
    failed = 0
    error: Exception | None = None
    while failed < attempts:
        before = part.stat().st_size
        try:
            if _fetch_once(about, part, progress, timeout):
                return
            error = ConnectionError("the connection ended early")
        except (OSError, http.client.HTTPException) as found:
            error = found
        failed = 0 if part.stat().st_size > before else failed + 1
        if failed < attempts:
            time.sleep(pause * 2**failed)
    raise ConnectionError(
        f"{about.url} cannot be reached ({error}); {how_to_get(about, target.parent)}"
    ) from error


def _fetch_once(
    about: Manifest, part: Path, progress: Callable[[int, int], None] | None, timeout: float
) -> bool:
    """Make one request, and return whether the file is complete."""
    have = part.stat().st_size
    request = urllib.request.Request(str(about.url))  # noqa: S310 - http or https, see above
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return True  # there is no more; the checks find out if there is less
        raise
    with response:
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            begins = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
            if begins != str(have):
                raise ConnectionError(f"requested the bytes from {have}, got those from {begins}")
        else:
            have = 0  # a server without range requests sends the whole file
        length = response.headers.get("Content-Length")
        total = about.size or (have + int(length) if length else 0)
        # Received bytes are written at once, so that a kill loses few of them.
        with part.open("r+b", buffering=0) as file:
            file.truncate(have)
            file.seek(have)
            while chunk := response.read1(_CHUNK_BYTES):
                written = 0
                while written < len(chunk):
                    written += file.write(chunk[written:])
                have += len(chunk)
                if progress is not None:
                    progress(have, max(total, have))
        # Without a length the end of the connection is the end of the file.
        return not total or have >= total


def _wrong(about: Manifest, path: Path) -> str | None:
    """Return what differs from the manifest, or None."""
    size = path.stat().st_size
    if about.size is not None and size != about.size:
        return f"expected {about.size} bytes, got {size}"
    if about.sha256 is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != about.sha256:
            return f"expected the SHA-256 {about.sha256}, got {found}"
    return None
