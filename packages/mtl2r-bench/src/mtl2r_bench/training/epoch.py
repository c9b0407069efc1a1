"""One epoch of training: one forward pass per batch, all losses in one call."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat

import torch
from torch import Tensor

import mtl_optim
from ltr_data import Loader, RankingBatch, RankingDataset
from ltr_losses import listnet_loss
from mtl2r_models.torch_internals import keep_graph_for_several_backward_passes

from ..config import RunConfig
from ..data.batches import training_loader
from ..distributed import ProcessLostError
from ..evaluation.evaluate import sum_and_count, task_mask
from ..progress import Progress
from .optimisation import casting, learning_rate
from .state import TrainingState, random_state, set_random_state

_SECOND_BATCH = 1_000_003  # offset of the seed of the second batches that two-batch methods take


class TrainingError(RuntimeError):
    """A training cannot go on; the message names the task, epoch and batch."""


@dataclass
class Engine:
    """The training of a state on a data set, step by step.

    Attributes:
        dataset: The training split, from `mtl2r_bench.training.distillation.training_data`.
        trained: Indices of the tasks whose losses count.
        before_step: Called before every step.
    """

    config: RunConfig
    dataset: RankingDataset
    state: TrainingState
    loss: Callable[..., Tensor]
    trained: list[int]
    before_step: Callable[[], None] = lambda: None
    second: Loader | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        method, group = self.state.method, self.state.group
        if self.config.train.compile:
            keep_graph_for_several_backward_passes()
            self.state.ranker.compile(dynamic=True)
            self.loss = torch.compile(self.loss, dynamic=True)
        if isinstance(method, mtl_optim.Weighting) and method.wants_second_batch:
            self.second = training_loader(
                self.config.train,
                self.dataset,
                seed=self.config.seed + _SECOND_BATCH,
                device=group.device,
                group=group,
                main=self.names[0],
            )

    @property
    def names(self) -> list[str]:
        """Names of the trained tasks."""
        return [self.dataset.tasks[i] for i in self.trained]

    def run_epoch(self, after_step: Callable[[Progress], None]) -> None:
        """Train to the end of the state's current epoch.

        `after_step` is called after every step, when the state can be saved.

        Raises:
            TrainingError: A loss or gradient is not finite, or another process is gone.
        """
        state, tally = self.state, self.state.tally
        state.ranker.train()
        state.loader.set_epoch(state.epoch)
        for batch, other in zip(state.loader, self._second_batches(tally.steps), strict=False):
            started = time.perf_counter()
            self.before_step()
            self._set_learning_rate()
            where = f"epoch {state.epoch + 1}, batch {tally.steps + 1}"
            try:
                self._step(batch, other, f"{where} (queries {_some(batch.query_ids)})")
            except ProcessLostError as error:
                raise TrainingError(
                    f"{error} (at {where}); run the same command again to resume from the last "
                    "checkpoint"
                ) from error
            tally.steps += 1
            tally.seconds += time.perf_counter() - started
            after_step(
                Progress(
                    epoch=state.epoch + 1,
                    epochs=self.config.train.epochs,
                    batch=tally.steps,
                    batches=len(state.loader),
                    losses=tuple((tally.losses / tally.steps).tolist()),
                )
            )
        for part in state.method.modules():
            if isinstance(part, mtl_optim.EpochEnd):
                part.end_epoch()

    def losses(self, batch: RankingBatch) -> tuple[Tensor, Tensor]:
        """Return the losses (task,) of a batch, with their graph, and the scores.

        The mean of the losses over the group's processes is the mean over all lists of the batch
        that have a loss.
        """
        with casting(self.config.train, self.state.group.device):
            scores = self.state.ranker(batch.features, batch.mask)
        losses = self._means(self.loss, scores, batch, self.trained)
        distillation = self.config.train.distillation
        if distillation is not None:
            first = len(self.dataset.tasks) - len(self.trained)
            teachers = list(range(first, len(self.dataset.tasks)))
            soft = self._means(listnet_loss, scores, batch, teachers)
            losses = losses.lerp(soft, distillation.weight)
        return losses, scores

    def _means(
        self, loss: Callable[..., Tensor], scores: Tensor, batch: RankingBatch, rows: list[int]
    ) -> Tensor:
        """Return the mean losses (task,) against these rows of the labels."""
        mask = task_mask(batch)
        mask = mask if mask.dim() == 2 else mask[rows]
        weights = {} if batch.weights is None else {"weights": batch.weights}
        total, count = loss(
            scores, batch.labels[rows], mask=mask, reduction=sum_and_count, **weights
        )
        if total.dim() == 2:  # each member of an ensemble has losses of its own
            total, count = total.mean(0), count[0]
        group = self.state.group
        count = group.total(count.detach().clone()).clamp(min=1)
        means: Tensor = total * (group.size / count)
        return means

    def _step(self, batch: RankingBatch, other: RankingBatch | None, where: str) -> None:
        """Take one step of the optimizer."""
        state, config, device = self.state, self.config.train, self.state.group.device
        present = self._present(batch, other)
        if not any(present):
            return
        batch = batch.to(device, non_blocking=True)
        dropout = random_state(device)
        losses, scores = self.losses(batch)
        second = None if other is None else self.losses(other.to(device))[0]
        state.optimizer.zero_grad(set_to_none=True)
        model = state.network
        try:
            step = mtl_optim.backward(
                _of_present(losses, present),
                state.method,
                shared=model.shared_parameters() if config.route == "exact" else None,
                features=[scores] if config.route == "features" else None,
                heads=model.task_parameters() if config.route == "exact" else (),
                second_batch=None if second is None else _of_present(second, present),
                scaler=state.scaler,
                reduce=None if state.group.size == 1 else state.group.mean,
            )
        except ValueError as error:
            seen = state.group.mean(losses.detach().clone())
            if bool(torch.isfinite(seen).all()) and bool((seen == 0).any()):
                # No list of the batch has a loss for some task, and the method requires positive
                # losses. Skip the batch, as a mean skips such a list.
                state.tally.losses += seen.cpu().double().numpy()
                return
            for name, value in zip(self.names, losses.tolist(), strict=True):
                if not math.isfinite(value):
                    message = f"the loss of task {name!r} is {value} at {where}"
                    raise TrainingError(message) from error
            raise TrainingError(f"{error} (tasks {', '.join(self.names)}; {where})") from error
        self._clip_and_update()
        state.tally.losses += step.losses.nan_to_num(0.0).numpy()  # of absent tasks
        if step.weights is not None:
            state.tally.weights += step.weights.numpy()
        if state.average is not None:
            state.average.update_parameters(state.ranker)
        self._look_again(batch, dropout, present)

    def _present(self, *batches: RankingBatch | None) -> list[bool]:
        """Return which tasks have a label in each of the batches, on any process."""
        present = torch.ones(len(self.trained), dtype=torch.bool)
        for batch in batches:
            if batch is None or batch.label_mask is None or self.config.train.distillation:
                continue
            known = task_mask(batch)[self.trained].flatten(1).any(1).float()
            present &= (self.state.group.total(known.to(self.state.group.device)) > 0).cpu()
        return present.tolist()

    def _clip_and_update(self) -> None:
        """Clip the gradients' norm and update the parameters."""
        state, scaler, bound = self.state, self.state.scaler, self.config.train.clip_norm
        if scaler is not None:
            scaler.unscale_(state.optimizer)
        if bound > 0:
            torch.nn.utils.clip_grad_norm_(state.ranker.parameters(), bound)
        if scaler is None:
            state.optimizer.step()
        else:
            scaler.step(state.optimizer)
            scaler.update()

    def _look_again(self, batch: RankingBatch, dropout: Tensor, present: list[bool]) -> None:
        """Pass the losses after the step to a method that uses them."""
        parts = self.state.method.modules()
        looks = [part for part in parts if isinstance(part, mtl_optim.SecondLook)]
        if not looks:
            return
        # Use the same dropout as before the step, so that only the step changes the losses.
        device = self.state.group.device
        after = random_state(device)
        set_random_state(device, dropout)
        with torch.no_grad():
            again, _ = self.losses(batch)
        set_random_state(device, after)
        for part in looks:
            part.look_again(_of_present(self.state.group.mean(again), present))

    def _set_learning_rate(self) -> None:
        state = self.state
        done = state.epoch + state.tally.steps / len(state.loader)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(self.config.train, done)

    def _second_batches(self, skip: int) -> Iterator[RankingBatch | None]:
        """Yield endless batches that are independent of the step's, for two-batch methods."""
        if self.second is None:
            yield from repeat(None)
            return
        self.second.set_epoch(self.state.epoch)
        indices = list(self.second.sampler)
        while True:
            yield self.second.dataset.batch(indices[skip % len(indices)])
            skip += 1


def _some(names: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _of_present(losses: Tensor, present: list[bool]) -> Tensor | list[Tensor | None]:
    """Return the losses (task,), with None for the tasks that are absent if some are."""
    if all(present):
        return losses
    return [loss if there else None for loss, there in zip(losses, present, strict=True)]
