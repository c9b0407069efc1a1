"""The properties that TorchJD's own tests ask of its aggregators, asked of ours.

Neither its wheel nor its source distribution holds those tests, so the properties stand here anew:
over typical, stationary, partly stationary and vanishing Jacobians, at scales from 1e-10 to 1e15.

A Jacobian J is weakly stationary where Jᵀ w = 0 for some w ≥ 0 that is not 0, and strongly so where
w > 0. The last column of what is not strongly stationary here is a ≥ 0, not all 0: with Jᵀ w = 0,
w > 0 would give aᵀ w = 0.
"""

import pytest
import torch

from mtl_optim import (
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    ConFIG,
    Constant,
    DualProj,
    FairGrad,
    GradDrop,
    GradVac,
    Mean,
    NashMTL,
    PCGrad,
    RandomLossWeighting,
    Sum,
    UPGrad,
    backward,
)
from mtl_optim._solvers import project_onto_dual_cone
from mtl_optim.testing import double, seeded

METHODS = {
    "UPGrad": lambda K: UPGrad(),
    "DualProj": lambda K: DualProj(),
    "MGDA": lambda K: MGDA(),
    "CAGrad": lambda K: CAGrad(0.5),
    "IMTLG": lambda K: IMTLG(),
    "NashMTL": lambda K: NashMTL(),
    "FairGrad": lambda K: FairGrad(2.0),
    "PCGrad": lambda K: PCGrad(),
    "GradVac": lambda K: GradVac(),
    "AlignedMTL": lambda K: AlignedMTL(),
    "ConFIG": lambda K: ConFIG(),
    "GradDrop": lambda K: GradDrop(),
    "Constant": lambda K: Constant(range(1, K + 1)),
    "Mean": lambda K: Mean(),
    "Sum": lambda K: Sum(),
    "RandomLossWeighting": lambda K: RandomLossWeighting(),
}
# d(c J) = c^power d(J), where it is not 1.
POWERS = {"NashMTL": 0.0, "FairGrad": -1 / 3}
# About 1e-10, 1e3, 1e5, 1e10 and 1e15: powers of 2, by which scaling rounds nothing.
SCALES = (2.0**-33, 2.0**10, 2.0**17, 2.0**33, 2.0**50)

# Those whose order of the tasks is no part of them.
SYMMETRIC = [
    name
    for name in METHODS
    if name not in ("PCGrad", "GradVac", "GradDrop", "Constant", "RandomLossWeighting")
]
NON_CONFLICTING = ["UPGrad", "DualProj", "MGDA", "NashMTL", "FairGrad"]
# A task's part grows in proportion to its gradient, and the other parts stay.
LINEAR = ["UPGrad", "PCGrad", "GradVac", "ConFIG", "Constant", "Mean", "Sum", "RandomLossWeighting"]
# All weights are at least 1/K, so that d = 0 is a certificate of strong stationarity.
STRONG = ["UPGrad", "DualProj", "CAGrad", "PCGrad", "Constant", "Mean", "Sum"]

SHAPES = [(4, 3, 1), (4, 3, 2), (4, 3, 3), (9, 11, 5), (9, 11, 9), (7, 13, 2), (20, 30, 12)]


def product(m, n, rank, generator):
    """A matrix of this rank with entries of order 1."""
    left = torch.randn(m, rank, generator=generator, dtype=torch.float64)
    return left @ torch.randn(rank, n, generator=generator, dtype=torch.float64)


def stationary(m, n, rank, generator):
    """Gradients that a v > 0 combines to 0."""
    v = 0.1 + torch.rand(m, generator=generator, dtype=torch.float64)
    J = product(m, n, rank, generator)
    return J - torch.outer(v / (v @ v), v @ J)


def partly_stationary(m, n, rank, generator):
    """The first half of the tasks is stationary; the others agree on the last parameter."""
    J = torch.zeros(m, n, dtype=torch.float64)
    half = m // 2
    J[:half, :-1] = stationary(half, n - 1, min(rank, half - 1), generator)
    J[half:, :-1] = product(m - half, n - 1, rank - 1, generator)
    J[half:, -1] = 0.1 + torch.rand(m - half, generator=generator, dtype=torch.float64)
    return J


def agreeing(m, n, rank, generator):
    """Gradients that all agree on the last parameter, and elsewhere may conflict."""
    J = torch.zeros(m, n, dtype=torch.float64)
    J[:, :-1] = product(m, n - 1, rank - 1, generator)
    J[:, -1] = 0.1 + torch.rand(m, generator=generator, dtype=torch.float64)
    return J


