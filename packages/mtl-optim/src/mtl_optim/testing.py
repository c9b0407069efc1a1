"""The contract that every weighting keeps, as checks that any test runner can call.

A method joins by one line: a function that makes it for a number of tasks, and the degree of its
weights. See `CHECKS`.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import cycle

import torch
from torch import Tensor

from ._backward import backward
from ._bases import JacobianAggregator, Weighting
from ._checks import check_count
from ._protocols import SecondLook
from ._step import Step

SCALES = (1e-10, 1e-3, 1.0, 1e3, 1e10)


def seeded(seed: int) -> torch.Generator:
    """Make a generator on the CPU with this seed."""
    return torch.Generator().manual_seed(seed)


def double(*values: float) -> Tensor:
    """Make a float64 vector of the numbers."""
    return torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """A method under the contract.

    Attributes:
        make: Makes a new method for a number of tasks; the same one each time.
        degree: w(c² G) = c^degree w(G): 0 for most, −1 where the step's length is fixed. None for
            a method that compares losses with gradients: w(c L, c² G) = w(L, G).
        random: Whether the weights are drawn, so that permuting the tasks permutes them only in
            distribution.
        ordered: Whether the tasks have roles by their place, so that they cannot be permuted.
        decades: Logarithm of the largest ratio of norms at which the direction is resolved.
    """

    make: Callable[[int], Weighting]
    degree: float | None = 0
    random: bool = False
    ordered: bool = False
    decades: float = 13.0

    def resolves(self, gramian: Tensor) -> bool:
        """Return whether the method resolves gradients of these norms."""
        squares = gramian.diagonal()
        return bool(squares.max() <= 10 ** (2 * self.decades) * squares.min())

    def weights(self, losses: Tensor, gramian: Tensor) -> Tensor:
        """Compute the weights of a new method."""
        return self.make(len(losses)).weights(losses=losses, gramian=gramian)


def random_jacobian(
    tasks: int,
    rank: int,
    *,
    generator: torch.Generator,
    decades: float = 0.0,
    scale: float = 1.0,
    conflict: float = 0.0,
) -> Tensor:
    """Draw a Jacobian (task, param) with float64 entries.

    Args:
        tasks: Number K of rows.
        rank: Number of columns, which bounds the rank.
        generator: Draws the entries.
        decades: The norms of the rows spread over a ratio of 10^decades.
        scale: Factor of all rows.
        conflict: The part of the mean row that is taken away; 1 makes the mean 0.

    Examples:
        >>> random_jacobian(3, 2, generator=torch.Generator()).shape
        torch.Size([3, 2])
    """
    check_count("tasks", tasks)
    check_count("rank", rank)
    J = torch.randn(tasks, rank, generator=generator, dtype=torch.float64)
    J = J - conflict * J.mean(dim=0)
    exponents = (torch.rand(tasks, 1, generator=generator, dtype=torch.float64) - 0.5) * decades
    return J * 10**exponents * scale


def descend(
    problem: Callable[[Tensor], Tensor],
    start: Sequence[float] | Tensor,
    method: Weighting | JacobianAggregator,
    *,
    lr: float = 0.1,
    steps: int = 400,
    decay: float = 1.0,
) -> tuple[Tensor, Step]:
    """Run gradient descent on a small problem, in float64.

    Args:
        problem: From a point (n,) to losses (task,).
        start: The point (n,).
        method: What combines the tasks.
        lr: Learning rate of the first step.
        steps: Number of steps, at least 1.
        decay: Factor of the learning rate after each step.

    Returns:
        The point after the last step, and the record of that step.

    Examples:
        >>> from mtl_optim import Mean
        >>> from mtl_optim.pareto.problems import spheres
        >>> descend(spheres, [0.0], Mean())[0].round(decimals=6)
        tensor([0.5000], dtype=torch.float64)
    """
    check_count("steps", steps)
    x = torch.as_tensor(start, dtype=torch.float64).detach().clone().requires_grad_()
    for _ in range(steps):
        x.grad = None
        step = backward(problem(x), method, shared=[x])
        with torch.no_grad():
            x -= lr * (0 if x.grad is None else x.grad)
        lr *= decay
    return x.detach(), step


def slopes(scalar: Callable[[Tensor], Tensor], losses: Tensor) -> Tensor:
    """Compute ∂ scalar / ∂ losses (task,) by central differences.

    Examples:
        >>> slopes(torch.prod, torch.tensor([2.0, 3.0]).double()).round(decimals=6)
        tensor([3., 2.], dtype=torch.float64)
    """
    step = 1e-6 * torch.eye(len(losses), dtype=losses.dtype)
    return torch.stack([(scalar(losses + e) - scalar(losses - e)) / 2e-6 for e in step])


def problems(seed: int = 0, *, every: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield losses (task,) and Jacobians (task, param) of K = 1..12, all ranks, norms and scales.

    Args:
        seed: Of the draws.
        every: Leaves out all but every so many; one prime to 3 keeps all ranks and norms.
    """
    generator, scales, count = seeded(seed), cycle(SCALES), 0
    for tasks in range(1, 13):
        for rank in sorted({1, max(1, tasks - 1), tasks + 3}):
            for decades in (0.0, 6.0, 12.0):
                J = random_jacobian(
                    tasks,
                    rank,
                    generator=generator,
                    decades=decades,
                    scale=next(scales),
                    conflict=1.5 * float(torch.rand((), generator=generator)),
                )
                losses = 0.1 + torch.rand(tasks, generator=generator, dtype=torch.float64)
                if count % every == 0:
                    yield losses, J
                count += 1


