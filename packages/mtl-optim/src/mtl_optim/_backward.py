"""The driver: from losses and a method to `.grad`."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ._bases import JacobianAggregator, Weighting
from ._checks import check_finite, check_length, check_losses
from ._gramian import any_of, cross_gramian, gramian
from ._graph import reachable_leaves
from ._losses import TaskLosses
from ._step import Step

Rows = list[list[Tensor | None]]


def backward(
    losses: Tensor | Sequence[Tensor],
    method: Weighting | JacobianAggregator,
    *,
    shared: Iterable[Tensor] | None = None,
    features: Tensor | Sequence[Tensor] | None = None,
    heads: Iterable[Tensor] | None = None,
    second_batch: Tensor | Sequence[Tensor] | None = None,
    scaler: torch.amp.GradScaler | None = None,
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
    share is such a parameter unless `shared` names it.

    Args:
        losses: Vector (task,), or a sequence of scalars. Prefer the sequence where the tasks have
            graphs of their own: a vector stacked from it is walked as a whole once per task.
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
        retain_graph: Keep the graph for another backward.

    Returns:
        The `Step` record: losses, weights, Gramian; on the CPU.

    Raises:
        TypeError: `method` is of no kind, or a loss is no tensor.
        ValueError: A loss or a gradient is NaN or infinite (the message names the task); a loss is
            no scalar or has no graph; `second_batch` is missing, or given to a method that looks
            at one; neither `shared` nor `features` is given to a method that
            looks at gradients, or both are; none of them is behind the losses.

    Example:
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
    tasks = TaskLosses(losses, scaler)
    second = _second(tasks, method, second_batch, scaler)
    if isinstance(method, Weighting) and not method.looks_at_gradients:
        values = tasks.values.to("cpu", torch.float64)
        weights = method.weights(losses=values)
        method.learn(values, None, tasks.scale)
        tasks.backward(weights, retain_graph=retain_graph)
        return Step(values, weights, None)

    if (shared is None) == (features is None):
        raise ValueError(
            f"{type(method).__name__} looks at gradients: pass `shared=` (parameters, exact) or "
            f"`features=` (where the tasks part, nearly free), got "
            f"{'neither' if shared is None else 'both'}"
        )
    given: Iterable[Tensor] = shared or ()
    if features is not None:
        given = [features] if isinstance(features, Tensor) else features
    route = "shared" if features is None else "features"
    if second is not None and features is not None:
        raise ValueError("`second_batch` needs `shared=`: its features are others, got `features=`")
    wrt = unique(tensor for tensor in given if tensor.requires_grad)
    if not wrt:
        raise ValueError(f"`{route}` must hold a tensor that requires grad, got none")
    names = {id(tensor) for tensor in wrt}
    if heads is None:
        own = reachable_leaves(tasks.outputs, stop=() if features is None else wrt)
    else:
        own = unique(p for p in heads if p.requires_grad)
    own = [p for p in own if id(p) not in names]

    if isinstance(method, Weighting) and not method.due:
        return _reuse(tasks, method, wrt, own, features is None, retain_graph)

    # The rows of J, and the heads' plain gradients from the same K passes.
    rows: Rows = []
    plain: list[Tensor | None] = [None] * len(own)
    for k in range(len(tasks)):
        keep = retain_graph or features is not None or k < len(tasks) - 1
        gradients = tasks.gradient(k, wrt + own, retain_graph=keep)
        rows.append(gradients[: len(wrt)])
        plain = [add(a, b) for a, b in zip(plain, gradients[len(wrt) :], strict=True)]
    if not any(any_of(row) for row in rows):
        raise ValueError(f"`{route}` must be tensors that `losses` were computed from")

    with torch.no_grad():
        if isinstance(method, Weighting):
            matrix = gramian(rows) if second is None else cross_gramian(rows, _rows(second, wrt))
            values, weights, matrix = _weigh(tasks, method, matrix, overflow=scaler is not None)
            direction = [combine(block, weights) for block in columns(rows)]
            step = Step(values, weights, matrix)
        else:
            values = tasks.values.to("cpu", torch.float64)
            check_losses(values)
            at = None if features is None else wrt
            direction = _aggregate(method, rows, at, overflow=scaler is not None)
            step = Step(values, None, None)
    _write(wrt, direction, features is None, retain_graph)
    accumulate(own, plain)
    return step


def _second(
    tasks: TaskLosses,
    method: Weighting | JacobianAggregator,
    losses: Tensor | Sequence[Tensor] | None,
    scaler: torch.amp.GradScaler | None,
) -> TaskLosses | None:
    """The losses on the second batch, for a method that looks at two."""
    wanted = isinstance(method, Weighting) and method.wants_second_batch
    if wanted != (losses is not None):
        raise ValueError(
            f"{type(method).__name__} looks at "
            + (
                "two batches: pass `second_batch=`, the losses on an independent one, or make it "
                "with `one_batch=True`, got None"
                if wanted
                else "one batch, got `second_batch=`"
            )
        )
    if losses is None:
        return None
    second = TaskLosses(losses, scaler)
    check_length("second_batch", len(second), len(tasks))
    check_finite(second.values, "`second_batch`: the loss")
    return second


def _rows(tasks: TaskLosses, wrt: list[Tensor]) -> Rows:
    """The rows of J, one vector-Jacobian product each."""
    last = len(tasks) - 1
    return [tasks.gradient(k, wrt, retain_graph=k < last) for k in range(len(tasks))]


def _weigh(
    tasks: TaskLosses, method: Weighting, matrix: Tensor, *, overflow: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses, weights and Gramian on the CPU, by one copy from the device."""
    matrix = matrix / tasks.scale**2
    values = tasks.values.to(matrix.device, torch.float64)
    host = torch.cat([matrix, values[:, None]], dim=1).cpu()
    matrix, values = host[:, :-1].contiguous(), host[:, -1].contiguous()
    check_losses(values)
    if overflow and not bool(torch.isfinite(matrix).all()):
        return values, torch.full_like(values, torch.nan), matrix
    weights = method.weights(losses=values, gramian=matrix)
    method.learn(values, matrix, tasks.scale)
    return values, weights, matrix


