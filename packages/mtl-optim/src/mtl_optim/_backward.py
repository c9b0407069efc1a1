"""The driver: from losses and a method to `.grad`."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, distributed, nn

from ._bases import JacobianAggregator, Method, Weighting
from ._checks import (
    as_parameters,
    as_tensors,
    check_finite,
    check_flag,
    check_function,
    check_kind,
    check_length,
    check_positive_number,
)
from ._gradients import Reduce, unique
from ._graph import leaves_of_one, reachable_leaves
from ._losses import TaskLosses
from ._per_sample import check_modules, objectives
from ._routes import (
    Call,
    exact_route,
    feature_route,
    held_route,
    loss_route,
    measure_route,
    sample_route,
)
from ._sharded import check_not_sharded, check_plain_heads
from ._state import among_tasks
from ._step import Step


def backward(
    losses: Tensor | Sequence[Tensor | None],
    method: Weighting | JacobianAggregator,
    *,
    shared: Tensor | Iterable[Tensor] | None = None,
    features: Tensor | Sequence[Tensor] | None = None,
    measure: Tensor | Iterable[Tensor] | None = None,
    modules: nn.Module | Iterable[nn.Module] | None = None,
    heads: Tensor | Iterable[Tensor] | Literal["weighted"] | None = None,
    second_batch: Tensor | Sequence[Tensor | None] | None = None,
    scaler: torch.amp.GradScaler | None = None,
    reduce: Reduce | None = None,
    memory_budget: int | None = None,
    retain_graph: bool = False,
) -> Step:
    """Put the method's gradients into `.grad`, as `loss.backward()` would.

    Gradients accumulate, parameters that no loss reaches keep their `.grad`, frozen ones are
    skipped, and nothing is written when an error is raised. Five routes, the cheapest that the
    method's kind allows:

    * a `LossWeighting` takes one backward of Σ w_k L_k, whatever else is passed;
    * `shared=` is exact: one vector-Jacobian product per task through the graph, the Gramian
      block by block, then d = Jᵀ w into the `.grad` of the shared parameters;
    * `features=` is nearly free: the Gramian of the losses with respect to the features, then one
      backward through the trunk. It is the upper bound of the exact problem known as MGDA-UB
      (Sener and Koltun, 2018, section 3.3), for any method;
    * `measure=` looks at the gradients in the parameters or tensors that it names, the last shared
      layer for instance, and takes one backward of Σ w_k L_k through all that the losses reach;
    * `modules=` makes each sample an objective, or each task of each sample: the exact Gramian of
      all S·K gradients from K walks and what each layer does with its parameters, then one
      backward of Σ w_i L_i for every parameter (Quinton and Rey, 2024, section 6).

    With `shared=`, `features=` and `measure=` the heads get the plain gradient of Σ L_k: a head
    belongs to one task and has nothing to trade. With the first two every other parameter that the
    losses reach is a head: one that a few of the tasks share is, unless `shared` names it. With
    `measure=` the parameters that one task alone reaches are (none, where all losses come from one
    node of the graph, as a vector or the scalars of a compiled function do). One that is reached
    both behind the features and past them (tied weights, a connection that skips them) gets the sum
    of both, and each task then walks the graph behind the features.

    Gradients may be sparse (`nn.Embedding(sparse=True)`), complex, where products are
    Re Σ conj(a) b, or in half precision, whose products and sums are float32 at least. Where
    weighted gradients nearly cancel, as opposed ones do, the sum is float64. Hooks after
    accumulation are called once per parameter; those of `register_hook` see each task's gradient.
    Modules under `fully_shard` need `features=`, and the heads there one more backward.

    Args:
        losses: Vector (task,), or a sequence of scalars, as good as a `torch.stack` of it. Another
            vector whose tasks have graphs of their own is walked as a whole once per task. None in
            the sequence says that the batch has nothing of that task. The step is then that of the
            method for the other tasks: a preference is renormalised over them, and what the method
            keeps of absent tasks stands still. With `modules=` one loss per sample, (sample,) or
            (sample, task); the objectives of the method and of the step are then those of the first
            sample, of the second, and so on.
        method: What combines the tasks.
        shared: The parameters whose gradients are combined, exactly.
        features: The tensors where the tasks part, which the losses were computed from.
        measure: Where gradients are looked at: parameters, or tensors that the losses were computed
            from.
        modules: The model, or several, whose parameters' gradients are combined where each sample
            has losses of its own, exactly. A loss may depend on its own sample alone, and samples
            lie along the first axis of every layer's output, each equally often: otherwise it is an
            error, found from the norm of the gradient of Σ w_i L_i. Linear layers, convolutions,
            embeddings, normalisations but that by the batch, and attention without dropout, batch
            first, take no walks of their own. Another layer takes a walk through itself per
            objective; a parameter that is used outside layers one through the graph. So do all
            parameters in the first step of a model, unless `watch(model)` came before.
        heads: The parameters that get the plain gradient. None finds them by a walk through the
            graph; pass them to save the walk, or to leave others without a gradient (with `measure`
            these are weighed). "weighted": every head gets that of Σ w_k L_k, as if the weights
            were constants of the loss.
        second_batch: The losses of the same tasks on a batch independent of the first, for a
            method that looks at both; K more vector-Jacobian products. Not with `features=`.
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
            looks at gradients, or has a state, warns. What is under `fully_shard` averages its own
            gradients.
        memory_budget: Bytes for the K gradients of the exact route, which otherwise take K times
            the shared parameters: fewer parameters at a time, and the products again for each part.
        retain_graph: Keep the graph for another backward.

    Returns:
        The `Step` record: losses, weights, Gramian; on the CPU.

    Raises:
        TypeError: `method` is not a method; a loss is not a real tensor; `shared`, `features` or
            `heads` hold something other than tensors; an option has the wrong type; a gradient is
            sparse in another form than coordinates.
        ValueError: A loss is NaN or infinite, or a gradient, where the method looks at gradients
            (the message names the task); a loss is not a scalar or has no graph; `second_batch` is
            missing, or given to a method that looks at one; `shared` or `heads` hold what was
            computed from parameters, or are spread over processes; a weight is NaN, infinite or
            too large for its loss's dtype; `memory_budget` is not positive; not one of `shared`,
            `features`, `measure` and `modules` is given to a method that looks at gradients; none
            of them is behind the losses; no two tasks share a tensor of `features`; processes have
            different tasks; `modules` normalise by the batch, or a loss depends on other samples;
            they are given with `heads`, `second_batch` or `reduce`, or to a method that combines
            gradients.

    Examples:
        >>> from mtl_optim import MGDA
        >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
        >>> step = backward([x[0], 2 * x[1]], MGDA(), shared=[x])
        >>> step.weights, x.grad
        (tensor([0.8000, 0.2000], dtype=torch.float64), tensor([0.8000, 0.4000]))

    References:
        One objective per sample: Quinton and Rey, Jacobian Descent for Multi-Objective
        Optimization, arXiv:2406.16232, 2024; the Gramian without the Jacobian is its section 6.
    """
    if not isinstance(method, Weighting | JacobianAggregator):
        raise TypeError(
            "`method` must be a LossWeighting, a GramianWeighting or a JacobianAggregator, "
            f"got {type(method).__name__}"
        )
    _check_options(scaler, reduce, memory_budget, retain_graph)
    samples = None
    if modules is not None:
        losses, samples = objectives(losses)
    tasks = TaskLosses(losses, scaler, reduce)
    second = _second_batch_losses(tasks, method, second_batch, scaler, reduce)
    call = Call(tasks, second, reduce, scaler is not None, retain_graph)
    looks = not isinstance(method, Weighting) or method.looks_at_gradients
    if looks and modules is not None:
        others = (shared, features, measure, heads, second_batch, reduce)
        return sample_route(call, _sample_method(method, others), check_modules(modules), samples)
    aggregates = isinstance(method, JacobianAggregator)
    if reduce is None:
        _warn_of_other_processes(method, looks=looks)
    place, wrt = "", list[Tensor]()
    if looks:
        places = {"shared": shared, "features": features, "measure": measure}
        place, wrt = _place(method, places, second=second is not None)
        weighted = _is_weighted(heads)
        if weighted and aggregates:
            raise ValueError(
                f'`heads` cannot be "weighted" with {type(method).__name__}, which has no weights'
            )
        found = _heads(None if weighted else heads, tasks, wrt, place, every=weighted)
        call = replace(call, weighed=found) if weighted else replace(call, heads=found)
    with among_tasks(method, tasks.present, tasks.tasks):
        step = _route(call, method, place, wrt, memory_budget)
    return step.of_all(tasks.present, tasks.tasks)


def _route(
    call: Call,
    method: Weighting | JacobianAggregator,
    place: str,
    wrt: list[Tensor],
    budget: int | None,
) -> Step:
    """Take the cheapest route that the method's kind allows."""
    if isinstance(method, Weighting):
        if not place:
            return loss_route(call, method)
        if place == "measure":
            return measure_route(call, method, wrt)
        if not method.due:
            return held_route(call, method, wrt, features=place == "features")
    if place == "features":
        return feature_route(call, method, wrt)
    return exact_route(call, method, wrt, budget)


