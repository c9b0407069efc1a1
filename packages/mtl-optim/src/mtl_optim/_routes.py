"""The routes of `backward`, one function each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

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
    apply_to_block,
    average,
    cancels,
    check_finite_rows,
    columns,
    combine,
    hooks_of,
    real_numbers,
    unique,
    within_budget,
)
from ._gramian import cross_gramian, gramian, products_dtype, resolved
from ._graph import Cut, reachable_leaves
from ._losses import TaskLosses
from ._per_sample import forget, sample_gramian, watch
from ._refusals import (
    check_meet,
    check_not_hidden,
    check_reached,
    check_tracks,
    reached,
    warn_of_disjoint,
)
from ._sharded import averaged_by_shards, gathered
from ._sparse import align_sparse
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

    @property
    def sharded(self) -> bool:
        """Whether heads are gathered from shards, which a backward into `.grad` alone reaches."""
        return bool(gathered([*self.heads, *self.weighed]))

    def values(self) -> Tensor:
        """Return the losses (task,), float64, on the CPU."""
        return self.tasks.values.to("cpu", torch.float64)

    def weigh_heads(self, weights: Tensor, *, at: Sequence[Tensor] = ()) -> Block:
        """Return the gradient of Σ w_k L_k at the weighed heads; no walk goes behind `at`."""
        if not self.weighed or self.sharded:
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
        check_tracks(method, "measure")
        # Gradients of parameters are averaged over the processes, products of those of features.
        parameters = all(tensor.grad_fn is None for tensor in measure)
        of_rows, of_products = (call.reduce, None) if parameters else (None, call.reduce)
        with Cut(measure) as cut:
            rows, _ = _rows(call.tasks, measure, [], of_rows, cut, retain_graph=True)
        check_reached("measure", measure, reached=reached(rows))
        check_not_hidden("measure", call.tasks, rows)
        if call.second is None:
            values, matrix = _losses_and_gramian(call, rows, of_products)
        else:
            others, _ = _rows(call.second, measure, [], of_rows, retain_graph=False)
            check_reached("measure", measure, by="second_batch", reached=reached(others))
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
    check_reached("shared", shared, reached=reached(rows))
    check_not_hidden("shared", call.tasks, rows)
    if method.tracks:
        rows = method.track(rows, call.tasks.values, call.tasks.scale)
    if call.second is None:
        values, matrix = _losses_and_gramian(call, rows)
    else:
        others, _ = _rows(call.second, shared, [], call.reduce, retain_graph=False)
        check_reached("shared", shared, by="second_batch", reached=reached(others))
        values, matrix = _to_host(call.tasks, cross_gramian(rows, others))
    weights, matrix = _weigh(call, method, values, matrix)
    weighed = call.weigh_heads(weights)
    exact = call.second is None and cancels(weights, matrix)
    accumulate_combined(shared, rows, weights, release=not method.tracks, exact=exact)
    call.give_heads(plain, weighed)
    return Step(values, weights, matrix)


def feature_route(
    call: Call, method: Weighting | JacobianAggregator, features: list[Tensor]
) -> Step:
    """Combine the gradients at the features, then walk the trunk once."""
    if isinstance(method, Weighting):
        check_tracks(method, "features")
    with Cut(features) as cut:
        own = [] if call.sharded else call.heads
        rows, plain = _rows(call.tasks, features, own, None, cut, retain_graph=True)
    check_reached("features", features, reached=reached(rows))
    check_meet(rows)
    weights = matrix = None
    weighed: Block = []
    if isinstance(method, JacobianAggregator):
        direction = _aggregate(method, rows, features, overflow=call.scaled)
        values = call.values()
        check_losses(values)
    else:
        values, matrix = _losses_and_gramian(call, rows, call.reduce)
        warn_of_disjoint(rows, matrix)
        weights, matrix = _weigh(call, method, values, matrix)
        exact = cancels(weights, matrix)
        direction = [combine(block, weights, exact=exact) for block in columns(rows)]
        weighed = call.weigh_heads(weights, at=features)
    rows.clear()  # the backward through the trunk takes their memory
    _write_features(call, features, direction, plain, weighed, weights)
    return Step(values, weights, matrix)


def sample_route(
    call: Call, method: Weighting, modules: list[nn.Module], samples: int | None
) -> Step:
    """Take the Gramian of all samples' gradients, then one backward of Σ w_i L_i."""
    check_tracks(method, "modules")
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


