"""The Gramian of blocks is the product of the whole matrix, in as many digits as it needs."""

import pytest
import torch

from mtl_optim import MGDA, GramianWeighting, LinearScalarization, backward
from mtl_optim._gramian import cross_gramian, gramian, products_dtype, resolved

SHAPES = [(3,), (7, 300), (), (16_384,), (0,), (5, 1, 2), (140_000,)]


def blocks(tasks, dtype, *, one_matrix=False):
    """Rows of blocks, each row of a block apart or all in one matrix; some of them missing."""
    generator = torch.Generator().manual_seed(tasks)
    matrices = [torch.randn(tasks, *s, generator=generator).to(dtype) for s in SHAPES]
    J = [[m[k] if one_matrix else m[k].clone() for m in matrices] for k in range(tasks)]
    if tasks > 1:
        J[1][1] = J[0][0] = None
    for k, row in enumerate(J):  # a layout of its own, as of channels-last weights
        row[5] = row[5].transpose(0, 2).contiguous().transpose(0, 2) + k
    return J


def matrix_of(J):
    return torch.stack(
        [
            torch.cat(
                [
                    (torch.zeros(s) if g is None else g).double().flatten()
                    for g, s in zip(row, SHAPES, strict=True)
                ]
            )
            for row in J
        ]
    )


@pytest.mark.parametrize("one_matrix", [False, True])
@pytest.mark.parametrize("tasks", [1, 3, 6, 13])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_gramian_of_blocks_is_that_of_the_matrix(dtype, tasks, one_matrix):
    J = blocks(tasks, dtype, one_matrix=one_matrix)
    expected = matrix_of(J) @ matrix_of(J).T
    torch.testing.assert_close(gramian(J), expected, rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(cross_gramian(J[:2], J), expected[:2], rtol=1e-12, atol=1e-9)
    assert products_dtype(J) == (torch.float64 if dtype == torch.float64 else torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick = gramian(J, torch.float32)
    assert quick.dtype == torch.float64
    gap = (quick - expected).abs() / expected.diagonal().max()
    assert float(gap.max()) <= 64 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize(
    ("J", "enough"),
    [
        (torch.eye(3), True),
        (torch.tensor([[1.0, 0.0, 0.0], [1.0, 1e-1, 0.0]]), True),
        (torch.tensor([[1e-6, 0.0, 0.0], [0.0, 1.0, 0.0]]), True),
        (torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]), False),
        (torch.tensor([[1.0, 2.0, 3.0], [-2.0, -4.0, -6.0]]), False),
        (torch.tensor([[1.0, 0.0, 0.0], [1.0, 1e-3, 0.0]]), False),
        (torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), False),
        (torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), False),
        (1e-25 * torch.eye(3), False),
        (1e25 * torch.eye(3), False),
        (torch.tensor([[torch.nan, 0.0, 0.0], [0.0, 1.0, 0.0]]), False),
    ],
)
def test_products_in_float32_are_kept_where_they_are_enough(J, enough):
    assert resolved(gramian([[row] for row in J], torch.float32)) is enough


@pytest.mark.parametrize("route", ["shared", "features"])
@pytest.mark.parametrize(
    "J",
    [
        torch.tensor([[1.0, 0.0], [1.0, 1e-4]]),
        torch.tensor([[1.0, 0.0], [-1.0, 1e-4]]),
        1e-25 * torch.tensor([[1.0, 0.0], [-1.0, 2.0]]),
        1e25 * torch.tensor([[1.0, 0.0], [-1.0, 2.0]]),
        torch.tensor([[1e15, 0.0], [-1e-15, 1e-15]]),
    ],
)
def test_the_driver_takes_exact_products_where_float32_is_not_enough(J, route):
    x = torch.zeros(2, requires_grad=True)
    step = backward(J @ x, MGDA(), **{route: [x]})
    exact = J.double() @ J.double().T
    torch.testing.assert_close(step.gramian, exact, rtol=1e-14, atol=0)
    assert torch.equal(step.weights, MGDA().weights(gramian=step.gramian))


def test_the_driver_is_content_with_float32_products_where_they_are_enough():
    J = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    x = torch.zeros(1000, requires_grad=True)
    step = backward([(row * x).sum() for row in J], MGDA(), shared=[x])
    assert torch.equal(step.gramian, gramian([[row] for row in J], torch.float32))
    exact = gramian([[row] for row in J])
    assert not torch.equal(step.gramian, exact)
    torch.testing.assert_close(step.gramian, exact, rtol=1e-5, atol=1e-3)


def test_reduced_matrix_products_are_not_used():
    J = [[torch.ones(3)]]
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert products_dtype(J) == torch.float64
    finally:
        torch.set_float32_matmul_precision(before)
    assert products_dtype(J) == torch.float32


def test_the_gramian_of_tiny_float32_gradients_does_not_vanish():
    tiny = torch.full((10,), 1e-25)
    assert float(gramian([[tiny]])) == pytest.approx(1e-49, rel=1e-6)


def test_the_gramian_of_no_gradient_is_zero():
    assert gramian([[None], [None]]).tolist() == [[0, 0], [0, 0]]


def test_a_gramian_weighting_checks_its_arguments():
    with pytest.raises(ValueError, match=r"`gramian`.*\(task, task\)"):
        MGDA().weights(gramian=torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"negative diagonal.*task 0"):
        MGDA().weights(gramian=-torch.eye(2))
    with pytest.raises(ValueError, match=r"`losses`.*3 entries for 2 tasks"):
        MGDA().weights(gramian=torch.eye(2), losses=torch.ones(3))
    with pytest.raises(TypeError, match=r"MGDA needs `gramian`"):
        MGDA().weights(losses=torch.ones(2))
    with pytest.raises(TypeError, match=r"LinearScalarization needs `losses`"):
        LinearScalarization([1.0]).weights(gramian=torch.eye(1))
    with pytest.raises(TypeError, match=r"`gramian` must be a tensor, got list"):
        MGDA().weights(gramian=[[1.0]])
    with pytest.raises(TypeError, match=r"`losses` must be a tensor, got list"):
        LinearScalarization([1.0]).weights(losses=[1.0])
    with pytest.raises(TypeError, match=r"`losses` must be a tensor, got list"):
        MGDA().weights(gramian=torch.eye(1), losses=[1.0])
    assert issubclass(MGDA, GramianWeighting)
