"""The certificate of a trained ranker, computed on a fixed sample of the training lists."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr_data import Loader, RankingBatch
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
    ray or below a bound, and other runs derive their bounds from them. `trained` are the indices of
    the run's tasks among the labels, the main one first.

    Returns:
        Entries of the record: ``lists``; ``losses`` and ``training_losses`` of all labels;
        ``gradient_norms``, ``kkt_residual``, ``kkt_relative`` (divided by the largest norm) and
        ``alpha`` of the run's tasks; ``ray_error`` for methods that aim at a ray and
        ``constraint_slack`` for methods with bounds, else None.
    """
    labels = splits.tasks
    tasks = [labels[i] for i in trained]
    sample = _sample(config, splits, tasks[0], device)
    off, jacobian = _losses(sample, ranker, loss, trained, device, gradients=True)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_SEED)
        on, _ = _losses(sample, ranker, loss, trained, device, gradients=False)
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
        "lists": min(LISTS, len(splits.train)),
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


def _sample(config: RunConfig, splits: Splits, main: str, device: torch.device) -> Loader:
    """Return a loader of the sample, whose lists are cut and batched as in training."""
    order = np.random.default_rng(_SEED).permutation(len(splits.train))[:LISTS]
    lists = splits.train.subset(np.sort(order))
    return training_loader(config.train, lists, seed=_SEED, device=device, group=ALONE, main=main)


def _losses(
    sample: Loader,
    ranker: Ranker,
    loss: Callable[..., Tensor],
    trained: list[int],
    device: torch.device,
    *,
    gradients: bool,
) -> tuple[Tensor, Tensor]:
    """Return the losses (label,) and the Jacobian (task, parameter), in float64.

    Without gradients, dropout is on and the Jacobian is zero.
    """

    def score(batch: RankingBatch) -> Tensor:
        scores: Tensor = ranker(batch.features, batch.mask)
        return scores

    labels = len(sample.dataset.tasks)
    score_labels = label_scores(score, trained, labels)
    training = ranker.training
    ranker.train(not gradients)
    parameters = [p for p in ranker.parameters() if p.requires_grad]
    size = sum(p.numel() for p in parameters)
    jacobian = torch.zeros(len(trained), size, dtype=torch.float64, device=device)
    total = torch.zeros(2, labels, dtype=torch.float64, device=device)
    sample.set_epoch(0)
    with torch.set_grad_enabled(gradients):
        for batch in (each.to(device) for each in sample):
            sums = loss(
                score_labels(batch), batch.labels, mask=task_mask(batch), reduction=sum_and_count
            )
            if sums.dim() == 3:  # members of an ensemble, each with losses of its own
                sums = sums.mean(dim=1)
            total += sums.detach().double()
            for row, task in enumerate(trained if gradients else ()):
                found = torch.autograd.grad(
                    sums[0, task],
                    parameters,
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                jacobian[row] += torch.cat([g.flatten() for g in found]).double()
    ranker.train(training)
    count = total[1].clamp(min=1)
    return (total[0] / count).cpu(), (jacobian / count[trained][:, None]).cpu()
