"""The K×K solvers against brute force, an interior-point solver, and their own conditions."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_optim._solvers import (
    align,
    alpha_fair,
    ball_minimax,
    equal_cosines,
    min_norm_point,
    nash_bargaining,
    nnls,
    project_onto_dual_cone,
    project_onto_simplex,
    unit_diagonal,
)
from mtl_optim._solvers._cosines import cholesky, eigen, factor_of
from mtl_optim.testing import problems


def gramians(seed):
    return [(J @ J.T).numpy() for _, J in problems(seed)]


def random_gramian(seed, tasks, rank, decades):
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(tasks, rank)) * 10 ** rng.uniform(-decades / 2, decades / 2, (tasks, 1))
    return J @ J.T


cases = given(
    seed=st.integers(0, 2**32 - 1),
    tasks=st.integers(1, 12),
    rank=st.integers(1, 14),
    decades=st.sampled_from([0.0, 2.0, 12.0]),
)


# --- the point of least norm


def conditions(gramian, w):
    """By how much ⟨g_i, d⟩ ≥ ⟨g_j, d⟩ for w_j > 0 is missed, in units of its summands."""
    cosines, norms = unit_diagonal(gramian)
    inner = norms * (cosines @ (norms * w))  # ⟨g_i, d⟩
    support = w > 0
    unit = np.maximum.outer(norms, norms[support]) * (norms * w).max()
    return ((inner[support] - inner[:, None]) / unit).max()


@settings(max_examples=100, derandomize=True)
@cases
def test_min_norm_meets_its_optimality_conditions(seed, tasks, rank, decades):
    G = random_gramian(seed, tasks, rank, decades)
    w = min_norm_point(G)
    assert (w >= 0).all()
    assert w.sum() == pytest.approx(1, abs=1e-14)
    assert conditions(G, w) <= 1e-13


def test_min_norm_meets_its_optimality_conditions_at_all_scales():
    for G in gramians(10):
        assert conditions(G, min_norm_point(G)) <= 1e-13


def least_over_faces(G):
    """The least wᵀGw over the simplex, as the least over its faces' stationary points."""
    tasks = len(G)
    faces = chain.from_iterable(combinations(range(tasks), m) for m in range(1, tasks + 1))
    best = np.inf
    for face in map(list, faces):
        w = np.linalg.solve(G[np.ix_(face, face)], np.ones(len(face)))
        if (w >= 0).all():
            w /= w.sum()
            best = min(best, w @ G[np.ix_(face, face)] @ w)
    return best


@settings(max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), tasks=st.integers(1, 6))
def test_min_norm_is_the_least_over_all_faces(seed, tasks):
    G = random_gramian(seed, tasks, tasks + 2, 2.0)
    w = min_norm_point(G)
    assert w @ G @ w == pytest.approx(least_over_faces(G), rel=1e-9)


def test_min_norm_agrees_with_an_interior_point_solver():
    cvxpy = pytest.importorskip("cvxpy")
    for seed in range(5):
        J = np.random.default_rng(seed).normal(size=(6, 5))
        w = cvxpy.Variable(6, nonneg=True)
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(J.T @ w)), [cvxpy.sum(w) == 1])
        problem.solve(solver="CLARABEL")
        found = min_norm_point(J @ J.T)
        assert found @ J @ J.T @ found <= problem.value + 1e-8


def test_min_norm_of_two_tasks_has_the_closed_form():
    a, b, c = 1.0, 4.0, 0.5
    w = min_norm_point(np.array([[a, c], [c, b]]))
    assert w[0] == pytest.approx((b - c) / (a + b - 2 * c), rel=1e-14)


def test_min_norm_of_opposite_gradients_is_zero():
    J = np.array([[1e6, 0.0], [-1.0, 0.0]])
    assert min_norm_point(J @ J.T) @ J == pytest.approx([0, 0], abs=1e-15)


def test_min_norm_puts_the_weight_on_vanishing_gradients():
    assert min_norm_point(np.diag([1.0, 0.0, 2.0, 0.0])).tolist() == [0, 0.5, 0, 0.5]


# --- non-negative least squares


@settings(max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 8), columns=st.integers(1, 8))
def test_nnls_meets_its_optimality_conditions(seed, rows, columns):
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    x = nnls(A, b)
    slope = A.T @ (A @ x - b)
    assert (x >= 0).all()
    assert (slope >= -1e-12).all()
    assert abs(x @ slope) <= 1e-12


# --- the dual cone


def test_projection_onto_the_dual_cone_agrees_with_an_interior_point_solver():
    cvxpy = pytest.importorskip("cvxpy")
    for seed in range(5):
        rng = np.random.default_rng(seed)
        J, u = rng.normal(size=(5, 6)), rng.normal(size=5)
        d = cvxpy.Variable(6)
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(d - J.T @ u)), [J @ d >= 0])
        problem.solve(solver="CLARABEL")
        assert project_onto_dual_cone(J @ J.T, u[None])[0] @ J == pytest.approx(d.value, abs=1e-4)