def check_weights_are_finite(case: Case) -> None:
    """Check that there is one finite weight per task, and that the arguments do not change."""
    for losses, J in problems():
        gramian = J @ J.T
        before = losses.clone(), gramian.clone()
        weights = case.weights(losses, gramian)
        assert weights.shape == losses.shape
        assert bool(torch.isfinite(weights).all()), (gramian, weights)
        assert torch.equal(losses, before[0])
        assert torch.equal(gramian, before[1])


def check_degree(case: Case) -> None:
    """Check w(c² G) = c^degree w(G) for c = 1e-10..1e10: no absolute thresholds."""
    for losses, J in problems(1, every=4):
        gramian = J @ J.T
        if not case.resolves(gramian):
            continue
        weights = case.weights(losses, gramian)
        for c in (SCALES[0], SCALES[-1]):
            if case.degree is None:
                scaled = case.weights(losses * c, gramian * c**2)
            else:
                scaled = case.weights(losses, gramian * c**2) / c**case.degree
            assert_same_direction(gramian, weights, scaled)


def check_permutation(case: Case) -> None:
    """Check that permuting the tasks leaves the direction."""
    if case.random or case.ordered:
        return
    generator = seeded(2)
    for losses, J in problems(2, every=2):
        gramian = J @ J.T
        if not case.resolves(gramian):
            continue
        weights = case.weights(losses, gramian)
        order = torch.randperm(len(losses), generator=generator)
        permuted = torch.empty_like(weights)
        permuted[order] = case.weights(losses[order], gramian[order][:, order])
        assert_same_direction(gramian, weights, permuted)


def check_single_task(case: Case) -> None:
    """Check that the direction of a single task is a positive multiple of its gradient."""
    for norm in (1e-10, 1.0, 1e10):
        gramian = torch.tensor([[norm**2]], dtype=torch.float64)
        weights = case.weights(torch.ones(1, dtype=torch.float64), gramian)
        assert float(weights) > 0


def check_zero_gradients(case: Case) -> None:
    """Check that weights are finite where gradients vanish or are equal."""
    generator = seeded(3)
    for tasks in range(2, 7):
        losses = torch.ones(tasks, dtype=torch.float64)
        J = random_jacobian(tasks, tasks + 2, generator=generator)
        one_zero, twice = J.clone(), J.clone()
        one_zero[0] = 0
        twice[1] = twice[0]
        for jacobian in (torch.zeros_like(J), one_zero, twice, -twice):
            weights = case.weights(losses, jacobian @ jacobian.T)
            assert bool(torch.isfinite(weights).all()), (jacobian, weights)


def check_non_finite_raises(case: Case) -> None:
    """Check that NaN and infinity, in a loss or a gradient, raise an error that names the task."""
    for bad in (torch.nan, torch.inf, -torch.inf):
        losses, gramian = torch.ones(3), torch.eye(3)
        losses[1] = bad
        _raises_for_task_1(case, losses, gramian)
        if case.make(3).looks_at_gradients:
            losses, gramian = torch.ones(3), torch.eye(3)
            gramian[1, 1] = bad
            _raises_for_task_1(case, losses, gramian)


