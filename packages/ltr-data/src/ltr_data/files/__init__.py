"""Files and folders that are complete or absent, and locks between processes."""

from ._atomic import atomic_folder, atomic_write, recover_folder, remove_leftovers
from ._locks import FileLock

__all__ = ["FileLock", "atomic_folder", "atomic_write", "recover_folder", "remove_leftovers"]
