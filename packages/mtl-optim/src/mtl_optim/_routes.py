"""The routes of `backward`, one function each."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

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
from ._step import Step


@dataclass(frozen=True, eq=False)
class Call:
    """What every route gets from a call of `backward`."""

    tasks: TaskLosses  # the losses
    second: TaskLosses | None  # the losses on the second batch, for a method that looks at two
    reduce: Reduce | None  # averages a tensor over the processes
    scaled: bool  # whether a gradient scaler looks for overflow: then it is no error here
    retain_graph: bool  # whether the graph is kept for another backward
    heads: list[Tensor] = field(default_factory=list)  # that get the gradient of Σ L_k
    weighed: list[Tensor] = field(default_factory=list)  # heads that get that of Σ w_k L_k

    @property
    def keeps(self) -> bool:
        """Whether the graph is needed after the walks that the weights are found by."""
        return self.retain_graph or bool(self.weighed)

    def values(self) -> Tensor:
        """Return the losses (task,), float64, on the CPU."""
        return self.tasks.values.to("cpu", torch.float64)

    def weigh_heads(self, weights: Tensor, *, at: Sequence[Tensor] = ()) -> Block:
        """Return the gradient of Σ w_k L_k at the weighed heads; no walk goes behind `at`."""
        if not self.weighed:
            return []
        with Cut(at):
            return self.tasks.total_gradient(
                weights, self.weighed, retain_graph=self.retain_graph or bool(at)
            )

    def give_heads(self, plain: Block, weighed: Block) -> None:
        """Add the gradients of the heads, which are all there is of them, to `.grad`."""
        accumulate(self.heads, average(plain, self.reduce))
        accumulate(self.weighed, average(weighed, self.reduce))


def loss_route(call: Call, method: Weighting) -> Step:
    """Take one backward of Σ w_k L_k."""
    values = call.values()
    weights = method.weights(losses=values)
    method.learn(values, None, call.tasks.scale)
    _walk_all(call, weights)
    return Step(values, weights, None)


def measure_route(call: Call, method: Weighting, measure: list[Tensor]) -> Step:
    """Look at the gradients in `measure`, then take Σ w_k L_k through all that the losses reach."""
    matrix = None
    if method.due:
        _check_tracks(method, "measure")
        # Gradients of parameters are averaged over the processes, products of those of features.
        parameters = all(tensor.grad_fn is None for tensor in measure)
        of_rows, of_products = (call.reduce, None) if parameters else (None, call.reduce)
        with Cut(measure) as cut:
            rows, _ = _rows(call.tasks, measure, [], of_rows, cut, retain_graph=True)
        _check_reached("measure", reached=_reached(rows))
        if call.second is None:
            values, matrix = _losses_and_gramian(call, rows, of_products)
        else:
            others, _ = _rows(call.second, measure, [], of_rows, retain_graph=False)
            values, matrix = _to_host(call.tasks, cross_gramian(rows, others), of_products)
        rows.clear()
        weights, matrix = _weigh(call, method, values, matrix)
    else:
        values, weights = _held_weights(call, method)
    _walk_all(call, weights)
    return Step(values, weights, matrix)


def exact_route(
    call: Call, method: Weighting | JacobianAggregator, shared: list[Tensor], budget: int | None
) -> Step:
    """Take one vector-Jacobian product per task, the Gramian, then d = Jᵀ w into `.grad`."""
    groups = within_budget(shared, len(call.tasks), budget)
    if isinstance(method, JacobianAggregator):
        return _aggregate_exactly(call, method, groups)
    if len(groups) > 1:
        return _weigh_in_parts(call, method, groups)
    rows, plain = _rows(call.tasks, shared, call.heads, call.reduce, retain_graph=call.keeps)
    _check_reached("shared", reached=_reached(rows))
    if method.tracks:
        rows = method.track(rows, call.tasks.values, call.tasks.scale)
    if call.second is None:
        values, matrix = _losses_and_gramian(call, rows)
    else:
        others, _ = _rows(call.second, shared, [], call.reduce, retain_graph=False)
        values, matrix = _to_host(call.tasks, cross_gramian(rows, others))
    weights, matrix = _weigh(call, method, values, matrix)
    weighed = call.weigh_heads(weights)
    accumulate_combined(shared, rows, weights, release=not method.tracks)
    call.give_heads(plain, weighed)
    return Step(values, weights, matrix)


def feature_route(
    call: Call, method: Weighting | JacobianAggregator, features: list[Tensor]
) -> Step:
    """Combine the gradients at the features, then walk the trunk once."""
    if isinstance(method, Weighting):
        _check_tracks(method, "features")
    with Cut(features) as cut:
        rows, plain = _rows(call.tasks, features, call.heads, None, cut, retain_graph=True)
    _check_reached("features", reached=_reached(rows))
    _check_meet(rows)
    weights = matrix = None
    weighed: Block = []
    if isinstance(method, JacobianAggregator):
        direction = _aggregate(method, rows, features, overflow=call.scaled)
        values = call.values()
        check_losses(values)
    else:
        values, matrix = _losses_and_gramian(call, rows, call.reduce)
        _warn_of_disjoint(rows, matrix)
        weights, matrix = _weigh(call, method, values, matrix)
        direction = [combine(block, weights) for block in columns(rows)]
        weighed = call.weigh_heads(weights, at=features)
    rows.clear()  # the backward through the trunk takes their memory
    _walk_trunk(call, features, direction)
    call.give_heads(plain, weighed)
    return Step(values, weights, matrix)


def held_route(call: Call, method: Weighting, wrt: list[Tensor], *, features: bool) -> Step:
    """Take one backward with the weights of an earlier step."""
    tasks, cut_at = call.tasks, wrt if features else []
    values, weights = _held_weights(call, method)
    keep = call.keeps or features
    with Cut(cut_at) as cut:
        plain = tasks.total_gradient(torch.ones_like(weights), call.heads, retain_graph=True)
        direction = cut.taken(tasks.total_gradient(weights, wrt, retain_graph=keep))
    weighed = call.weigh_heads(weights, at=cut_at)
    if features:
        _walk_trunk(call, wrt, direction)
    else:
        accumulate(wrt, average(direction, call.reduce))
    call.give_heads(plain, weighed)
    return Step(values, weights, None)


def _held_weights(call: Call, method: Weighting) -> tuple[Tensor, Tensor]:
    """Return the losses, and the weights of an earlier step."""
    values = call.values()
    check_losses(values)
    weights = method.weights(losses=values)
    method.learn(values, None, call.tasks.scale)
    return values, weights


def _walk_all(call: Call, weights: Tensor) -> None:
    """Take Σ w_k L_k back through all that the losses reach, and Σ L_k to the heads."""
    tasks = call.tasks
    if call.reduce is None and not call.heads:
        tasks.backward(weights, retain_graph=call.retain_graph)
        return
    taken = {id(head) for head in call.heads}
    leaves = [leaf for leaf in reachable_leaves(tasks.outputs) if id(leaf) not in taken]
    plain = tasks.total_gradient(torch.ones_like(weights), call.heads, retain_graph=True)
    total = tasks.total_gradient(weights, leaves, retain_graph=call.retain_graph)
    accumulate(leaves, average(total, call.reduce))
    accumulate(call.heads, average(plain, call.reduce))


def _weigh_in_parts(call: Call, method: Weighting, groups: list[list[Tensor]]) -> Step:
    """Take the exact route within a budget: the Gramian group by group, then one more backward."""
    _check_tracks(method, "shared")
    total: Tensor | None = None
    plain: Block = []
    for group, rows in _group_by_group(call, groups, plain):
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
    direction = call.tasks.total_gradient(weights, shared, retain_graph=call.keeps)
    weighed = call.weigh_heads(weights)
    accumulate(shared, average(direction, call.reduce))
    call.give_heads(plain, weighed)
    return Step(values, weights, matrix)


def _aggregate_exactly(call: Call, method: JacobianAggregator, groups: list[list[Tensor]]) -> Step:
    """Take the exact route of a method that combines the gradients themselves."""
    direction: Block = []
    plain: Block = []
    for _, rows in _group_by_group(call, groups, plain):
        direction += _aggregate(method, rows, None, overflow=call.scaled)
    values = call.values()
    check_losses(values)
    accumulate([tensor for group in groups for tensor in group], direction)
    call.give_heads(plain, [])
    return Step(values, None, None)


def _group_by_group(
    call: Call, groups: list[list[Tensor]], plain: Block
) -> Iterator[tuple[list[Tensor], Rows]]:
    """Yield each group of parameters with its rows of J; add the heads' gradients to `plain`."""
    keep = call.keeps or len(groups) > 1
    reached = False
    for g, group in enumerate(groups):
        own = call.heads if g == 0 else []
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


