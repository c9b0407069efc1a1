"""The driver: from losses and a method to `.grad`."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ._aggregate import aggregate
from ._bases import JacobianAggregator, Weighting
from ._checks import as_parameters, as_tensors, check_losses
from ._gradients import (
    Block,
    Reduce,
    Rows,
    accumulate,
    accumulate_combined,
    add,
    average,
    columns,
    combine,
    unique,
    within_budget,
)
from ._gramian import any_of, cross_gramian, gramian, products_dtype, resolved
from ._graph import Cut, reachable_leaves
from ._losses import TaskLosses
from ._options import check_options, second_batch_losses, warn_of_other_processes
from ._step import Step


def backward(
    losses: Tensor | Sequence[Tensor],
    method: Weighting | JacobianAggregator,
    *,
    shared: Tensor | Iterable[Tensor] | None = None,
    features: Tensor | Sequence[Tensor] | None = None,
    heads: Tensor | Iterable[Tensor] | None = None,
    second_batch: Tensor | Sequence[Tensor] | None = None,
    scaler: torch.amp.GradScaler | None = None,
    reduce: Reduce | None = None,
    memory_budget: int | None = None,
    retain_graph: bool = False,
) -> Step:
    """Put the method's gradients into `.grad`, as `loss.backward()` would.

    Gradients accumulate, parameters that no loss reaches keep their `.grad`, frozen ones are
    skipped, and nothing is written when an error is raised. Three routes, the cheapest that the
    method's kind allows:

    * a `LossWeighting` takes one backward of Σ w_k L_k, whatever else is passed;
    * `shared=` is exact: one vector-Jacobian product per task through the graph, the Gramian
      block by block, then d = Jᵀ w into the `.grad` of the shared parameters;
    * `features=` is nearly free: the Gramian of the losses with respect to the features, then one
      backward through the trunk. It is the upper bound of the exact problem known as MGDA-UB
      (Sener and Koltun, 2018, section 3.3), for any method.

    In the last two, every other parameter that the losses reach gets the plain gradient of
    Σ L_k: a head belongs to one task and has nothing to trade. A parameter that a few of the tasks
    share is such a parameter unless `shared` names it. One that is reached both behind the features
    and past them (tied weights, a connection that skips them) gets the sum of both, and each task
    then walks the graph behind the features.

    Args:
        losses: Vector (task,), or a sequence of scalars, as good as a `torch.stack` of it. Another
            vector whose tasks have graphs of their own is walked as a whole once per task.
        method: What combines the tasks.
        shared: The parameters whose gradients are combined, exactly.
        features: The tensors where the tasks part, which the losses were computed from.
        heads: The parameters that get the plain gradient. None finds them by a walk through the
            graph; pass them to save the walk, or to leave others without a gradient.
        second_batch: The losses of the same tasks on a batch independent of the first, for a
            method that looks at both; K more vector-Jacobian products. Only with `shared=`.
        scaler: Pass the scaler rather than scaled losses, then `scaler.step(optimizer)` as usual:
            the weights do not depend on the scale, `.grad` is scaled. A gradient that overflows is
            left for the scaler to find, with NaN weights.
        reduce: For data parallel training: averages a tensor over the processes, in place, as
            `torch.distributed.all_reduce` and a division do. It is called on losses, gradients and
            Gramian, in the same order on each process: do not wrap the model as well. Each process
            gives the losses of its part of the batch, all parts of one size, from a graph that
            reaches the same parameters. The weights are then those of the joint batch in the exact
            route, and in the feature route up to a factor of the Gramian, the number of processes.
            Where `torch.distributed` has several processes and `reduce` is None, a method that
            looks at gradients warns.
        memory_budget: Bytes for the K gradients of the exact route, which otherwise take K times
            the shared parameters: fewer parameters at a time, and the products again for each part.
        retain_graph: Keep the graph for another backward.

    Returns:
        The `Step` record: losses, weights, Gramian; on the CPU.

    Raises:
        TypeError: `method` is of no kind; a loss is no real tensor; `shared`, `features` or `heads`
            hold what is no tensor; another option is of another type.
        ValueError: A loss is NaN or infinite, or a gradient, where the method looks at gradients
            (the message names the task); a loss is no scalar or has no graph; `second_batch` is
            missing, or given to a method that looks at one; `shared` or `heads` hold what was
            computed from parameters; a weight is NaN, infinite or too large for its loss's dtype;
            `memory_budget` is not positive; neither `shared` nor `features` is given to a method
            that looks at gradients, or both are; none of them is behind the losses.

    Examples:
        >>> from mtl_optim import MGDA
        >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
        >>> step = backward([x[0], 2 * x[1]], MGDA(), shared=[x])
        >>> step.weights, x.grad
        (tensor([0.8000, 0.2000], dtype=torch.float64), tensor([0.8000, 0.4000]))
    """
    if not isinstance(method, Weighting | JacobianAggregator):
        raise TypeError(
            "`method` must be a LossWeighting, a GramianWeighting or a JacobianAggregator, "
            f"got {type(method).__name__}"
        )
    check_options(scaler, reduce, memory_budget, retain_graph)
    tasks = TaskLosses(losses, scaler, reduce)
    second = second_batch_losses(tasks, method, second_batch, scaler, reduce)
    if isinstance(method, Weighting) and not method.looks_at_gradients:
        values = tasks.values.to("cpu", torch.float64)
        weights = method.weights(losses=values)
        method.learn(values, None, tasks.scale)
        if reduce is None:
            tasks.backward(weights, retain_graph=retain_graph)
        else:
            leaves = reachable_leaves(tasks.outputs)
            total = tasks.total_gradient(weights, leaves, retain_graph=retain_graph)
            accumulate(leaves, average(total, reduce))
        return Step(values, weights, None)

    if reduce is None:
        warn_of_other_processes()
    if (shared is None) == (features is None):
        raise ValueError(
            f"{type(method).__name__} looks at gradients: pass `shared=` (parameters, exact) or "
            f"`features=` (where the tasks part, nearly free), got "
            f"{'neither' if shared is None else 'both'}"
        )
    route = "shared" if features is None else "features"
    if second is not None and features is not None:
        raise ValueError("`second_batch` needs `shared=`: its features are others, got `features=`")
    given = as_parameters(route, shared) if features is None else as_tensors(route, features)
    wrt = unique(tensor for tensor in given if tensor.requires_grad)
    if not wrt:
        raise ValueError(f"`{route}` must hold a tensor that requires grad, got none")
    names = {id(tensor) for tensor in wrt}
    if heads is None:
        own = reachable_leaves(tasks.outputs, stop=() if features is None else wrt)
    else:
        own = unique(p for p in as_parameters("heads", heads) if p.requires_grad)
    own = [p for p in own if id(p) not in names]

    if isinstance(method, Weighting) and not method.due:
        return _reuse(tasks, method, wrt, own, features is None, retain_graph, reduce)

    # The rows of J, and the heads' plain gradients from the same K passes.
    groups = [wrt] if features is not None else within_budget(wrt, len(tasks), memory_budget)
    whole = len(groups) == 1
    keep = retain_graph or features is not None or not whole
    over_rows = reduce if features is None else None  # features are of samples, not of the model
    with Cut([] if features is None else wrt) as cut:
        rows, plain = _rows(tasks, groups[0], own, over_rows, cut, retain_graph=keep)
    reached = any(any_of(row) for row in rows)
    if isinstance(method, Weighting) and method.tracks and reached:
        if not whole or features is not None:
            raise ValueError(
                f"{type(method).__name__} keeps each gradient from step to step: it needs "
                f"`shared=` and no `memory_budget` below them, got `{route}=`"
            )
        rows = method.track(rows, tasks.values, tasks.scale)
    matrix: Tensor | None = None
    exact = True
    direction: Block = []
    with torch.no_grad():
        for g, group in enumerate(groups):
            if g > 0:
                rows.clear()  # before the next ones are there
                rows, _ = _rows(tasks, group, [], over_rows, cut, retain_graph=True)
                reached = reached or any(any_of(row) for row in rows)
            if isinstance(method, Weighting):
                last = g == len(groups) - 1
                # Only the rows of a single group are still there for exact products, if need be.
                part, exact = _gramian(rows, second, group, reduce, whole=whole, last=last)
                matrix = part if matrix is None else matrix + part
            else:
                at = None if features is None else wrt
                direction += aggregate(method, rows, at, overflow=scaler is not None)
    if not reached:
        raise ValueError(f"`{route}` must be tensors that `losses` were computed from")

    found: Tensor | None = None
    if isinstance(method, Weighting) and matrix is not None:
        over_samples = None if features is None else reduce
        values, host = _to_host(tasks, matrix, over_samples)
        if not exact and not resolved(host):
            values, host = _to_host(tasks, gramian(rows), over_samples)
        found, matrix = _weigh(tasks, method, values, host, overflow=scaler is not None)
    else:
        values = tasks.values.to("cpu", torch.float64)
        check_losses(values)
    if found is not None and whole and features is None:
        kept = isinstance(method, Weighting) and method.tracks
        accumulate_combined(wrt, rows, found, release=not kept)
    else:
        if found is not None:
            if not whole:
                rows.clear()  # the direction takes their memory
            direction = (
                [combine(block, found) for block in columns(rows)]
                if whole
                else average(tasks.total_gradient(found, wrt, retain_graph=retain_graph), reduce)
            )
        rows.clear()  # the backward through the trunk takes their memory
        _write(wrt, direction, features is None, retain_graph, reduce)
    accumulate(own, average(plain, reduce))
    return Step(values, found, matrix)


def _rows(
    tasks: TaskLosses,
    wrt: list[Tensor],
    own: list[Tensor],
    reduce: Reduce | None,
    cut: Cut,
    *,
    retain_graph: bool,
) -> tuple[Rows, Block]:
    """The rows of J, averaged over the processes, and each one's own gradient of Σ L_k at `own`.

    One vector-Jacobian product per task gives both; none goes on behind the cut.
    """
    rows: Rows = []
    plain: Block = [None] * len(own)
    for k in range(len(tasks)):
        keep = retain_graph or k < len(tasks) - 1
        gradients = cut.taken(tasks.gradient(k, wrt + own, retain_graph=keep))
        rows.append(average(gradients[: len(wrt)], reduce))
        plain = [add(a, b) for a, b in zip(plain, gradients[len(wrt) :], strict=True)]
    return rows, plain


def _gramian(
    rows: Rows,
    second: TaskLosses | None,
    group: list[Tensor],
    reduce: Reduce | None,
    *,
    whole: bool,
    last: bool,
) -> tuple[Tensor, bool]:
    """The Gramian of the rows, or that between them and the rows on the second batch.

    And whether its products are exact, in float64.
    """
    if second is not None:
        others, _ = _rows(second, group, [], reduce, Cut([]), retain_graph=not last)
        return cross_gramian(rows, others), True
    dtype = products_dtype(rows) if whole else torch.float64
    return gramian(rows, dtype), dtype == torch.float64


def _to_host(tasks: TaskLosses, matrix: Tensor, reduce: Reduce | None) -> tuple[Tensor, Tensor]:
    """Losses and Gramian on the CPU, by one copy from the device."""
    if reduce is not None:
        reduce(matrix)
    values = tasks.values.to(matrix.device, torch.float64)
    host = torch.cat([matrix, values[:, None]], dim=1).cpu()
    values = host[:, -1].contiguous()
    check_losses(values)
    return values, host[:, :-1].contiguous()


def _weigh(
    tasks: TaskLosses, method: Weighting, values: Tensor, matrix: Tensor, *, overflow: bool
) -> tuple[Tensor, Tensor]:
    """Weights, and the Gramian of the gradients as they are without the scaler."""
    matrix = matrix / tasks.scale**2
    if overflow and not bool(torch.isfinite(matrix).all()):
        return torch.full_like(values, torch.nan), matrix
    weights = method.weights(losses=values, gramian=matrix)
    method.learn(values, matrix, tasks.scale)
    return weights, matrix


def _reuse(
    tasks: TaskLosses,
    method: Weighting,
    wrt: list[Tensor],
    own: list[Tensor],
    exact: bool,
    retain_graph: bool,
    reduce: Reduce | None,
) -> Step:
    """A step with the weights of an earlier one: one pass through the trunk."""
    values = tasks.values.to("cpu", torch.float64)
    check_losses(values)
    weights = method.weights(losses=values)
    method.learn(values, None, tasks.scale)
    with Cut([] if exact else wrt) as cut:
        plain = tasks.total_gradient(torch.ones_like(weights), own, retain_graph=True)
        found = tasks.total_gradient(weights, wrt, retain_graph=retain_graph or not exact)
        direction = cut.taken(found)
    if exact:
        direction = average(direction, reduce)
    _write(wrt, direction, exact, retain_graph, reduce)
    accumulate(own, average(plain, reduce))
    return Step(values, weights, None)


def _write(
    wrt: list[Tensor],
    direction: Block,
    exact: bool,
    retain_graph: bool,
    reduce: Reduce | None,
) -> None:
    """The direction into `.grad`, or through the trunk behind the features."""
    if exact:
        accumulate(wrt, direction)
        return
    reached = [(f, d) for f, d in zip(wrt, direction, strict=True) if d is not None]
    tensors, gradients = map(list, zip(*reached, strict=True))
    if reduce is None:
        torch.autograd.backward(tensors, gradients, retain_graph=retain_graph)
        return
    leaves = reachable_leaves(tensors)
    found = torch.autograd.grad(
        tensors, leaves, gradients, retain_graph=retain_graph, allow_unused=True
    )
    accumulate(leaves, average(list(found), reduce))