def _aggregate(
    method: JacobianAggregator, rows: Rows, features: list[Tensor] | None, *, overflow: bool
) -> list[Tensor | None]:
    """The direction, block by block: one block per parameter, or per feature tensor."""
    direction: list[Tensor | None] = []
    finite = torch.ones(len(rows), dtype=torch.bool)
    for b, block in enumerate(columns(rows)):
        like = next((g for g in block if g is not None), None)
        if like is None:
            direction.append(None)
            continue
        jacobian = torch.stack([torch.zeros_like(like) if g is None else g for g in block])
        flat = jacobian.flatten(start_dim=1)
        finite = finite.to(like.device) & torch.isfinite(flat).all(dim=1)
        if features is None:
            direction.append(method(flat).reshape(like.shape))
        else:
            direction.append(method.at_features(jacobian, features[b]))
    if not overflow:
        nan = torch.full(finite.shape, torch.nan)
        check_finite(torch.where(finite.cpu(), 0.0, nan), "`losses`: the gradient")
    return direction


def _reuse(
    tasks: TaskLosses,
    method: Weighting,
    wrt: list[Tensor],
    own: list[Tensor],
    exact: bool,
    retain_graph: bool,
) -> Step:
    """A step with the weights of an earlier one: one pass through the trunk."""
    values = tasks.values.to("cpu", torch.float64)
    check_losses(values)
    weights = method.weights(losses=values)
    method.learn(values, None, tasks.scale)
    plain = tasks.total_gradient(torch.ones_like(weights), own, retain_graph=True)
    direction = tasks.total_gradient(weights, wrt, retain_graph=retain_graph or not exact)
    _write(wrt, direction, exact, retain_graph)
    accumulate(own, plain)
    return Step(values, weights, None)


def _write(
    wrt: list[Tensor], direction: list[Tensor | None], exact: bool, retain_graph: bool
) -> None:
    """The direction into `.grad`, or through the trunk behind the features."""
    if exact:
        accumulate(wrt, direction)
        return
    reached = [(f, d) for f, d in zip(wrt, direction, strict=True) if d is not None]
    tensors, gradients = zip(*reached, strict=True)
    torch.autograd.backward(tensors, gradients, retain_graph=retain_graph)


def columns(rows: Rows) -> Iterable[list[Tensor | None]]:
    """The blocks of J, each as one entry per task."""
    return ([row[b] for row in rows] for b in range(len(rows[0])))


def unique(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The tensors in order, each once."""
    return list({id(tensor): tensor for tensor in tensors}.values())


def add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """The sum, where None is zero; a new tensor, since autograd's results may share memory."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


def combine(block: list[Tensor | None], weights: Tensor) -> Tensor | None:
    """Σ w_k g_k for one block, or None where no task reaches it."""
    total: Tensor | None = None
    for weight, gradient in zip(weights.tolist(), block, strict=True):
        if gradient is not None:
            total = gradient * weight if total is None else total.add_(gradient, alpha=weight)
    return total


@torch.no_grad()
def accumulate(tensors: list[Tensor], gradients: list[Tensor | None]) -> None:
    """Add the gradients to `.grad`, which stays None where there is none."""
    for tensor, gradient in zip(tensors, gradients, strict=True):
        if gradient is None:
            continue
        if tensor.grad is None:
            # A copy in the parameter's layout: autograd's result may be shared or expanded.
            tensor.grad = torch.empty_like(tensor).copy_(gradient)
        else:
            tensor.grad.add_(gradient)
