"""The certificate of a trained ranker, computed on a fixed sample of the training lists."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr_data import RankingBatch
from mtl2r_models import Ranker
from mtl_optim.pareto import constraint_slack, kkt_residual, ray_error

from ..config import RunConfig
from ..data.batches import training_loader
from ..data.splits import Splits
from ..distributed import ALONE
from ..table import METHODS
from .evaluate import label_scores, sum_and_count, task_mask

LISTS = 256
"""Largest number of training lists in the sample, which is the same for all runs on the same data.
It gives losses within a few per cent at a fraction of the cost of an epoch."""

_SEED = 20_260_214


def certificate(
    config: RunConfig,
    splits: Splits,
    ranker: Ranker,
    loss: Callable[..., Tensor],
    trained: list[int],
    device: torch.device,
) -> dict[str, Any]:
    """Measure how near a ranker is to Pareto stationarity, to its preference's ray and its bounds.

    The residual min_{α ∈ Δ} ‖Jᵀα‖ is over all parameters, with dropout off. Losses are given with
    dropout off and, as in training, with dropout on. Methods bring the losses with dropout onto a
    ray or below a bound, and other runs derive their bounds from them.

    Args:
        config: Config of the run.
        splits: Data of the run.
        ranker: The trained ranker.
        loss: A loss of ltr_losses.
        trained: Indices of the run's tasks among the labels, the main one first.
        device: Device of the computation.

    Returns:
        Entries of the record: ``lists``; ``losses`` and ``training_losses`` of all labels;
        ``gradient_norms``, ``kkt_residual``, ``kkt_relative`` (divided by the largest norm) and
        ``alpha`` of the run's tasks; ``ray_error`` for methods that aim at a ray and
        ``constraint_slack`` for methods with bounds, else None.
    """
    labels = splits.tasks
    tasks = [labels[i] for i in trained]
    sample = _Sample(config, splits, ranker, loss, trained, device)
    off, jacobian = sample.losses(gradients=True)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_SEED)
        on, _ = sample.losses(gradients=False)
    gramian = jacobian @ jacobian.T
    kkt = kkt_residual(gramian)
    method = config.method
    aims = METHODS[method.name].aims_at_ray
    bounds = method.options.get("bounds")
    slack = None
    if bounds is not None:
        indexed = {tasks.index(name): value for name, value in bounds.items()}
        values = constraint_slack(on[trained], indexed)
        slack = {name: float(values[tasks.index(name)]) for name in bounds}
    return {
        "lists": sample.lists,
        "losses": dict(zip(labels, off.tolist(), strict=True)),
        "training_losses": dict(zip(labels, on.tolist(), strict=True)),
        "gradient_norms": dict(zip(tasks, gramian.diagonal().sqrt().tolist(), strict=True)),
        "kkt_residual": kkt.absolute,
        "kkt_relative": kkt.relative,
        "alpha": dict(zip(tasks, kkt.alpha.tolist(), strict=True)),
        "ray_error": ray_error(on[trained], method.preference)
        if aims and method.preference is not None and bool((on[trained] > 0).all())
        else None,
        "constraint_slack": slack,
    }


class _Sample:
    """A sample of the training lists, and a ranker's losses on it."""

    def __init__(
        self,
        config: RunConfig,
        splits: Splits,
        ranker: Ranker,
        loss: Callable[..., Tensor],
        trained: list[int],
        device: torch.device,
    ) -> None:
        order = np.random.default_rng(_SEED).permutation(len(splits.train))[:LISTS]
        self.lists = len(order)
        self.ranker, self.loss, self.trained, self.device = ranker, loss, trained, device
        self.labels = len(splits.tasks)
        # Lists are cut and batched as in training.
        self.loader = training_loader(
            config.train,
            splits.train.subset(np.sort(order)),
            seed=_SEED,
            device=device,
            group=ALONE,
            main=splits.tasks[trained[0]],
        )

    def losses(self, *, gradients: bool) -> tuple[Tensor, Tensor]:
        """Return the losses (label,) and the Jacobian (task, parameter), in float64.

        Without gradients, dropout is on and the Jacobian is zero.
        """
        training = self.ranker.training
        self.ranker.train(not gradients)
        parameters = [p for p in self.ranker.parameters() if p.requires_grad]
        size = sum(p.numel() for p in parameters)
        jacobian = torch.zeros(len(self.trained), size, dtype=torch.float64, device=self.device)
        total = torch.zeros(2, self.labels, dtype=torch.float64, device=self.device)
        with torch.set_grad_enabled(gradients):
            for batch in self._batches():
                sums = self.loss(
                    label_scores(self._score, self.trained, self.labels)(batch),
                    batch.labels,
                    mask=task_mask(batch),
                    reduction=sum_and_count,
                )
                if sums.dim() == 3:  # members of an ensemble, each with losses of its own
                    sums = sums.mean(dim=1)
                total += sums.detach().double()
                for row, task in enumerate(self.trained if gradients else ()):
                    found = torch.autograd.grad(
                        sums[0, task], parameters, retain_graph=True, allow_unused=True
                    )
                    jacobian[row] += torch.cat(
                        [
                            (torch.zeros_like(p) if g is None else g).flatten()
                            for p, g in zip(parameters, found, strict=True)
                        ]
                    ).double()
        self.ranker.train(training)
        count = total[1].clamp(min=1)
        return (total[0] / count).cpu(), (jacobian / count[self.trained][:, None]).cpu()

    def _score(self, batch: RankingBatch) -> Tensor:
        scores: Tensor = self.ranker(batch.features, batch.mask)
        return scores

    def _batches(self) -> Iterator[RankingBatch]:
        self.loader.set_epoch(0)
        for batch in self.loader:
            yield batch.to(self.device)
