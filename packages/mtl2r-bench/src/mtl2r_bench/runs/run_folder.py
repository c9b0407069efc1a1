"""A run's folder: its config, its log, its checkpoints, its results.

config.toml         the run's config, defaults included
log.jsonl           one line per finished epoch, appended
last.safetensors    everything that is needed to go on after the last finished epoch
ranker/             the ranker of the chosen epoch (`mtl2r_models.Ranker.load`)
trees.txt          instead of these three, for boosted trees (`lightgbm.Booster`)
queries.parquet     metrics per query of the chosen epoch
error.json          why the run failed the last time, if it did
lock                held by the process that trains
record.json         the result, and what it was made with; written last: a run is finished where it
                    is there and sound, which `RunFolder.finished` alone decides
record.json.damaged one that was not, set aside by the training that made it anew
"""


import json
import os
import platform
import subprocess
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import ValidationError

from ltr_data import atomic_write

from ..config._files import differences
from .record import Record

try:
    import fcntl
except ImportError:  # Windows: a folder is then not guarded against a second process
    fcntl = None  # type: ignore[assignment]


TREES_FILE = "trees.txt"
"""What a run of boosted trees has in place of a ranker: `lightgbm.Booster(model_file=...)`."""

_PACKAGES = ("ltr-data", "ltr-losses", "mtl-optim", "mtl2r-models", "mtl2r-bench", "torch", "numpy")

_SHOWN = 4
"""Differences between two configs that a message names."""

_PATIENCE = 50
"""Tenths of a second that a process waits for another to leave its folder."""


class DamagedError(ValueError):
    """A file that this package wrote is not what it was; the message names it."""


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """An object from a JSON file.

    Args:
        path: The file.
        keys: What must be in it.

    Raises:
        DamagedError: When it is not JSON, or no object with these keys.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path}: damaged, not JSON ({error})") from error
    missing = [key for key in keys if not isinstance(found, dict) or key not in found]
    if missing or not isinstance(found, dict):
        what = f"an object with {', '.join(missing)}" if missing else "an object"
        raise DamagedError(f"{path}: damaged, expected {what}")
    return found


class FileLock:
    """A file that one process at a time can hold; a kill lets it go."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Takes hold of the file; False where another process has it."""
        if fcntl is None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:  # a network file system that locks no files
            pass
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Lets it go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def taken(self) -> bool:
        """Whether a process holds it at the moment."""
        if not self.path.is_file():
            return False
        if not self.acquire():
            return True
        self.release()
        return False