def held_route(call: Call, method: Weighting, wrt: list[Tensor], *, features: bool) -> Step:
    """Take one backward with the weights of an earlier step."""
    tasks, cut_at = call.tasks, wrt if features else []
    values, weights = _held_weights(call, method)
    own = [] if call.sharded else call.heads
    keep = call.keeps or features
    with Cut(cut_at) as cut:
        plain = tasks.total_gradient(torch.ones_like(weights), own, retain_graph=True)
        direction = cut.taken(tasks.total_gradient(weights, wrt, retain_graph=keep))
    weighed = call.weigh_heads(weights, at=cut_at)
    if features:
        _write_features(call, wrt, direction, plain, weighed, weights)
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
    tasks, ones = call.tasks, torch.ones_like(weights)
    if call.reduce is None and not call.heads:
        tasks.backward(weights, retain_graph=call.retain_graph)
        return
    taken = {id(head) for head in call.heads}
    leaves = [leaf for leaf in reachable_leaves(tasks.outputs) if id(leaf) not in taken]
    if averaged_by_shards([*leaves, *call.heads], reduce=call.reduce is not None):
        tasks.backward(weights, leaves, retain_graph=call.retain_graph or bool(call.heads))
        if call.heads:
            tasks.backward(ones, call.heads, retain_graph=call.retain_graph)
        return
    plain = tasks.total_gradient(ones, call.heads, retain_graph=True)
    total = tasks.total_gradient(weights, leaves, retain_graph=call.retain_graph)
    accumulate(leaves, average(total, call.reduce))
    accumulate(call.heads, average(plain, call.reduce))


def _weigh_in_parts(call: Call, method: Weighting, groups: list[list[Tensor]]) -> Step:
    """Take the exact route within a budget: the Gramian group by group, then one more backward."""
    check_tracks(method, "shared")
    total: Tensor | None = None
    plain: Block = []
    reaches = call.second is None
    for group, rows in _group_by_group(call, groups, plain):
        if call.second is None:
            part = gramian(rows)
        else:
            keep = group is not groups[-1]
            others, _ = _rows(call.second, group, [], call.reduce, retain_graph=keep)
            reaches = reaches or reached(others)
            part = cross_gramian(rows, others)
        total = part if total is None else total + part
    assert total is not None  # noqa: S101 - there is a group
    check_reached("shared", groups[0], by="second_batch", reached=reaches)
    values, matrix = _to_host(call.tasks, total)
    weights, matrix = _weigh(call, method, values, matrix)
    shared = [tensor for group in groups for tensor in group]
    if call.second is None and cancels(weights, matrix):  # the graph would round the sum
        again = _group_by_group(call, groups, [])
        direction = [
            combine(block, weights, exact=True) for _, rows in again for block in columns(rows)
        ]
    else:
        direction = call.tasks.total_gradient(weights, shared, retain_graph=call.keeps)
        direction = average(direction, call.reduce)
    weighed = call.weigh_heads(weights)
    accumulate(shared, direction)
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
    reaches = False
    for g, group in enumerate(groups):
        own = call.heads if g == 0 else []
        rows, found = _rows(call.tasks, group, own, call.reduce, retain_graph=keep)
        plain += found
        reaches = reaches or reached(rows)
        check_not_hidden("shared", call.tasks, rows)
        yield group, rows
        rows.clear()  # before the next ones are there
    check_reached("shared", groups[0], reached=reaches)


@torch.no_grad()
def _aggregate(
    method: JacobianAggregator, rows: Rows, features: list[Tensor] | None, *, overflow: bool
) -> Block:
    """Compute the direction, one block per parameter or per feature tensor."""
    direction: Block = []
    if not overflow:
        check_finite_rows(rows)
    for b, block in enumerate(columns(rows)):
        if features is None:
            direction.append(apply_to_block(method.direction, block))
        else:
            at = partial(method.at_features, features=real_numbers(features[b]))
            dense = [g.to_dense() if g is not None and g.is_sparse else g for g in block]
            direction.append(apply_to_block(at, dense))
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
    align_sparse(rows)
    return rows, plain


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


def _write_features(
    call: Call,
    features: list[Tensor],
    direction: Block,
    plain: Block,
    weighed: Block,
    weights: Tensor | None,
) -> None:
    """Take the direction back through the trunk, into `.grad`, and add the heads' gradients.

    What the trunk reaches too gets both before its hooks are called. Heads that are gathered from
    shards get theirs by a backward of their own.
    """
    met = [(f, d) for f, d in zip(features, direction, strict=True) if d is not None]
    tensors, gradients = map(list, zip(*met, strict=True))
    keep = call.retain_graph
    heads = [] if call.sharded else [*call.heads, *call.weighed]
    own = dict(zip(map(id, heads), [*plain, *weighed], strict=True))
    leaves = [] if call.reduce is None else reachable_leaves(tensors)
    if call.reduce is None or averaged_by_shards(leaves):
        hooked = any(hooks_of(head) for head in heads)
        tied = [t for t in reachable_leaves(tensors) if id(t) in own] if hooked else []
        accumulate(tied, [own[id(t)] for t in tied], hooks=False)
        torch.autograd.backward(tensors, gradients, retain_graph=keep)
        taken = {id(t) for t in tied}
        rest = [head for head in heads if id(head) not in taken]
        accumulate(rest, average([own[id(head)] for head in rest], call.reduce))
    else:
        found = torch.autograd.grad(
            tensors, leaves, gradients, retain_graph=keep, allow_unused=True
        )
        total: dict[int, Tensor | None] = dict(zip(map(id, leaves), found, strict=True))
        for key, gradient in own.items():
            total[key] = add(total.get(key), gradient)
        written = unique([*leaves, *heads])
        accumulate(written, average([total[id(t)] for t in written], call.reduce))
    if call.sharded:
        w = weights if call.weighed else None
        w = torch.ones_like(call.values()) if w is None else w
        call.tasks.backward(w, [*call.heads, *call.weighed], retain_graph=keep)