def _check_meet(rows: Rows) -> None:
    """Raise if no two tasks share a feature tensor: their gradients would never be compared."""
    if len(rows) > 1 and not any(sum(g is not None for g in block) > 1 for block in columns(rows)):
        raise ValueError(
            "`features` must be tensors that several of `losses` are computed from, got one task "
            f"or none for each of {len(rows[0])}: run the trunk on the tasks' batches joined, and "
            "pass what it gives before it is split, or pass `shared=`"
        )


def _warn_of_disjoint(rows: Rows, matrix: Tensor) -> None:
    """Warn if all tasks look at parts of the features of their own, as losses of single samples."""
    nonzero = matrix.diagonal() > 0
    if int(nonzero.sum()) < 2 or bool((matrix - matrix.diagonal().diag()).any()):
        return
    if any(_overlap([g for g in block if g is not None]) for block in columns(rows)):
        return
    warnings.warn(
        "each of `losses` depends on other entries of `features`, so that their gradients do not "
        "meet there and the Gramian is diagonal: pass `shared=`, or features that all tasks use",
        UserWarning,
        stacklevel=4,
    )


def _overlap(block: list[Tensor]) -> bool:
    """Return whether two of the gradients are both nonzero at an entry."""
    return len(block) > 1 and bool((torch.stack([g != 0 for g in block]).sum(0) > 1).any())


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
