"""The processes that train one ranker together: one, or the group that torchrun starts."""

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
    """The processes that share a training.

    Every process holds the whole model and a share of each batch. The processes exchange sums and
    means on `device`, so that all compute the same weights. Only the first process writes files.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over the processes, in place."""
        if self.size > 1:
            with _lost():
                distributed.all_reduce(tensor)
        return tensor

    def mean(self, tensor: Tensor) -> Tensor:
        """Average a tensor over the processes, in place; the `reduce` of `mtl_optim.backward`."""
        return self.total(tensor).div_(self.size) if self.size > 1 else tensor

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, which have the same shape, by rank on the CPU."""
        if self.size == 1:
            return [tensor.cpu()]
        here = tensor.to(self.device)
        found = [torch.empty_like(here) for _ in range(self.size)]
        with _lost():
            distributed.all_gather(found, here)
        return [each.cpu() for each in found]

    def wait(self) -> None:
        """Wait until every process calls this."""
        if self.size > 1:
            self.total(torch.zeros(1, device=self.device))

    def share(self, items: list[int]) -> list[int]:
        """Return this process's share of a batch; neighbours of similar length are spread."""
        return items[self.rank :: self.size]


ALONE = ProcessGroup()
"""One process, on the CPU."""


def pick_device(name: str) -> torch.device:
    """Return the device of a config's name; "auto" is a GPU if there is one."""
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
    """Join the group that torchrun describes in the environment, or a group of one process.

    NCCL connects GPUs, Gloo everything else.
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
