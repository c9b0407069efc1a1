"""Files and folders that are complete or absent, whatever happens while they are written."""

from ._atomic import atomic_folder, atomic_write, recover_folder, remove_leftovers

__all__ = ["atomic_folder", "atomic_write", "recover_folder", "remove_leftovers"]
