"""Read and write the small files of runs and studies.

Writes are atomic: a kill leaves the old file or the new one.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ltr_data.files import atomic_write


class DamagedError(ValueError):
    """A file that this package wrote is damaged; the message names the file."""


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Read an object with these keys from a JSON file; raise DamagedError if it is not one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path}: damaged, not JSON ({error})") from error
    missing = [key for key in keys if not isinstance(found, dict) or key not in found]
    if missing or not isinstance(found, dict):
        what = f"an object with {', '.join(missing)}" if missing else "an object"
        raise DamagedError(f"{path}: damaged, expected {what}")
    return found


def write(path: Path, content: str | bytes) -> None:
    """Write a file atomically, text as UTF-8."""
    with atomic_write(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Write an object as JSON."""
    write(path, json.dumps(content, indent=indent) + "\n")


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet."""
    with atomic_write(path) as file:
        pq.write_table(table, file)