def drawn(kind, shapes=SHAPES):
    return {
        f"{kind.__name__}-{m}x{n}r{rank}": kind(m, n, rank, seeded(100 * m + rank))
        for m, n, rank in shapes
    }


def with_zeros(rows, columns):
    J = product(5, 7, 4, seeded(0))
    J[rows], J[:, columns] = 0, 0
    return J


TYPICAL = drawn(product, [(1, 1, 1), (2, 5, 2), *SHAPES])
STRONGLY_STATIONARY = drawn(stationary, [s for s in SHAPES if s[2] < s[0]])
STRICTLY_WEAK = drawn(partly_stationary)
NON_WEAK = drawn(agreeing)
VANISHING = {
    **{f"zero-{m}x{n}": torch.zeros(m, n, dtype=torch.float64) for m, n in [(1, 1), (4, 3)]},
    "zero-rows": with_zeros([1, 3], []),
    "zero-columns": with_zeros([], [0, 6]),
    "zero-rows-and-columns": with_zeros([0, 2], [1, 5]),
    "one-row": with_zeros([1, 2, 3, 4], []),
}
MATRICES = {**TYPICAL, **STRONGLY_STATIONARY, **STRICTLY_WEAK, **NON_WEAK, **VANISHING}


def direction(method, J):
    x = torch.zeros(J.shape[1], dtype=J.dtype, requires_grad=True)
    backward(1 + J @ x, method, shared=[x])
    return x.grad


def aggregate(name, J):
    return direction(METHODS[name](len(J)), J)


def mean_norm(J):
    return float(J.norm(dim=1).mean())


def each(matrices):
    return pytest.mark.parametrize("J", matrices.values(), ids=matrices.keys())


def pairs(names, matrices, *, left_out=()):
    """Parametrize by methods and matrices; some go without the strictly weak ones."""
    return pytest.mark.parametrize(
        ("name", "J"),
        [
            pytest.param(name, J, id=f"{name}-{key}")
            for name in names
            for key, J in matrices.items()
            if not (name in left_out and key in STRICTLY_WEAK)
        ],
    )


# The cone {d : J d ≥ 0} of stationary gradients is a subspace, which a rounding of J makes a half
# of it: (1, 0) and (−1, 0) leave all of (0, t), (1, 0) and (−1, ε) those with t ≥ 0 alone. What is
# nearest to a gradient that is not in the subspace is then decided by rounding.
ILL_POSED = ("UPGrad", "DualProj")
# Near such a matrix CAGrad's gain is kept to the square root of what its solver adds to G.
SLACK = {"CAGrad": 5e-5}


# --- structure and scale


@pairs(METHODS, MATRICES)
def test_the_direction_is_finite_and_has_its_scale(name, J):
    d = aggregate(name, J)
    assert d.shape == J.shape[1:]
    assert bool(d.isfinite().all())
    assert not d[(J == 0).all(dim=0)].any()
    for scale in SCALES:
        scaled = aggregate(name, scale * J) / scale ** POWERS.get(name, 1.0)
        size = float(d.norm()) + mean_norm(J)
        assert float((scaled - d).norm()) <= 1e-6 * size, scale


@pairs(SYMMETRIC, MATRICES, left_out=ILL_POSED)
def test_the_order_of_the_tasks_changes_nothing(name, J):
    d = aggregate(name, J)
    for seed in range(5):
        order = torch.randperm(len(J), generator=seeded(seed))
        gap = float((aggregate(name, J[order]) - d).norm())
        assert gap <= SLACK.get(name, 1e-6) * (float(d.norm()) + mean_norm(J))


# --- conflict


@pytest.mark.parametrize("name", NON_CONFLICTING)
@each(MATRICES)
def test_no_task_is_in_conflict_with_the_direction(name, J):
    step = torch.nn.functional.normalize(J, dim=1) @ aggregate(name, J)
    assert float(step.min()) >= -1e-7 * mean_norm(J)


