"""The routes of `backward`, one function each."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ._bases import JacobianAggregator, Weighting
from ._checks import check_losses
from ._gradients import (
    Block,
    Reduce,
    Rows,
    accumulate,
    accumulate_combined,
    add,
    any_of,
    average,
    check_finite_rows,
    columns,
    combine,
    stacked,
    within_budget,
)
from ._gramian import cross_gramian, gramian, products_dtype, resolved
from ._graph import Cut, reachable_leaves
from ._losses import TaskLosses
from ._per_sample import forget, sample_gramian, watch
from ._step import Step


@dataclass(frozen=True, eq=False)
class Call:
    """What every route gets from a call of `backward`."""

    tasks: TaskLosses  # the losses
    second: TaskLosses | None  # the losses on the second batch, for a method that looks at two
    reduce: Reduce | None  # averages a tensor over the processes
    scaled: bool  # whether a gradient scaler looks for overflow: then it is no error here
    retain_graph: bool  # whether the graph is kept for another backward

    def values(self) -> Tensor:
        """Return the losses (task,), float64, on the CPU."""
        return self.tasks.values.to("cpu", torch.float64)


def loss_route(call: Call, method: Weighting) -> Step:
    """Take one backward of Σ w_k L_k."""
    tasks, values = call.tasks, call.values()
    weights = method.weights(losses=values)
    method.learn(values, None, tasks.scale)
    if call.reduce is None:
        tasks.backward(weights, retain_graph=call.retain_graph)
    else:
        leaves = reachable_leaves(tasks.outputs)
        total = tasks.total_gradient(weights, leaves, retain_graph=call.retain_graph)
        accumulate(leaves, average(total, call.reduce))
    return Step(values, weights, None)


def exact_route(
    call: Call,
    method: Weighting | JacobianAggregator,
    shared: list[Tensor],
    heads: list[Tensor],
    budget: int | None,
) -> Step:
    """Take one vector-Jacobian product per task, the Gramian, then d = Jᵀ w into `.grad`."""
    groups = within_budget(shared, len(call.tasks), budget)
    if isinstance(method, JacobianAggregator):
        return _aggregate_exactly(call, method, groups, heads)
    if len(groups) > 1:
        return _weigh_in_parts(call, method, groups, heads)
    keep = call.retain_graph
    rows, plain = _rows(call.tasks, shared, heads, call.reduce, retain_graph=keep)
    _check_reached("shared", reached=_reached(rows))
    if method.tracks:
        rows = method.track(rows, call.tasks.values, call.tasks.scale)
    if call.second is None:
        values, matrix = _losses_and_gramian(call, rows)
    else:
        others, _ = _rows(call.second, shared, [], call.reduce, retain_graph=False)
        values, matrix = _to_host(call.tasks, cross_gramian(rows, others))
    weights, matrix = _weigh(call, method, values, matrix)
    accumulate_combined(shared, rows, weights, release=not method.tracks)
    accumulate(heads, average(plain, call.reduce))
    return Step(values, weights, matrix)


def feature_route(
    call: Call, method: Weighting | JacobianAggregator, features: list[Tensor], heads: list[Tensor]
) -> Step:
    """Combine the gradients at the features, then walk the trunk once."""
    if isinstance(method, Weighting):
        _check_tracks(method, "features")
    with Cut(features) as cut:
        rows, plain = _rows(call.tasks, features, heads, None, cut, retain_graph=True)
    _check_reached("features", reached=_reached(rows))
    weights = matrix = None
    if isinstance(method, JacobianAggregator):
        direction = _aggregate(method, rows, features, overflow=call.scaled)
        values = call.values()
        check_losses(values)
    else:
        values, matrix = _losses_and_gramian(call, rows, call.reduce)
        weights, matrix = _weigh(call, method, values, matrix)
        direction = [combine(block, weights) for block in columns(rows)]
    rows.clear()  # the backward through the trunk takes their memory
    _walk_trunk(call, features, direction)
    accumulate(heads, average(plain, call.reduce))
    return Step(values, weights, matrix)


def sample_route(
    call: Call, method: Weighting, modules: list[nn.Module], samples: int | None
) -> Step:
    """Take the Gramian of all samples' gradients, then one backward of Σ w_i L_i."""
    _check_tracks(method, "modules")
    if not method.due:
        check_losses(call.values())
        return loss_route(call, method)
    tasks = call.tasks
    watch(modules)
    seen = sample_gramian(tasks, modules, len(tasks) if samples is None else samples)
    values, matrix = _to_host(tasks, seen.gramian)
    weights, matrix = _weigh(call, method, values, matrix)
    leaves = seen.found.leaves
    direction = tasks.total_gradient(weights, leaves, retain_graph=call.retain_graph)
    seen.check_alone(weights, matrix * tasks.scale**2, direction)
    if not call.retain_graph:
        forget(seen.found.uses)
    accumulate(leaves, direction)
    return Step(values, weights, matrix)


