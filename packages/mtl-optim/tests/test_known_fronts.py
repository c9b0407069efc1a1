"""Every method with a preference ends where theory says, on three problems with known fronts.

T1, two parabolas on a line; T2, squared distances to the corners of a simplex; T4, the concave
front of Fonseca and Fleming. Where a method's end has no closed form, it is that of its scalar on
the Pareto set, found by a search along it.
"""

import math

import pytest
import torch
from scipy import optimize

from mtl_optim import (
    COSMOS,
    EPO,
    PBI,
    WCMGDA,
    EpsilonConstraint,
    LinearScalarization,
    ScaleInvariantScalarization,
    SmoothChebyshev,
    WeightedChebyshev,
    backward,
)
from mtl_optim.pareto.problems import fonseca_fleming, simplex, spheres
from mtl_optim.testing import double


def end(problem, method, start, *, rate, steps, decay=1.0):
    """Where gradient descent ends, whose rate falls by a factor from step to step."""
    x = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    for step in range(steps):
        x.grad = None
        backward(problem(x), method, shared=[x])
        with torch.no_grad():
            x -= rate * decay**step * x.grad
    return x.detach()


def on_line(problem, dimensions):
    """Losses at a parameter of the Pareto set of T1, t, or T4, u."""
    direction = torch.ones(dimensions, dtype=torch.float64) / math.sqrt(dimensions)
    return lambda t: problem(t * direction)


