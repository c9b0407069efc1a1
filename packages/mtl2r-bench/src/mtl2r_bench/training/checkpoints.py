"""Checkpoints within an epoch."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from ..config import RunConfig
from ..progress import OnProgress, Progress
from .state import TrainingState


def checkpoints(
    config: RunConfig,
    state: TrainingState,
    path: Path,
    on_progress: OnProgress,
) -> Callable[[Progress], None]:
    """Return a function that, after every step, reports progress and saves the state if it is due.

    Args:
        config: Config of the run; `train.checkpoint_seconds` is the time between checkpoints.
        state: State of the training.
        path: File of the checkpoint.
        on_progress: Called with the progress in the first process of the group.
    """
    last = time.monotonic()

    def after_step(progress: Progress) -> None:
        nonlocal last
        # The first process's clock decides for all, since all must save together.
        late = time.monotonic() - last >= config.train.checkpoint_seconds
        due = torch.tensor(float(late and state.group.first), device=state.group.device)
        if state.group.total(due).item() > 0:
            state.save(path)
            last = time.monotonic()
        if state.group.first:
            on_progress(progress)

    return after_step