@pytest.mark.parametrize("c", [0.5, 0.9, 1 - 1e-6])
@pairs(["CAGrad"], MATRICES)
def test_cagrad_conflicts_by_no_more_than_its_ball_leaves(c, name, J):
    # (1 − c) g₀ is in the ball and serves the worst-off task no worse than −(1 − c) ‖g₀‖ max ‖g_k‖.
    # TorchJD asks for no conflict at c ≥ 1, which are no radii here.
    worst = float((J @ direction(CAGrad(c), J)).min())
    longest = float(J.norm(dim=1).max())
    bound = (1 - c) * float(J.mean(dim=0).norm()) * longest
    assert worst >= -bound * (1 + 1e-6) - 1e-7 * longest**2


# --- linear under scaling


@pairs(LINEAR, MATRICES, left_out=ILL_POSED)
def test_the_direction_is_linear_in_factors_of_the_gradients(name, J):
    generator = seeded(1)
    one, other = torch.rand(2, len(J), 1, generator=generator, dtype=torch.float64)
    alpha, beta = 0.3, 1.7
    expected = alpha * aggregate(name, one * J) + beta * aggregate(name, other * J)
    found = aggregate(name, (alpha * one + beta * other) * J)
    assert float((found - expected).norm()) <= 1e-6 * (float(found.norm()) + mean_norm(J))


# --- stationarity


@pytest.mark.parametrize("name", STRONG)
@each({**STRICTLY_WEAK, **NON_WEAK})
def test_the_direction_vanishes_at_strong_stationarity_alone(name, J):
    # With w_k ≥ 1/K the last entry is aᵀ w ≥ Σ a_k / K.
    assert float(aggregate(name, J)[-1]) >= float(J[:, -1].mean()) * (1 - 1e-9)


@pytest.mark.parametrize("name", ["UPGrad", "DualProj", "MGDA"])
@each(STRONGLY_STATIONARY)
def test_the_direction_vanishes_where_all_tasks_are_stationary(name, J):
    assert float(aggregate(name, J).norm()) <= 1e-6 * mean_norm(J)


@each(STRICTLY_WEAK)
def test_mgda_vanishes_where_some_tasks_are_stationary(J):
    assert float(aggregate("MGDA", J).norm()) <= 1e-6 * mean_norm(J)


@pytest.mark.parametrize("name", ["MGDA", "NashMTL", "FairGrad"])
@each(NON_WEAK)
def test_tasks_that_agree_are_all_served(name, J):
    assert float((J @ aggregate(name, J)).min()) > 0


# --- optimality, up to fifty tasks


@pytest.mark.parametrize("shape", [(2, 14), (5, 7), (9, 37), (32, 114), (50, 100)])
def test_mgda_and_the_projections_meet_their_kkt_conditions(shape):
    J = torch.randn(shape, generator=seeded(0), dtype=torch.float64)
    G, longest = J @ J.T, float((J @ J.T).diagonal().max())
    w = MGDA().weights(gramian=G)
    slope = G @ w - w @ G @ w
    assert float(w.min()) >= 0
    assert float(w.sum()) == pytest.approx(1, abs=1e-12)
    assert float(slope.min()) >= -1e-10 * longest
    assert float((w * slope).abs().max()) <= 1e-10 * longest
    mean = torch.full((1, len(J)), 1 / len(J)).double()
    for u in (mean, torch.diag(torch.rand(len(J), generator=seeded(1)).double())):
        found = torch.from_numpy(project_onto_dual_cone(G.numpy(), u.numpy()))
        added, slope = found - u, found @ G
        assert float(added.min()) >= -1e-12
        assert float(slope.min()) >= -1e-10 * longest
        assert float((added * slope).abs().max()) <= 1e-10 * longest