def held_route(
    call: Call, method: Weighting, wrt: list[Tensor], heads: list[Tensor], *, features: bool
) -> Step:
    """Take one backward with the weights of an earlier step."""
    tasks, values = call.tasks, call.values()
    check_losses(values)
    weights = method.weights(losses=values)
    method.learn(values, None, tasks.scale)
    keep = call.retain_graph or features
    with Cut(wrt if features else []) as cut:
        plain = tasks.total_gradient(torch.ones_like(weights), heads, retain_graph=True)
        direction = cut.taken(tasks.total_gradient(weights, wrt, retain_graph=keep))
    if features:
        _walk_trunk(call, wrt, direction)
    else:
        accumulate(wrt, average(direction, call.reduce))
    accumulate(heads, average(plain, call.reduce))
    return Step(values, weights, None)


def _weigh_in_parts(
    call: Call, method: Weighting, groups: list[list[Tensor]], heads: list[Tensor]
) -> Step:
    """Take the exact route within a budget: the Gramian group by group, then one more backward."""
    _check_tracks(method, "shared")
    total: Tensor | None = None
    plain: Block = []
    for group, rows in _group_by_group(call, groups, heads, plain):
        if call.second is None:
            part = gramian(rows)
        else:
            keep = group is not groups[-1]
            others, _ = _rows(call.second, group, [], call.reduce, retain_graph=keep)
            part = cross_gramian(rows, others)
        total = part if total is None else total + part
    assert total is not None  # noqa: S101 - there is a group
    values, matrix = _to_host(call.tasks, total)
    weights, matrix = _weigh(call, method, values, matrix)
    shared = [tensor for group in groups for tensor in group]
    direction = call.tasks.total_gradient(weights, shared, retain_graph=call.retain_graph)
    accumulate(shared, average(direction, call.reduce))
    accumulate(heads, average(plain, call.reduce))
    return Step(values, weights, matrix)


def _aggregate_exactly(
    call: Call, method: JacobianAggregator, groups: list[list[Tensor]], heads: list[Tensor]
) -> Step:
    """Take the exact route of a method that combines the gradients themselves."""
    direction: Block = []
    plain: Block = []
    for _, rows in _group_by_group(call, groups, heads, plain):
        direction += _aggregate(method, rows, None, overflow=call.scaled)
    values = call.values()
    check_losses(values)
    accumulate([tensor for group in groups for tensor in group], direction)
    accumulate(heads, average(plain, call.reduce))
    return Step(values, None, None)


def _group_by_group(
    call: Call, groups: list[list[Tensor]], heads: list[Tensor], plain: Block
) -> Iterator[tuple[list[Tensor], Rows]]:
    """Yield each group of parameters with its rows of J; add the heads' gradients to `plain`."""
    keep = call.retain_graph or len(groups) > 1
    reached = False
    for g, group in enumerate(groups):
        own = heads if g == 0 else []
        rows, found = _rows(call.tasks, group, own, call.reduce, retain_graph=keep)
        plain += found
        reached = reached or _reached(rows)
        yield group, rows
        rows.clear()  # before the next ones are there
    _check_reached("shared", reached=reached)