def _place(
    method: Weighting | JacobianAggregator, places: Mapping[str, object], *, second: bool
) -> tuple[str, list[Tensor]]:
    """Find where the user wants gradients to be looked at, and read the tensors."""
    given = [name for name, value in places.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            f"{type(method).__name__} looks at gradients: pass `shared=` (parameters, exact), "
            "`features=` (where the tasks part, nearly free), `measure=` (where to look alone) or "
            "`modules=` (each sample an objective), "
            f"got {'both ' * (len(given) == 2) + ' and '.join(given) or 'neither'}"
        )
    (place,) = given
    if second and place == "features":
        raise ValueError(
            "`second_batch` needs `shared=` or `measure=`: the second batch has different "
            "features, got `features=`"
        )
    if place == "measure" and isinstance(method, JacobianAggregator):
        raise ValueError(
            f"{type(method).__name__} combines the gradients themselves: pass `shared=` or "
            "`features=`, got `measure=`"
        )
    read = as_parameters if place == "shared" else as_tensors
    wrt = unique(tensor for tensor in read(place, places[place]) if tensor.requires_grad)
    if not wrt:
        raise ValueError(f"`{place}` must hold a tensor that requires grad, got none")
    if place != "features":
        check_not_sharded(place, wrt)
    return place, wrt