def check_dtypes(case: Case) -> None:
    """Check that weights have the dtype of what they weigh, and are solved for in float64."""
    J = random_jacobian(4, 6, generator=seeded(4))
    losses, gramian = torch.tensor([0.5, 1.0, 1.5, 2.0], dtype=torch.float64), J @ J.T
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        low_losses, low_gramian = losses.to(dtype), gramian.to(dtype)
        weights = case.weights(low_losses, low_gramian)
        assert weights.dtype == dtype
        exact = case.weights(low_losses.double(), low_gramian.double())
        assert torch.equal(weights, exact.to(dtype))


def check_state(case: Case) -> None:
    """Check that a state_dict resumes the method bit for bit, and that a copy is independent."""
    sequence = [(losses, J @ J.T) for losses, J in problems(5) if len(losses) == 4][:8]
    method = case.make(4)
    for losses, gramian in sequence[:3]:
        _one_step(method, losses, gramian)
    resumed, copied = case.make(4), deepcopy(method)
    resumed.load_state_dict(method.state_dict())
    for losses, gramian in sequence[3:]:
        expected = _one_step(method, losses, gramian)
        assert torch.equal(_one_step(resumed, losses, gramian), expected)
        assert torch.equal(_one_step(copied, losses, gramian), expected)


def check_casts(case: Case) -> None:
    """Check that a method inside a module survives a cast to another precision."""
    sequence = [(losses, J @ J.T) for losses, J in problems(6) if len(losses) == 3][:3]
    for dtype in (torch.float32, torch.bfloat16):
        method = case.make(3)
        for losses, gramian in sequence:
            weights = _one_step(method.to(dtype), losses, gramian)
            assert bool(torch.isfinite(weights).all()), (dtype, weights)


def check_weights_are_the_callers(case: Case) -> None:
    """Check that a caller who changes the weights does not change the method."""
    sequence = [(losses, J @ J.T) for losses, J in problems(7) if len(losses) == 3][:4]
    method, touched = case.make(3), case.make(3)
    for losses, gramian in sequence:
        weights = _one_step(touched, losses, gramian)
        assert torch.equal(weights, _one_step(method, losses, gramian))
        weights.fill_(torch.nan)


def check_default_device(case: Case) -> None:
    """Check that weights and state do not depend on the device that new tensors go to."""
    sequence = [(losses, J @ J.T) for losses, J in problems(8) if len(losses) == 3][:4]
    method = case.make(3)
    expected = [_one_step(method, losses, gramian) for losses, gramian in sequence]
    with torch.device("meta"):
        other = case.make(3)
        found = [_one_step(other, losses, gramian) for losses, gramian in sequence]
    for one, two in zip(expected, found, strict=True):
        assert torch.equal(one, two)  # neither equals anything on that device
    saved = other.state_dict()
    for name, value in method.state_dict().items():
        assert torch.equal(value, saved[name]), name


CHECKS: tuple[Callable[[Case], None], ...] = (
    check_weights_are_finite,
    check_degree,
    check_permutation,
    check_single_task,
    check_zero_gradients,
    check_non_finite_raises,
    check_dtypes,
    check_state,
    check_casts,
    check_weights_are_the_callers,
    check_default_device,
)


def assert_same_direction(gramian: Tensor, one: Tensor, other: Tensor) -> None:
    """Assert that Jᵀ one equals Jᵀ other, up to rounding of the summands.

    The weights themselves need not be equal: with dependent gradients several give one direction.
    The square root of a float64 rounding, 1e-8, is what a Gramian resolves.
    """
    difference = one - other
    gap = float((difference @ gramian @ difference).clamp(min=0)) ** 0.5
    parts = float((torch.maximum(one.abs(), other.abs()) * gramian.diagonal().sqrt()).sum())
    assert gap <= 1e-6 * parts, (gramian, one, other, gap / parts)


def _one_step(method: Weighting, losses: Tensor, gramian: Tensor) -> Tensor:
    weights = method.weights(losses=losses, gramian=gramian)
    for part in method.modules():  # a wrapper's inner method may be the one that looks twice
        if isinstance(part, SecondLook):
            part.look_again(losses / (1 + torch.arange(1, 1 + len(losses), device=losses.device)))
    return weights


def _raises_for_task_1(case: Case, losses: Tensor, gramian: Tensor) -> None:
    try:
        case.weights(losses, gramian)
    except ValueError as error:
        message = str(error)
    else:
        raise AssertionError("a value that is not finite passed in silence")
    assert "task 1" in message, message