class RunFolder:
    """The files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.toml"
        self.log = self.path / "log.jsonl"
        self.last = self.path / "last.safetensors"
        self.ranker = self.path / "ranker"
        self.trees = self.path / TREES_FILE
        self.queries = self.path / "queries.parquet"
        self.record = self.path / "record.json"
        self.error = self.path / "error.json"
        self.lock = FileLock(self.path / "lock")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes from training in this folder.

        A process that was just killed may need a moment to end.

        Raises:
            ValueError: When another process does.
        """
        for _ in range(_PATIENCE):
            if self.lock.acquire():
                break
            time.sleep(0.1)
        else:
            raise ValueError(f"{self.path}: another process trains in this folder")
        try:
            yield
        finally:
            self.lock.release()

    def open(self, config_toml: str) -> None:
        """Makes the folder, or takes up one that holds the same config.

        A damaged record there is set aside, so that the run is finished anew.

        Raises:
            ValueError: When the folder holds a run of another config, or a damaged one.
        """
        if self.config.is_file():
            self._check_same(config_toml)
            if self.damage() is not None:
                self.record.replace(self.record.with_name(f"{self.record.name}.damaged"))
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.config) as file:
            file.write(config_toml.encode())

    def _check_same(self, config_toml: str) -> None:
        try:
            found = differences(self.config.read_text(encoding="utf-8"), config_toml)
        except ValueError as error:
            raise DamagedError(f"{self.config}: damaged: {error}") from error
        if found:
            more = f"; {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise ValueError(
                f"{self.path} holds a run of another config ({'; '.join(found[:_SHOWN])}{more}): "
                "choose another folder, or remove this one"
            )

    def begun(self, config_toml: str) -> dict[str, Any] | None:
        """Opens the folder and forgets why the run failed before; its record where it finished.

        For runs of one process; those of several agree on each step.

        Raises:
            ValueError: When the folder holds a run of another config.
        """
        self.open(config_toml)
        record = self.finished()
        if record is None:
            self.error.unlink(missing_ok=True)
        return record

    def finished(self) -> dict[str, Any] | None:
        """The record, where the run finished: what is told of a run anywhere follows from this.

        Raises:
            DamagedError: When the file is there but cannot be read, contradicts itself or the
                config beside it, or lacks the metrics per query that belong to it.
        """
        if not self.record.is_file():
            return None
        fault = self.damage()
        if fault is not None:
            raise DamagedError(
                f"{fault}; the command that trained it, given again, makes the record anew from "
                "the last checkpoint"
            )
        return read_json(self.record)

    def damage(self) -> str | None:
        """What is wrong with the record; None where nothing is, or where there is none."""
        if not self.record.is_file():
            return None
        try:
            record = read_json(self.record, *Record.model_fields)
            Record.model_validate(record)
        except DamagedError as error:
            return str(error)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            return f"{self.record}: damaged, {place}: {first['msg']}"
        fault = self._misfit(record)
        return None if fault is None else f"{self.record}: damaged, {fault}"

    def _misfit(self, record: Mapping[str, Any]) -> str | None:
        """What a record says that the files beside it do not."""
        if not self.queries.is_file():
            return f"{self.queries.name} is not beside it"
        if self.config.is_file():
            try:
                config = tomllib.loads(self.config.read_text(encoding="utf-8"))
            except ValueError as error:
                return f"as is {self.config.name} ({error})"
            given = {"seed": config.get("seed"), **config.get("method", {})}
            found = {"seed": record["seed"], **record["method"]}
            for key, value in given.items():
                if found.get(key) != value:
                    return f"{key} is {found.get(key)!r}, {value!r} in {self.config.name}"
        return None

    def fail(self, error: str) -> None:
        """Keeps why the run failed, for `mtl2r-bench status`."""
        if self.path.is_dir():  # a mistake in the config leaves no folder
            with atomic_write(self.error) as file:
                file.write((json.dumps({"error": error}) + "\n").encode())

    def failure(self) -> str | None:
        """Why the run failed the last time; None where it did not."""
        if not self.error.is_file():
            return None
        return str(read_json(self.error, "error")["error"])

    def finish(self, record: dict[str, Any]) -> None:
        """Writes the record, the sign that the run is done."""
        with atomic_write(self.record) as file:
            file.write((json.dumps(record, indent=2, allow_nan=True) + "\n").encode())

    def append(self, line: dict[str, Any]) -> None:
        """Appends an epoch to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def epochs(self) -> list[dict[str, Any]]:
        """The log's lines; a last line that a kill cut short is left out.

        Raises:
            DamagedError: When another line is not what `append` writes.
        """
        if not self.log.is_file():
            return []
        lines = self.log.read_text(encoding="utf-8").split("\n")[:-1]
        try:
            return [dict(json.loads(line)) for line in lines]
        except (TypeError, ValueError) as error:
            raise DamagedError(
                f"{self.log}: damaged ({error}); remove the run's folder to train it again"
            ) from error

    def rewind(self, epochs: int) -> None:
        """Keeps the first `epochs` lines of the log: those of which the state was saved."""
        if not self.log.is_file():
            return
        lines = self.epochs()[:epochs]
        with atomic_write(self.log) as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines).encode())


def environment(device: torch.device) -> dict[str, Any]:
    """What a result was made with: revision, versions, machine."""
    return {
        "revision": _revision(),
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }


def write_parquet(path: Path, table: pa.Table) -> None:
    """Writes a table beside its place and renames it."""
    with atomic_write(path) as file:
        pq.write_table(table, file)


def _revision() -> str | None:
    """The checkout's commit, with "+" where files differ from it; None outside a checkout."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's git
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None