def _is_weighted(heads: object) -> bool:
    """Return whether the heads are weighed, too."""
    if isinstance(heads, str) and heads != "weighted":
        raise ValueError(f'`heads` must be parameters, "weighted" or None, got {heads!r}')
    return isinstance(heads, str)


def _heads(
    given: object, tasks: TaskLosses, wrt: list[Tensor], place: str, *, every: bool
) -> list[Tensor]:
    """Find the heads, or read those that the user names; `measure=` weighs all but them."""
    if given is not None:
        found = unique(p for p in as_parameters("heads", given) if p.requires_grad)
        check_not_sharded("heads", found)
    elif place == "measure":
        found = [] if every else leaves_of_one(tasks.parts or tasks.outputs)
    else:
        found = reachable_leaves(tasks.outputs, stop=wrt if place == "features" else ())
    taken = {id(tensor) for tensor in wrt}
    own = [p for p in found if id(p) not in taken]
    if place == "shared":
        check_plain_heads(own)
    return own


def _sample_method(method: Weighting | JacobianAggregator, others: Iterable[object]) -> Weighting:
    """Return the method, if it and what else is given go with one objective per sample."""
    if not isinstance(method, Weighting):
        raise ValueError(
            f"{type(method).__name__} combines the gradients themselves, which `modules=` never "
            "has: pass `shared=`"
        )
    names = ("shared", "features", "measure", "heads", "second_batch", "reduce")
    given = [f"`{name}=`" for name, other in zip(names, others, strict=True) if other is not None]
    if given:
        raise ValueError(
            "`modules` makes each sample an objective, and every parameter gets the gradient of "
            f"Σ w L: it goes without {', '.join(given)}"
        )
    return method


def _check_options(
    scaler: object, reduce: object, memory_budget: float | None, retain_graph: bool
) -> None:
    """Raise for options that would fail later, or that mean something else."""
    if scaler is not None:
        check_kind("scaler", scaler, torch.amp.GradScaler)
    if reduce is not None:
        check_function("reduce", reduce)
    if memory_budget is not None:
        check_positive_number("memory_budget", memory_budget)
    check_flag("retain_graph", retain_graph)


def _warn_of_other_processes(method: Method, *, looks: bool) -> None:
    """Warn if this is one of several processes: the others do not see what this one sees."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    processes = distributed.get_world_size()
    if processes < 2 or not (looks or method.has_state):
        return
    what = (
        "the others do not see its gradients: pass `reduce=`, which averages a tensor over them, "
        "and do not wrap the model: DistributedDataParallel does not see gradients that are taken "
        "task by task"
        if looks
        else "the method's state follows the losses of this one alone, and drifts from the "
        "others': pass `reduce=`, which averages a tensor over them, and do not wrap the model"
    )
    warnings.warn(
        f"this is one of {processes} processes, and {what}. With `reduce=lambda tensor: None` each "
        "process trains alone",
        UserWarning,
        stacklevel=3,
    )


def _second_batch_losses(
    tasks: TaskLosses,
    method: Weighting | JacobianAggregator,
    losses: Tensor | Sequence[Tensor | None] | None,
    scaler: torch.amp.GradScaler | None,
    reduce: Reduce | None,
) -> TaskLosses | None:
    """Read the losses on the second batch, for a method that looks at two."""
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
    second = TaskLosses(losses, scaler, reduce, name="second_batch")
    check_length("second_batch", second.tasks, tasks.tasks)
    if second.present != tasks.present:
        raise ValueError(
            "`second_batch` must be of the same tasks as `losses`: got the tasks "
            f"{second.present} beside {tasks.present}"
        )
    check_finite(second.values, "`second_batch`: the loss")
    return second
