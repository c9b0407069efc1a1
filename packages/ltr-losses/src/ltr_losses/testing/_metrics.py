"""The contract of a metric, check by check."""

from collections.abc import Callable

import torch

from ._losses import check_errors
from ._problems import BATCH, LIST, TASKS, Loss, finite, problem, same


def check_metric_shapes(metric: Loss) -> None:
    """Check that only the axis before the list is reduced, and any leading axes broadcast."""
    scores, labels, mask = problem()
    each = metric(scores, labels, mask=mask, reduction="none")
    assert each.shape == (TASKS, BATCH), f"none: {tuple(each.shape)}"
    same(metric(scores, labels, mask=mask), each.mean(-1), "mean")
    same(metric(scores, labels, mask=mask, reduction="sum"), each.sum(-1), "sum")
    same(metric(scores, labels[1], mask=mask), each[1].mean(-1), "one task")
    same(metric(scores.expand(TASKS, BATCH, LIST), labels, mask=mask), each.mean(-1), "scores")
    assert metric(scores[0], labels[0, 0]).shape == ()


def check_metric_batch_is_its_lists(metric: Loss) -> None:
    """Check that a batch has the values of its lists, taken one by one without padding."""
    scores, labels, mask = problem()
    each = metric(scores, labels, mask=mask, reduction="none")
    for i, length in enumerate(mask.sum(-1).tolist()):
        one = metric(scores[i, :length], labels[:, i, :length], reduction="none")
        same(each[:, i], one, f"list {i}")
    wide = [x.repeat_interleave(2, -1) for x in (scores, labels, mask)]
    wide[2][:, ::2] = False
    same(metric(wide[0], wide[1], mask=wide[2], reduction="none"), each, "padding between")


def check_metric_padding(metric: Loss) -> None:
    """Check that values in padded positions, NaN and infinity included, change nothing."""
    scores, labels, mask = problem()
    weights = torch.rand(scores.shape, generator=torch.Generator().manual_seed(1)).double()
    plain = metric(scores, labels, mask=mask, weights=weights, reduction="none")
    for garbage in (float("nan"), float("inf"), -float("inf"), 1e30, -1.0):
        dirty = metric(
            scores.masked_fill(~mask, garbage),
            labels.masked_fill(~mask, garbage),
            mask=mask,
            weights=weights.masked_fill(~mask, garbage),
            reduction="none",
        )
        same(dirty, plain, f"{garbage} in the padding")
    nothing = metric(scores, labels, mask=torch.zeros_like(mask), reduction="none")
    assert bool(nothing.isnan().all()), "a list of padding has a value"
    more = metric(
        torch.cat([scores, scores]),
        torch.cat([labels, labels], -2),
        mask=torch.cat([mask, torch.zeros_like(mask)]),
    )
    same(more, metric(scores, labels, mask=mask), "lists of padding in the mean")


def check_metric_no_lists(metric: Loss) -> None:
    """Check that a batch without a list has no value per list, and a mean that is NaN."""
    scores, labels, mask = (x[..., :0, :] for x in problem())
    assert metric(scores, labels, mask=mask, reduction="none").shape == (TASKS, 0)
    assert bool(metric(scores, labels, mask=mask).isnan().all()), "no list has a mean"


def check_metric_order(metric: Loss) -> None:
    """Check that only the order of the scores counts, and that of the documents does not."""
    scores, labels, mask = problem()
    plain = metric(scores, labels, mask=mask, reduction="none")
    same(metric(scores.exp() * 3.0 - 7.0, labels, mask=mask, reduction="none"), plain, "exp")
    order = torch.randperm(LIST, generator=torch.Generator().manual_seed(3))
    moved = metric(scores[:, order], labels[..., order], mask=mask[:, order], reduction="none")
    same(moved, plain, "permutation")
    infinite = torch.where(scores == scores.amax(-1, keepdim=True), float("inf"), scores)
    same(metric(infinite, labels, mask=mask.new_ones(LIST)), metric(scores, labels), "inf")


def check_metric_values(metric: Loss) -> None:
    """Check NaN, lists without relevant documents, which are left out, and large labels."""
    scores, labels, mask = problem()
    clean = metric(scores, labels, mask=mask, reduction="none")
    spoilt = scores.clone()
    spoilt[1, 0] = float("nan")
    values = metric(spoilt, labels, mask=mask, reduction="none")
    assert bool(values[:, 1].isnan().all()), "a NaN score passes in silence"
    same(values[:, 2:], clean[:, 2:], "the lists without NaN")
    assert bool(metric(spoilt, torch.zeros_like(labels), mask=mask).isnan().all()), "NaN hides"
    weights = torch.full_like(scores, -1.0)
    assert bool(metric(scores, labels, mask=mask, weights=weights).isnan().all()), "weights"
    some = labels.clone()
    some[:, 3] = 0.0
    left = [i for i in range(BATCH) if i != 3]
    same(metric(scores, some, mask=mask), clean[:, left].mean(-1), "a list with nothing relevant")
    for largest in (255.0, 30000.0):
        finite((metric(scores, labels.clone().clamp(max=1.0) * largest),), f"label {largest}")


def check_metric_weights(metric: Loss) -> None:
    """Check that weights of one change nothing."""
    scores, labels, mask = problem()
    plain = metric(scores, labels, mask=mask)
    same(metric(scores, labels, mask=mask, weights=torch.ones_like(scores)), plain, "documents")
    same(metric(scores, labels, mask=mask, weights=torch.ones(BATCH, 1)), plain, "lists")


def check_metric_task_masks(metric: Loss) -> None:
    """Check that a mask with a task axis gives what one call per task gives."""
    scores, labels, _ = problem()
    mask = torch.rand(labels.shape, generator=torch.Generator().manual_seed(4)) < 0.7
    each = torch.stack([metric(scores, labels[t], mask=mask[t]) for t in range(TASKS)])
    same(metric(scores, labels, mask=mask), each, "tasks")


def check_metric_half_precision(metric: Loss) -> None:
    """Check that 16-bit scores, under autocast, give the float32 value of the rounded scores."""
    scores, labels, mask = problem(dtype=torch.float32)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            value = metric(scores.to(dtype), labels, mask=mask)
        assert value.dtype == torch.float32, f"{dtype}: computed in {value.dtype}"
        same(value, metric(scores.to(dtype).float(), labels, mask=mask), str(dtype))


def check_metric_compile(metric: Loss, backend: str = "eager") -> None:
    """Check that it compiles without a graph break and agrees with the eager run."""
    scores, labels, mask = problem()
    torch.compiler.reset()
    compiled = torch.compile(metric, fullgraph=True, backend=backend)
    same(compiled(scores, labels, mask=mask), metric(scores, labels, mask=mask), "compiled")


METRIC_CHECKS: tuple[Callable[[Loss], None], ...] = (
    check_metric_shapes,
    check_metric_batch_is_its_lists,
    check_metric_padding,
    check_metric_no_lists,
    check_metric_order,
    check_metric_values,
    check_metric_weights,
    check_metric_task_masks,
    check_metric_half_precision,
    check_metric_compile,
    check_errors,
)
"""Every check of a metric, for a parametrised test."""


def check_metric(metric: Loss) -> None:
    """Run the whole contract of a metric.

    Args:
        metric: `metric(scores, labels, *, mask, weights, reduction)`; a list with nothing relevant
            is left out of its mean.

    Raises:
        AssertionError: A clause of the contract is broken; the message says which.

    Examples:
        >>> import ltr_losses
        >>> check_metric(ltr_losses.mrr)
    """
    for check in METRIC_CHECKS:
        check(metric)