@settings(max_examples=50, derandomize=True)
@cases
def test_projection_onto_the_dual_cone_conflicts_with_no_gradient(seed, tasks, rank, decades):
    G = random_gramian(seed, tasks, rank, decades)
    cosines, norms = unit_diagonal(G)
    for row in project_onto_dual_cone(G, np.eye(tasks)):
        scaled = row * norms
        assert (cosines @ scaled >= -1e-13 * np.abs(scaled).max()).all()


@pytest.mark.parametrize("columns", [40, 81, 120, 2000])
@pytest.mark.parametrize("part", [-0.5, 0.0, 0.5])
def test_the_projections_of_many_gradients_meet_their_conditions(columns, part):
    tasks = 80
    rng = np.random.default_rng(columns)
    J = rng.normal(size=(tasks, columns))
    J -= part * J.mean(axis=0) * np.sqrt(tasks)
    J *= 10 ** rng.uniform(-3, 3, (tasks, 1))
    cosines, norms = unit_diagonal(J @ J.T)
    u = np.vstack([np.eye(tasks), np.ones(tasks) / norms])  # in the last, all of one length
    x = project_onto_dual_cone(J @ J.T, u) * norms
    added, slopes = x - u * norms, x @ cosines
    sizes = np.abs(x).max(axis=1, keepdims=True)
    assert (added >= -1e-15 * sizes).all()
    assert (slopes >= -1e-13 * sizes).all()
    # With dependent gradients a slope is known up to the root of a rounding.
    assert (np.minimum(added, slopes) <= (1e-12 if columns > tasks else 1e-6) * sizes).all()


# --- the Nash bargain


@settings(max_examples=100, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    tasks=st.integers(1, 12),
    decades=st.sampled_from([0.0, 2.0, 12.0]),
)
def test_nash_gives_every_task_the_same_gain(seed, tasks, decades):
    G = random_gramian(seed, tasks, tasks + 3, decades)
    alpha = nash_bargaining(G)
    assert (alpha > 0).all()
    assert alpha * (G @ alpha) == pytest.approx(np.ones(tasks), abs=1e-10)


def test_nash_bargains_or_finds_a_stationary_point():
    solved = 0
    for G in gramians(11):
        alpha = nash_bargaining(G)
        cosines, norms = unit_diagonal(G)
        beta = alpha * norms
        if (alpha > 0).all():
            solved += 1
            # Rounding disturbs the product by ε max β².
            assert np.abs(beta * (cosines @ beta) - 1).max() <= 1e-14 * max(1, beta.max() ** 2)
        else:
            assert (alpha == 0).all()
            w = min_norm_point(cosines)
            assert np.sqrt(max(w @ cosines @ w, 0)) <= 1e-4
    assert solved > 50


def test_nash_agrees_with_an_interior_point_solver():
    cvxpy = pytest.importorskip("cvxpy")
    for seed in range(5):
        J = np.random.default_rng(seed).normal(size=(5, 8))
        a = cvxpy.Variable(5)
        potential = cvxpy.sum_squares(J.T @ a) / 2 - cvxpy.sum(cvxpy.log(a))
        problem = cvxpy.Problem(cvxpy.Minimize(potential))
        problem.solve(solver="CLARABEL")
        found = nash_bargaining(J @ J.T)
        assert found == pytest.approx(a.value, rel=1e-3)
        assert ((J.T @ found) ** 2).sum() / 2 - np.log(found).sum() <= problem.value + 1e-9


def test_nash_of_two_tasks_has_the_closed_form():
    # α_k = β / ‖g_k‖ with β² (1 + cos) = 1.
    n1, n2, cos = 3.0, 0.01, -0.9
    G = np.array([[n1**2, n1 * n2 * cos], [n1 * n2 * cos, n2**2]])
    expected = np.array([1 / n1, 1 / n2]) / np.sqrt(1 + cos)
    assert nash_bargaining(G) == pytest.approx(expected, rel=1e-13)


def opposed(seed, tasks, columns, gap, decades):
    """A Gramian whose first gradient opposes a mix of the others up to a part `gap` of it."""
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(tasks, columns))
    J[0] = gap * rng.normal(size=columns) - rng.uniform(0.1, 1, tasks - 1) @ J[1:]
    J *= 10 ** rng.uniform(-decades / 2, decades / 2, (tasks, 1))
    return J @ J.T


oppositions = given(
    seed=st.integers(0, 2**32 - 1),
    tasks=st.integers(2, 9),
    columns=st.integers(1, 9),
    gap=st.floats(-9, -2).map(lambda e: 10**e),
    decades=st.sampled_from([0.0, 6.0]),
)


