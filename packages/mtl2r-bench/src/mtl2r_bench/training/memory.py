"""Memory that a step needs again."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> None:
    """Lets the C library keep what is freed, for the whole process.

    glibc gives large blocks back to the system at once, which hands them out again page by page,
    each filled with zeros first; to a training step on the CPU that is about a tenth of its time.
    With another C library nothing happens.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, 1 << 30)
        library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
