"""The state of a training, saved now and then within an epoch."""

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
    """What happens after every step: progress is shown and, now and then, the state is saved.

    Args:
        config: The run; its `checkpoint_seconds` say how often.
        state: What is trained.
        path: Where it is saved.
        on_progress: Shows progress, in the first process of the group.
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