@settings(max_examples=200, derandomize=True)
@oppositions
def test_a_direction_that_float64_resolves_is_found(seed, tasks, columns, gap, decades):
    G = opposed(seed, tasks, columns, gap, decades)
    cosines, norms = unit_diagonal(G)
    w = min_norm_point(cosines)
    rounding = tasks * np.finfo(np.float64).eps
    alpha = nash_bargaining(G)
    if w @ cosines @ w > 64 * tasks * rounding:  # max β² ≤ K / (wᵀ C w)
        assert (alpha > 0).all()
        assert (alpha_fair(G, 1.0) > 0).all()
    beta = alpha * norms
    if beta.any():
        assert np.abs(beta * (cosines @ beta) - 1).max() <= 2 * rounding * beta.max() ** 2


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-5, 1e-6])
def test_nash_and_fair_serve_all_of_an_opposition(gap):
    J = np.array([[1, 0, 0], [-1, gap, 0], [0, -1, 1]])
    for w in (nash_bargaining(J @ J.T), *(alpha_fair(J @ J.T, a) for a in (0.5, 1.0, 2.0))):
        d = J.T @ w
        assert (w > 0).all()
        assert (J @ d >= -1e-9 * np.linalg.norm(d)).all()
    assert abs(w[0] / w[1] - 1) <= 1e-3  # what the two opposed gradients leave is orthogonal


def test_fair_of_a_small_alpha_and_a_small_gradient():
    w = alpha_fair(np.array([[1, -2e-4], [-2e-4, 1e-6]]), 0.1)
    assert w == pytest.approx([1.00372, 200.744], rel=1e-5)


@settings(max_examples=200, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    tasks=st.integers(1, 12),
    decades=st.sampled_from([0.0, 3.0]),
    alpha=st.floats(-3, 1.5).map(lambda e: 10**e),
)
def test_fair_solves_its_equation_row_by_row(seed, tasks, decades, alpha):
    G = random_gramian(seed, tasks, tasks + 3, decades)
    w = alpha_fair(G, alpha)
    assert (w > 0).all()
    # In units of the summands of each row, for the large ones cancel where w^(−1/α) is small.
    assert (np.abs(G @ w - w ** (-1 / alpha)) <= 1e-12 * (np.abs(G) @ w)).all()


@settings(max_examples=50, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), tasks=st.integers(1, 8))
def test_fair_of_a_vanishing_alpha_is_the_projected_sum(seed, tasks):
    # w^(−1/α) is then 0 above 1 and anything at 1: w ≥ 1, G w ≥ 0, (w − 1)ᵀ G w = 0.
    G, _ = unit_diagonal(random_gramian(seed, tasks, tasks + 3, 0.0))
    w = project_onto_dual_cone(G, np.ones((1, tasks)))[0]
    assert alpha_fair(G, 1e-3) == pytest.approx(w, rel=0.02)


@pytest.mark.parametrize("ratio", [1e-6, 1.0, 1e6])
def test_nash_of_opposite_gradients_is_the_disagreement_point(ratio):
    J = np.array([[1.0, 2.0], [-ratio, -2.0 * ratio]])
    assert nash_bargaining(J @ J.T).tolist() == [0, 0]


def test_nash_leaves_out_vanishing_gradients():
    assert nash_bargaining(np.diag([4.0, 0.0])).tolist() == [0.5, 0.0]
    assert nash_bargaining(np.zeros((2, 2))).tolist() == [0.0, 0.0]


def test_nash_of_duplicated_gradients_shares():
    assert nash_bargaining(np.ones((4, 4))) == pytest.approx(np.full(4, 0.5), rel=1e-14)


# --- small examples


def exactly(array):
    return array.round(12).tolist()


def test_examples_on_the_cosines():
    cosines, norms = unit_diagonal(np.array([[4.0, 1.0], [1.0, 1.0]]))
    assert (cosines.tolist(), norms.tolist()) == ([[1.0, 0.5], [0.5, 1.0]], [2.0, 1.0])
    assert cholesky(np.ones((2, 2))) is None
    assert exactly(eigen(np.ones((2, 2)))[0]) == [0.0, 2.0]
    assert factor_of(np.ones((3, 3))).shape == (1, 3)
    assert align(np.diag([1.0, 4.0, 0.0]))[0].tolist() == [2.0, 1.0]
    x, norms = equal_cosines(np.diag([4.0, 0.25]))
    assert (x.tolist(), norms.tolist()) == ([1.0, 1.0], [2.0, 0.5])


def test_examples_of_weights():
    v, alpha = ball_minimax(np.eye(2), np.zeros(2), radius=1.0)
    assert (exactly(v), exactly(alpha)) == ([0.707106781187, 0.707106781187], [0.5, 0.5])
    G = np.array([[1.0, -0.5], [-0.5, 1.0]])
    assert exactly(project_onto_dual_cone(G, np.array([[1.0, 0.0]]))) == [[1.0, 0.5]]
    assert exactly(alpha_fair(np.diag([1.0, 8.0]), alpha=2.0)) == [1.0, 0.25]
    assert exactly(min_norm_point(np.array([[1.0, 0.0], [0.0, 4.0]]))) == [0.8, 0.2]
    assert exactly(nash_bargaining(np.array([[4.0, 0.0], [0.0, 0.25]]))) == [0.5, 2.0]
    assert nnls(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -1.0])).tolist() == [2.0, 0.0]
    assert project_onto_simplex(np.array([1.0, 0.5, -1.0])).tolist() == [0.75, 0.25, 0.0]
