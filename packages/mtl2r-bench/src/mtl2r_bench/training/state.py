"""The state of a training, which one safetensors file saves so that it can resume after a kill."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ltr_data import Loader
from mtl2r_models import Ranker, Scorer

from ..distributed import ProcessGroup
from ..runs.files import write
from ..table import Method

FORMAT = "mtl2r-training"


@dataclass
class Tally:
    """Sums over the steps of the current epoch; of the losses and the method's weights (task,)."""

    losses: NDArray[np.float64]
    weights: NDArray[np.float64]
    steps: int = 0
    seconds: float = 0.0


@dataclass
class TrainingState:
    """Everything that changes during a training.

    Attributes:
        method: The multi-task method; its state is in its buffers and generators.
        loader: The loader of the batches, positioned at the next batch.
        scaler: Scaler of the losses in float16; None in other precisions.
        average: Moving average of the weights; None if the config has none.
        epoch: Number of finished epochs.
        best_epoch: The best epoch so far, counted from 1; 0 before the first.
        best_value: Selection value of the best epoch.
    """

    ranker: Ranker
    method: Method
    optimizer: torch.optim.Optimizer
    loader: Loader
    scaler: torch.amp.GradScaler | None
    average: AveragedModel | None
    group: ProcessGroup
    tally: Tally
    epoch: int = 0
    best_epoch: int = 0
    best_value: float = float("-inf")

    @property
    def network(self) -> Scorer:
        """The network inside the ranker."""
        network = self.ranker.model
        assert isinstance(network, Scorer)  # noqa: S101 - `build_model` returns one
        return network

    @property
    def evaluated(self) -> Ranker:
        """The ranker that is evaluated and kept: with averaged weights if there are any."""
        if self.average is None:
            return self.ranker
        kept = self.average.module
        assert isinstance(kept, Ranker)  # noqa: S101 - a copy of `ranker`
        return kept

    def next_epoch(self) -> None:
        """Count the current epoch as finished and begin the next."""
        self.epoch += 1
        self.tally = Tally(np.zeros_like(self.tally.losses), np.zeros_like(self.tally.weights))
        self.loader.set_epoch(self.epoch)

    def save(self, path: Path) -> None:
        """Write the state to a file, atomically. Every process of the group must call this."""
        randoms = self.group.gather(random_state(self.group.device))
        if not self.group.first:
            return
        optimizer = self.optimizer.state_dict()
        tensors = {f"{name}.{key}": value for name, key, value in self._tensors()}
        tensors |= {f"random.{rank}": value for rank, value in enumerate(randoms)}
        tensors |= {
            f"optimizer.{index}.{name}": value
            for index, values in optimizer["state"].items()
            for name, value in values.items()
        }
        progress = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "steps": self.tally.steps,
            "seconds": self.tally.seconds,
            "param_groups": optimizer["param_groups"],
            "loader": self.loader.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
        }
        payload = save_tensors(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
            metadata={"format": FORMAT, "progress": json.dumps(progress)},
        )
        write(path, payload)

    def load(self, path: Path) -> None:
        """Restore the state that `save` wrote; raise ValueError if the file is invalid."""
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

        self.ranker.load_state_dict(part("ranker."))
        self.method.load_state_dict(part("method."))
        if self.average is not None:
            self.average.load_state_dict(part("average."))
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimizer.").items():
            index, _, key = name.partition(".")
            states.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": states, "param_groups": progress["param_groups"]})
        if self.scaler is not None:
            self.scaler.load_state_dict(progress["scaler"])
        self.loader.load_state_dict(progress["loader"])
        randoms = part("random.")
        if str(self.group.rank) in randoms:  # otherwise the group has grown: keep a fresh state
            set_random_state(self.group.device, randoms[str(self.group.rank)])
        self.tally = Tally(
            tensors["tally.losses"].numpy(),
            tensors["tally.weights"].numpy(),
            progress["steps"],
            progress["seconds"],
        )
        self.epoch = progress["epoch"]
        self.best_epoch = progress["best_epoch"]
        self.best_value = progress["best_value"]

    def _tensors(self) -> list[tuple[str, str, Tensor]]:
        """Return owner, name and value of every tensor except the optimizer's."""
        found: list[tuple[str, str, Tensor]] = [
            ("tally", "losses", torch.from_numpy(self.tally.losses)),
            ("tally", "weights", torch.from_numpy(self.tally.weights)),
        ]
        owners: dict[str, torch.nn.Module | None] = {
            "ranker": self.ranker,
            "method": self.method,
            "average": self.average,
        }
        for owner, module in owners.items():
            if module is not None:
                found += [(owner, name, value) for name, value in module.state_dict().items()]
        return found


def random_state(device: torch.device) -> Tensor:
    """Return the state of the generator that dropout on a device draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_random_state(device: torch.device, state: Tensor) -> None:
    """Restore the state of the generator that dropout on a device draws from."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