@torch.no_grad()
def _aggregate(
    method: JacobianAggregator, rows: Rows, features: list[Tensor] | None, *, overflow: bool
) -> Block:
    """Compute the direction, one block per parameter or per feature tensor."""
    direction: Block = []
    if not overflow:
        check_finite_rows(rows)
    for b, block in enumerate(columns(rows)):
        like = next((g for g in block if g is not None), None)
        if like is None:
            direction.append(None)
            continue
        jacobian = stacked([torch.zeros_like(like) if g is None else g for g in block])
        if features is None:
            direction.append(method.direction(jacobian))
        else:
            direction.append(method.at_features(jacobian, features[b]))
    return direction


def _rows(
    tasks: TaskLosses,
    wrt: list[Tensor],
    heads: list[Tensor],
    reduce: Reduce | None,
    cut: Cut | None = None,
    *,
    retain_graph: bool,
) -> tuple[Rows, Block]:
    """Compute the rows of J, averaged over the processes, and the gradient of Σ L_k at `heads`.

    One vector-Jacobian product per task gives both; none goes on behind the cut.
    """
    rows: Rows = []
    plain: Block = [None] * len(heads)
    for k in range(len(tasks)):
        keep = retain_graph or k < len(tasks) - 1
        gradients = tasks.gradient(k, wrt + heads, retain_graph=keep)
        if cut is not None:
            gradients = cut.taken(gradients)
        rows.append(average(gradients[: len(wrt)], reduce))
        plain = [add(a, b) for a, b in zip(plain, gradients[len(wrt) :], strict=True)]
    return rows, plain


def _reached(rows: Rows) -> bool:
    return any(any_of(row) for row in rows)


def _check_reached(parameter: str, *, reached: bool) -> None:
    if not reached:
        raise ValueError(f"`{parameter}` must be tensors that `losses` were computed from")


def _check_tracks(method: Weighting, route: str) -> None:
    """Raise for a method that keeps gradients, on a route that never has them all."""
    if method.tracks:
        raise ValueError(
            f"{type(method).__name__} keeps each gradient from step to step: it needs "
            f"`shared=` and no `memory_budget` below them, got `{route}=`"
        )


@torch.no_grad()
def _losses_and_gramian(
    call: Call, rows: Rows, reduce: Reduce | None = None
) -> tuple[Tensor, Tensor]:
    """Return losses and Gramian; the products are float64 where float32 does not resolve it."""
    dtype = products_dtype(rows)
    values, matrix = _to_host(call.tasks, gramian(rows, dtype), reduce)
    if dtype != torch.float64 and not resolved(matrix):
        values, matrix = _to_host(call.tasks, gramian(rows), reduce)
    return values, matrix


def _to_host(
    tasks: TaskLosses, matrix: Tensor, reduce: Reduce | None = None
) -> tuple[Tensor, Tensor]:
    """Bring losses and Gramian to the CPU, by one copy from the device."""
    if reduce is not None:
        reduce(matrix)
    values = tasks.values.to(matrix.device, torch.float64)
    host = torch.cat([matrix, values[:, None]], dim=1).cpu()
    values = host[:, -1].contiguous()
    check_losses(values)
    return values, host[:, :-1].contiguous()


def _weigh(call: Call, method: Weighting, values: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights, and the Gramian of the gradients without the scaler's factor."""
    scale = call.tasks.scale
    matrix = matrix / scale**2
    if call.scaled and not bool(torch.isfinite(matrix).all()):
        return torch.full_like(values, torch.nan), matrix
    weights = method.weights(losses=values, gramian=matrix)
    method.learn(values, matrix, scale)
    return weights, matrix


def _walk_trunk(call: Call, features: list[Tensor], direction: Block) -> None:
    """Take the direction at the features back through the trunk, into `.grad`."""
    reached = [(f, d) for f, d in zip(features, direction, strict=True) if d is not None]
    tensors, gradients = map(list, zip(*reached, strict=True))
    keep = call.retain_graph
    if call.reduce is None:
        torch.autograd.backward(tensors, gradients, retain_graph=keep)
        return
    leaves = reachable_leaves(tensors)
    found = torch.autograd.grad(tensors, leaves, gradients, retain_graph=keep, allow_unused=True)
    accumulate(leaves, average(list(found), call.reduce))
