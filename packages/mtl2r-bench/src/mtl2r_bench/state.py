"""Everything a training needs to go on after a kill, in one safetensors file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from ltr_data import BucketBatchSampler, atomic_write
from mtl2r_models import ListTransformer

from .tables import Method

__all__ = ["TrainingState"]

FORMAT = "mtl2r-training"


@dataclass
class TrainingState:
    """What changes during a training.

    Attributes:
        model: The ranker's network.
        method: The multi-task method; its state is in its buffers and generators.
        optimizer: With one state per parameter.
        scheduler: Of the learning rate.
        sampler: Of the batches.
        device: Where the model is.
        epoch: Epochs finished.
        best_epoch: The epoch chosen so far, counted from 1; 0 for none.
        best_value: Its value of the selection metric.
    """

    model: ListTransformer
    method: Method
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.StepLR
    sampler: BucketBatchSampler
    device: torch.device
    epoch: int = 0
    best_epoch: int = 0
    best_value: float = float("-inf")

    def save(self, path: Path) -> None:
        """Writes the file beside its place and renames it."""
        optimizer = self.optimizer.state_dict()
        tensors: dict[str, Tensor] = {
            **{f"model.{name}": value for name, value in self.model.state_dict().items()},
            **{f"method.{name}": value for name, value in self.method.state_dict().items()},
            "random.torch": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        for index, values in optimizer["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        progress = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "param_groups": optimizer["param_groups"],
            "scheduler": self.scheduler.state_dict(),
            "sampler": self.sampler.state_dict(),
        }
        payload = save_tensors(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
            metadata={"format": FORMAT, "progress": json.dumps(progress)},
        )
        with atomic_write(path) as file:
            file.write(payload)

    def load(self, path: Path) -> None:
        """Takes up what `save` wrote.

        Raises:
            ValueError: When the file is damaged or holds something else.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path}: damaged training state ({error})") from error
        if metadata.get("format") != FORMAT:
            raise ValueError(f"{path}: expected a training state, found {metadata.get('format')!r}")
        progress: dict[str, Any] = json.loads(metadata["progress"])

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.method.load_state_dict(part("method."))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimizer.").items():
            index, _, field = name.partition(".")
            states.setdefault(int(index), {})[field] = value
        self.optimizer.load_state_dict({"state": states, "param_groups": progress["param_groups"]})
        self.scheduler.load_state_dict(progress["scheduler"])
        self.sampler.load_state_dict(progress["sampler"])
        torch.set_rng_state(tensors["random.torch"])
        if self.device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.epoch = progress["epoch"]
        self.best_epoch = progress["best_epoch"]
        self.best_value = progress["best_value"]
