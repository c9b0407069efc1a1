"""The schema of a record, and the environment that it was made in."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

_PACKAGES = ("ltr-data", "ltr-losses", "mtl-optim", "mtl2r-models", "mtl2r-bench", "torch", "numpy")

_Measured = dict[str, dict[str, dict[str, float]]]
"""Values by split, metric and label."""


class Record(BaseModel):
    """The entries of every record, see `mtl2r_bench.training.summary`."""

    model_config = ConfigDict(strict=True)

    labels: Annotated[list[str], Field(min_length=1)]
    tasks: list[str]
    method: dict[str, Any]
    label: str
    position: float | None
    fold: int | None
    seed: int
    select_cutoff: int
    epoch: int
    epochs: int
    parameters: int
    loss: dict[str, float]
    metrics: _Measured
    standard_errors: _Measured
    seconds: float
    data: dict[str, str]
    environment: dict[str, Any]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        labels = set(self.labels)
        if not set(self.tasks) <= labels:
            raise ValueError(f"the tasks are {self.tasks}, not among the labels {self.labels}")
        for measured in (self.metrics, self.standard_errors):
            if "validation" not in measured:
                raise ValueError(f"there are no values on validation, only on {list(measured)}")
            for split, metrics in measured.items():
                for metric, values in metrics.items():
                    if set(values) != labels:
                        raise ValueError(f"{metric} on {split} is of {[*values]}, not of {labels}")
        return self


def environment(device: torch.device) -> dict[str, Any]:
    """Return the environment of a result: revision, versions, machine."""
    return {
        "revision": _revision(),
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }


def _revision() -> str | None:
    """Return the checkout's commit, with "+" if files differ from it; None outside a checkout."""
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
