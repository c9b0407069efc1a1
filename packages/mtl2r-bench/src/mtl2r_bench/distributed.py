"""The processes that train one ranker together, as torchrun starts them; or the only one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, distributed


class ProcessLostError(RuntimeError):
    """Another process of the group is gone, so this one cannot go on."""


@dataclass(frozen=True)
class ProcessGroup:
    """How many processes share a training, and which one this is.

    Every process holds the whole model and a share of each batch. What they exchange are sums and
    means, so that all compute the same weights, and the first process alone writes files.

    Attributes:
        rank: This process, from 0.
        size: How many there are.
        device: Where tensors must be to be exchanged.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """Adds up a tensor over the processes, in place."""
        if self.size > 1:
            with _lost():
                distributed.all_reduce(tensor)
        return tensor

    def mean(self, tensor: Tensor) -> Tensor:
        """Averages a tensor over the processes, in place; what `mtl_optim.backward` reduces by."""
        return self.total(tensor).div_(self.size) if self.size > 1 else tensor

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all processes, of one shape, by rank; on the CPU."""
        if self.size == 1:
            return [tensor.cpu()]
        here = tensor.to(self.device)
        found = [torch.empty_like(here) for _ in range(self.size)]
        with _lost():
            distributed.all_gather(found, here)
        return [each.cpu() for each in found]

    def wait(self) -> None:
        """Returns when every process is here."""
        if self.size > 1:
            self.total(torch.zeros(1, device=self.device))

    def share(self, items: list[int]) -> list[int]:
        """This process's part of a batch. Neighbours, of like length, go to different processes."""
        return items[self.rank :: self.size]


ALONE = ProcessGroup()
"""One process, on the CPU."""


def pick_device(name: str) -> torch.device:
    """The device of a config's name for it; "auto" is a GPU where there is one.

    Raises:
        ValueError: For another name, and for a GPU where there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"`device` is {name!r}, but torch finds no GPU; expected auto or cpu")
    if name == "cuda":
        # torchrun's processes have one GPU each, and so have a sweep's.
        name = f"cuda:{os.environ.get('LOCAL_RANK') or torch.cuda.current_device()}"
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"`device` must be auto, cpu or cuda[:n], got {name!r}") from error


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Joins the group that torchrun describes in the environment; alone where there is none.

    Args:
        device: Of this process; NCCL connects GPUs, Gloo everything else.

    Raises:
        ProcessLostError: The other processes cannot be reached.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup(device=device)
        return
    with _lost():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ProcessLostError(f"a process of the group does not answer: {reason}") from error