@pytest.mark.parametrize("columns", [5, 7, 9, 15, 27, 57, 68, 102, 1200, 11100])
def test_with_two_tasks_pcgrad_and_gradvac_are_twice_upgrad(columns):
    J = torch.randn(2, columns, generator=seeded(columns), dtype=torch.float64)
    expected = 2 * aggregate("UPGrad", J)
    torch.testing.assert_close(aggregate("PCGrad", J), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(aggregate("GradVac", J), expected, rtol=1e-9, atol=1e-12)


# --- values on TorchJD's example

BASE = torch.stack([double(-4, 1, 1), double(6, 1, 1)])
# Its Gramian is ((a, −b), (−b, c)), with a determinant of 200 and a least eigenvalue.
A, B, C = 18, 22, 38
ROOT = 200**0.5
LEAST = 28 - 584**0.5
COSINE = -B / (A * C) ** 0.5
# G^(−1/2) = (adjugate of G + √det) / (√det √(trace + 2 √det)).
ALIGNED = LEAST**0.5 / 2 / ROOT / (A + C + 2 * ROOT) ** 0.5
# The cosines are alike, so that v has equal parts of both unit gradients.
SUMS = (1 + COSINE) * (A**0.5 + C**0.5)
EXAMPLES = {
    "UPGrad": ((1 + B / A) / 2, (1 + B / C) / 2),
    "DualProj": (1 / 2 + 2 / A, 1 / 2),  # ⟨g_1, mean⟩ = −2
    "MGDA": (3 / 5, 2 / 5),
    "IMTLG": (C**0.5 / (A**0.5 + C**0.5), A**0.5 / (A**0.5 + C**0.5)),
    "NashMTL": tuple((1 / (s * (1 + COSINE))) ** 0.5 for s in (A, C)),
    "PCGrad": (1 + B / A, 1 + B / C),
    "GradVac": (1 + B / A, 1 + B / C),
    "AlignedMTL": (ALIGNED * (C + ROOT + B), ALIGNED * (A + ROOT + B)),
    "ConFIG": tuple(SUMS / (2 + 2 * COSINE) / s**0.5 for s in (A, C)),
    "Constant": (1, 2),
    "Mean": (1 / 2, 1 / 2),
    "Sum": (1, 1),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_values_on_the_example(name):
    expected = BASE.T @ double(*EXAMPLES[name])
    torch.testing.assert_close(aggregate(name, BASE), expected, rtol=1e-9, atol=1e-12)


def test_drawn_values_on_the_example():
    # 10 (1 + 2/10) / 2 of 10 draws pass the positive entry, and both entries of the others agree.
    method = GradDrop(generator=seeded(0))
    found = torch.stack([method(BASE) for _ in range(1000)])
    assert set(found[:, 0].tolist()) == {-4.0, 6.0}
    assert bool((found[:, 1:] == 2).all())
    assert abs(int((found[:, 0] > 0).sum()) - 600) <= 5 * (1000 * 0.6 * 0.4) ** 0.5
    d = aggregate("RandomLossWeighting", BASE)
    assert -4 < float(d[0]) < 6
    torch.testing.assert_close(d[1:], double(1, 1))


# --- TorchJD's own values


def in_torchjd(name, K):
    """TorchJD's aggregator of the name; its regularisation as small as its solver takes."""
    aggregation = pytest.importorskip("torchjd.aggregation")
    linalg = pytest.importorskip("torchjd.linalg")
    made = {
        "MGDA": lambda: aggregation.MGDA(epsilon=1e-9, max_iters=20_000),
        "CAGrad": lambda: aggregation.CAGrad(c=0.5, norm_eps=1e-9),
        "Constant": lambda: aggregation.Constant(torch.arange(1, K + 1).double()),
    }
    if name in ("UPGrad", "DualProj"):
        projector = linalg.QuadprogProjector(norm_eps=1e-30, reg_eps=1e-11)
        return getattr(aggregation, name)(projector=projector)
    return made.get(name, getattr(aggregation, name))()


# How close, in units of the mean norm.
DETERMINISTIC = {
    "UPGrad": 1e-4,
    "DualProj": 1e-4,
    "MGDA": 1e-2,
    "CAGrad": 1e-3,
    "AlignedMTL": 1e-6,
    "ConFIG": 1e-6,
    "Constant": 1e-12,
    "Mean": 1e-12,
    "Sum": 1e-12,
}


# Where nothing serves the worst-off task TorchJD's CAGrad is 0, and ours the nearest to g₀.
SERVED = {**TYPICAL, **STRONGLY_STATIONARY, **NON_WEAK}


@pytest.mark.oracle
@pairs([name for name in DETERMINISTIC if name != "CAGrad"], MATRICES, left_out=ILL_POSED)
def test_the_direction_is_torchjds_on_its_kinds_of_matrices(name, J):
    ours, theirs = aggregate(name, J), in_torchjd(name, len(J))(J)
    assert float((ours - theirs).norm()) <= DETERMINISTIC[name] * mean_norm(J)


@pytest.mark.oracle
@each(SERVED)
def test_cagrad_is_torchjds_where_its_worst_task_is_served(J):
    ours, theirs = aggregate("CAGrad", J), in_torchjd("CAGrad", len(J))(J)
    assert float((ours - theirs).norm()) <= DETERMINISTIC["CAGrad"] * mean_norm(J)
