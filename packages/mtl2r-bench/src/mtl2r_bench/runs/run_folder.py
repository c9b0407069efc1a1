"""A run's folder: its config, its log, its checkpoints, its results.

config.toml         the run's config, defaults included
log.jsonl           one line per finished epoch, appended
last.safetensors    the last checkpoint, from which a training resumes
ranker/             the ranker of the chosen epoch (`mtl2r_models.Ranker.load`)
trees.txt           instead of these three, for boosted trees (`lightgbm.Booster`)
trees_columns.json  beside it, the names, kinds and words of columns with names
queries.parquet     metrics per query of the chosen epoch
error.json          why the run failed the last time, if it did
lock                held by the process that trains
record.json         the result, and what it was made with; written last: a run is finished where it
                    is there and sound, which `RunFolder.finished` alone decides
record.json.damaged one that was not, set aside by the training that writes a new one
"""

import hashlib
import json
import os
import re
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from pydantic import ValidationError

from ltr_data.files import FileLock

from ..config import differences
from ..distributed import ProcessGroup
from .files import DamagedError, read_json, write, write_json, write_parquet
from .record import Record

TREES_COLUMNS_FILE = "trees_columns.json"
TREES_FILE = "trees.txt"
"""File of boosted trees, in place of a ranker: `lightgbm.Booster(model_file=...)` reads it."""

_SHARED = "conditioned-"
"""Prefix of the folder name of a training that several runs share."""

_SHOWN = 4  # largest number of differences between two configs in a message

_PATIENCE = 50
"""Tenths of a second that a process waits for another to release its folder."""


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

    @classmethod
    def shared(cls, beside: Path, config_toml: str) -> Self:
        """Return the folder of a training that several runs share, beside theirs."""
        digest = hashlib.sha256(config_toml.encode()).hexdigest()
        return cls(beside / f"{_SHARED}{digest[:12]}")

    @property
    def is_shared(self) -> bool:
        """Whether this is the folder of a training that several runs share."""
        return re.fullmatch(rf"{_SHARED}[0-9a-f]{{12}}", self.path.name) is not None

    @contextmanager
    def training(
        self, config_toml: str, group: ProcessGroup, *, wait: bool = False
    ) -> Iterator[None]:
        """Hold the folder for one training: make it, or resume one with the same config.

        The group's first process does this. A damaged record is set aside, so that the training
        rebuilds it, and the error of an earlier attempt is deleted. If an error comes before there
        is anything to keep, the folder is removed. `wait` waits without limit for another process
        that trains here.

        Raises:
            ValueError: The folder holds a run of another config, or another process trains in it.
            DamagedError: The folder's config is damaged.
        """
        made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        if group.first:
            self._open(config_toml)
            if not self.record.is_file():
                self._hold(wait)
                self.error.unlink(missing_ok=True)
        try:
            group.wait()
            yield
        except (ValueError, ImportError):
            if group.first and made and self._is_empty():
                self.lock.release()
                self._remove(made)
            raise
        finally:
            self.lock.release()

    def _open(self, config_toml: str) -> None:
        if not self.config.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            write(self.config, config_toml)
            return
        self._check_same(config_toml)
        if self.damage() is not None:
            self.record.replace(self.record.with_name(f"{self.record.name}.damaged"))

    def _hold(self, wait: bool) -> None:
        """Acquire the lock; a process that was just killed may need a moment to end."""
        tries = 0
        while not self.lock.acquire():
            tries += 1
            if tries >= _PATIENCE and not wait:
                raise ValueError(f"{self.path}: another process trains in this folder")
            time.sleep(0.1)

    def _is_empty(self) -> bool:
        """Whether nothing was trained here."""
        return {path.name for path in self.path.iterdir()} <= {self.config.name, "lock"}

    def _remove(self, made: list[Path]) -> None:
        """Remove an empty run's folder, and those above it that were made for it."""
        for path in self.path.iterdir():
            path.unlink()
        for path in made:
            with suppress(OSError):  # another run is there
                path.rmdir()

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

    def finished(self) -> dict[str, Any] | None:
        """Return the record, or None if the run has not finished.

        Raises:
            DamagedError: The file cannot be read, contradicts itself or the config beside it, or
                lacks the metrics per query that belong to it.
        """
        if not self.record.is_file():
            return None
        fault = self.damage()
        if fault is not None:
            raise DamagedError(
                f"{fault}; run the same command again: it rebuilds the record from the last "
                "checkpoint"
            )
        return read_json(self.record)

    def damage(self) -> str | None:
        """Return the fault of the record; None if it is valid or does not exist."""
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
        """Return the contradiction between a record and the files beside it; None without one."""
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
        """Write the error of a failed run, for `mtl2r-bench status`."""
        if self.path.is_dir():  # a mistake in the config leaves no folder
            write_json(self.error, {"error": error}, indent=None)

    def failure(self) -> str | None:
        """Return the error of the run's last attempt; None if it did not fail."""
        if not self.error.is_file():
            return None
        return str(read_json(self.error, "error")["error"])

    def write_queries(self, table: pa.Table) -> None:
        """Write the metrics per query."""
        write_parquet(self.queries, table)

    def write_trees(self, text: str, columns: str | None = None) -> None:
        """Write boosted trees, in LightGBM's text, and what their columns with names are."""
        if columns is not None:
            write(self.path / TREES_COLUMNS_FILE, columns)
        write(self.trees, text)

    def finish(self, record: dict[str, Any]) -> None:
        """Write the record, the sign that the run is done."""
        write_json(self.record, record)

    def append(self, line: dict[str, Any]) -> None:
        """Append an epoch to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def epochs(self) -> list[dict[str, Any]]:
        """Return the log's lines, without a last line that a kill cut short.

        Raise DamagedError if another line is invalid.
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
        """Keep the first `epochs` lines of the log, whose state was saved."""
        if not self.log.is_file():
            return
        lines = self.epochs()[:epochs]
        write(self.log, "".join(json.dumps(line) + "\n" for line in lines))

    def copy_log(self, training: Self) -> None:
        """Copy the log of a shared training."""
        write(self.log, training.log.read_bytes())