def least(scalar, losses, bounds):
    """The point of the Pareto set with the least scalar."""
    found = optimize.minimize_scalar(
        lambda t: float(scalar(losses(t))), bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    return float(found.x)


R = double(0.7, 0.3)
T1 = on_line(spheres, 1)
T4 = on_line(fonseca_fleming, 2)


def raised(problem):
    """The losses plus 1, so that none is 0 and their logarithms have a least sum."""
    return lambda x: problem(x) + 1


# Method, its scalar.
SCALARS = {
    "linear": (lambda r: LinearScalarization(r), lambda r, L: r @ L),
    "scale invariant": (lambda r: ScaleInvariantScalarization(r), lambda r, L: r @ L.log()),
    "Chebyshev": (lambda r: WeightedChebyshev(r), lambda r, L: (r * L).max()),
    "smooth Chebyshev": (
        lambda r: SmoothChebyshev(r, mu=0.1),
        lambda r, L: 0.1 * torch.logsumexp(r * L / 0.1, dim=0),
    ),
    "PBI": (
        lambda r: PBI(r, theta=2.0),
        lambda r, L: (
            (a := L @ (1 / r) / (1 / r).norm()) + 2 * (L - a * (1 / r) / (1 / r).norm()).norm()
        ),
    ),
    "COSMOS": (
        lambda r: COSMOS(r, penalty=2.0),
        lambda r, L: r @ L - 2 * (r @ L) / r.norm() / L.norm(),
    ),
}


@pytest.mark.parametrize("name", SCALARS)
def test_a_scalar_has_its_least_on_the_spheres(name):
    make, scalar = SCALARS[name]
    expected = least(lambda L: scalar(R, L + 1), T1, (0, 1))
    found = end(raised(spheres), make(R), [0.9], rate=0.3, steps=500, decay=0.985)
    assert float(found) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("name", [name for name in SCALARS if name != "linear"])
def test_a_scalar_has_its_least_on_the_concave_front(name):
    make, scalar = SCALARS[name]
    r = double(0.55, 0.45)
    expected = least(lambda L: scalar(r, L + 1), T4, (-1, 1))
    start = [expected / math.sqrt(2) + 0.2, expected / math.sqrt(2) - 0.1]
    found = end(raised(fonseca_fleming), make(r), start, rate=0.5, steps=600, decay=0.985)
    assert float(found.sum() / math.sqrt(2)) == pytest.approx(expected, abs=5e-3)
    assert abs(float(found[0] - found[1])) < 5e-3


@pytest.mark.parametrize("name", SCALARS)
def test_a_scalar_is_stationary_on_the_simplex(name):
    make, scalar = SCALARS[name]
    r = double(0.4, 0.35, 0.25)
    x = end(raised(simplex), make(r), [0.9, 0.2, -0.3], rate=0.3, steps=500, decay=0.985)
    assert float(x.sum()) == pytest.approx(1, abs=2e-3)  # on the front
    generator = torch.Generator().manual_seed(0)
    at = float(scalar(r, simplex(x) + 1))
    for _ in range(100):  # and no point near it is better
        near = x + 0.05 * torch.randn(3, generator=generator, dtype=torch.float64)
        assert float(scalar(r, simplex(near) + 1)) >= at - 1e-4


@pytest.mark.parametrize(
    "method",
    [
        EPO([0.7, 0.3], epsilon=1e-6),
        WCMGDA([0.7, 0.3], u=0.003),
        PBI([0.7, 0.3], theta=2.0),
        WeightedChebyshev([0.7, 0.3]),
        SmoothChebyshev([0.7, 0.3], mu=1e-4),
    ],
    ids=lambda method: type(method).__name__,
)
@pytest.mark.parametrize(
    ("problem", "start"),
    [(spheres, [0.9]), (fonseca_fleming, [0.4, -0.2])],
    ids=["spheres", "concave"],
)
def test_methods_of_a_ray_end_on_it(method, problem, start):
    line, bounds = (T1, (0, 1)) if problem is spheres else (T4, (-1, 1))
    on_the_ray = optimize.brentq(lambda t: float((R * line(t)) @ double(1, -1)), *bounds)
    rate = 0.1 if isinstance(method, PBI) else 0.3  # its gradient is longer
    x = end(problem, method, start, rate=rate, steps=500, decay=0.985)
    ends = x.sum() / math.sqrt(len(x))
    assert float(ends) == pytest.approx(on_the_ray, abs=6e-3)
    assert float((x - ends / math.sqrt(len(x))).abs().max()) < 6e-3


@pytest.mark.parametrize(
    "make",
    [WeightedChebyshev, lambda r: EPO(r, epsilon=1e-6), lambda r: WCMGDA(r, u=1e-3)],
    ids=["WeightedChebyshev", "EPO", "WCMGDA"],
)
def test_a_preference_in_the_units_of_the_losses_ends_at_the_same_point(make):
    """r_k / c_k with c_k L_k: the products r_k L_k, and with them the ray, are the same."""
    units = double(3.0, 0.2)
    rescaled = R / units
    total = float(rescaled.sum())
    x = end(spheres, make(R), [0.9], rate=0.3, steps=300, decay=0.98)
    # The rescaled preference sums to 1 once it is divided, and the direction with it.
    other = end(
        lambda x: units * spheres(x),
        make(rescaled / total),
        [0.9],
        rate=0.3 * (total if make is WeightedChebyshev else 1.0),
        steps=300,
        decay=0.98,
    )
    torch.testing.assert_close(other, x, rtol=0, atol=1e-3)


@pytest.mark.parametrize("violation", ["absolute", "relative"])
def test_a_bound_in_the_units_of_its_loss_leaves_the_path(violation):
    unit, start, options = 20.0, [0.2], {"rate": 0.1, "steps": 300}
    # λ ∂v/∂L: twice the unit of an absolute violation; that of a relative one is 1.
    mu, rescaled = (0.5, 0.5 / unit**2) if violation == "absolute" else (0.003, 0.003)
    x = end(
        spheres, EpsilonConstraint(bounds={1: 0.08}, mu=mu, violation=violation), start, **options
    )
    other = EpsilonConstraint(bounds={1: unit * 0.08}, mu=rescaled, violation=violation)
    y = end(lambda x: spheres(x) * double(1.0, unit), other, start, **options)
    torch.testing.assert_close(y, x, rtol=1e-9, atol=0)
    assert float(x) != pytest.approx(start[0], abs=0.1)


def test_epsilon_constraint_ends_at_the_kkt_point_where_the_front_is_convex():
    u = -0.85  # beyond the inflection at −1/√2
    bound = 1 - math.exp(-((u + 1) ** 2))
    method = EpsilonConstraint(bounds={1: bound}, mu=0.5)
    x = end(fonseca_fleming, method, [-0.5, -0.6], rate=0.2, steps=1000)
    assert float(x.sum() / math.sqrt(2)) == pytest.approx(u, abs=1e-3)


def test_epsilon_constraint_ends_at_the_kkt_point_of_the_simplex():
    # On the simplex L_2 = L_3 = 0.4 and x_2 = x_3 = a: ½ ((1 − 2a)² + (1 − a)² + a²) = 0.4.
    a = (3 - math.sqrt(9 - 6 * 1.2)) / 6
    method = EpsilonConstraint(bounds={1: 0.4, 2: 0.4}, mu=0.1)
    x = end(simplex, method, [0.9, 0.1, -0.2], rate=0.1, steps=800)
    torch.testing.assert_close(x, double(1 - 2 * a, a, a), rtol=0, atol=1e-3)
