"""Sparse, complex and half-precision gradients, in every route.

The oracles are the dense embedding, the pairs of real numbers, and the gradients in float32.
"""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mtl_optim import (
    MGDA,
    ExcessMTL,
    GradDrop,
    JacobianAggregator,
    LinearScalarization,
    MoCo,
    NashMTL,
    PCGrad,
    SDMGrad,
    UPGrad,
    backward,
)
from mtl_optim._gradients import on_touched_rows
from mtl_optim._gramian import cross_gramian, gramian
from mtl_optim.testing import seeded


class Mean(JacobianAggregator):
    def forward(self, jacobian):
        return jacobian.mean(dim=0)


def same(tensor):
    """Average over one process."""


ROUTES = {
    "losses": (lambda: LinearScalarization([0.2, 0.3, 0.5]), None, {}),
    "losses, processes": (lambda: LinearScalarization([0.2, 0.3, 0.5]), None, {"reduce": same}),
    "exact": (UPGrad, "shared", {}),
    "exact, processes": (MGDA, "shared", {"reduce": same}),
    "budget": (MGDA, "shared", {"memory_budget": 1}),
    "two batches": (SDMGrad, "shared", {}),
    "features": (UPGrad, "features", {}),
    "features, processes": (MGDA, "features", {"reduce": same}),
    "held": (lambda: NashMTL(update_every=2), "shared", {}),
    "held at features": (lambda: NashMTL(update_every=2), "features", {}),
    "aggregator": (Mean, "shared", {}),
    "aggregator, budget": (Mean, "shared", {"memory_budget": 1}),
    "aggregator at features": (Mean, "features", {}),
    "tracked": (MoCo, "shared", {}),
    "tracked squares": (ExcessMTL, "shared", {}),
}
EVERY_ROUTE = pytest.mark.parametrize("route", ROUTES)


def two_steps(model, route, **more):
    """Take two steps without clearing `.grad`; return the records."""
    make, where, options = ROUTES[route]
    method, records = make(), []
    for shift in (0, 1):
        features = model.features(shift)
        extra = {"second_batch": model.losses(model.features(2))} if make is SDMGrad else {}
        if where == "shared":
            extra["shared"] = model.trunk()
        if where == "features":
            extra["features"] = model.cut(features)
        records.append(backward(model.losses(features), method, **options, **extra, **more))
    return records


def assert_same_records(one, other):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a.losses, b.losses)
        if a.weights is not None:
            torch.testing.assert_close(a.weights, b.weights)
        if a.gramian is not None:
            torch.testing.assert_close(a.gramian, b.gramian)


# --- sparse


class Embedded(nn.Module):
    """Embeddings in the trunk and in the heads; with `tied` one task uses the first as a matrix."""

    def __init__(self, *, sparse, tied=False):
        super().__init__()
        torch.manual_seed(0)
        self.tied = tied
        self.words = nn.Embedding(30, 4, sparse=sparse, dtype=torch.float64)
        self.mix = nn.Linear(4, 4, dtype=torch.float64)
        self.answers = nn.Embedding(9, 4, sparse=sparse, dtype=torch.float64)

    def trunk(self):
        return [self.words.weight, self.mix.weight, self.mix.bias]

    def features(self, shift):
        at = torch.tensor([[1, 1, 4], [7, 4, 2], [8, 8, 8], [3, 0, 5]]) + shift
        return torch.tanh(self.mix(self.words(at).sum(dim=1)))

    def cut(self, features):
        return features

    def losses(self, features):
        found = [
            ((features[:2] - self.answers(torch.tensor([0, 1]))) ** 2).mean(),
            ((features + self.answers(torch.tensor([3, 1, 3, 3]))) ** 2).mean(),
            (features - 0.1 * self.words(torch.tensor([2, 20, 2, 20]))).exp().mean(),
        ]
        if self.tied:
            found[0] = found[0] + (features @ self.words.weight.T).square().mean()
        return found


@pytest.mark.parametrize("tied", [False, True])
@EVERY_ROUTE
def test_a_sparse_embedding_gives_what_a_dense_one_does(route, tied):
    sparse, dense, plain = (Embedded(sparse=kind, tied=tied) for kind in (True, False, True))
    records = two_steps(sparse, route), two_steps(dense, route)
    assert_same_records(*records)
    for shift in (0, 1):
        torch.stack(plain.losses(plain.features(shift))).sum().backward()
    for p, q, like in zip(*(m.parameters() for m in (sparse, dense, plain)), strict=True):
        assert p.grad.layout == like.grad.layout
        torch.testing.assert_close(p.grad.to_dense(), q.grad)
    assert sparse.words.weight.grad.is_sparse != tied


def test_sparse_adam_takes_the_steps_of_the_dense_gradient_on_touched_rows():
    found = []
    for sparse in (True, False):
        model = Embedded(sparse=sparse)
        two_steps(model, "exact")
        embeddings = [model.words.weight, model.answers.weight]
        if not sparse:  # the rows that no task touches stay
            for p in embeddings:
                p.grad = p.grad.to_sparse(1)
        torch.optim.SparseAdam(embeddings, lr=0.1).step()
        found.append([p.detach() for p in embeddings])
    torch.testing.assert_close(*found)
    assert not torch.equal(found[0][0], Embedded(sparse=True).words.weight)


class NothingAsLarge(TorchDispatchMode):
    """Refuses results of as many numbers as the whole parameter."""

    def __init__(self, numbers):
        super().__init__()
        self.numbers = numbers

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and found.layout == torch.strided:
            assert found.numel() < self.numbers, function
        return found


@pytest.mark.parametrize("options", [{}, {"memory_budget": 1}])
@pytest.mark.parametrize("make", [MGDA, Mean, GradDrop])
def test_sparse_gradients_stay_sparse_on_the_way(make, options):
    words = nn.Embedding(10_000, 2, sparse=True)
    losses = [words(torch.tensor(at)).square().mean() for at in ([1, 2, 2], [2, 9_999])]
    with NothingAsLarge(10_000):
        backward(losses, make(), shared=[words.weight], **options)
    assert words.weight.grad.coalesce().indices().tolist() == [[1, 2, 9_999]]


@pytest.mark.parametrize("axes", [1, 2])
def test_products_of_sparse_and_dense_gradients(axes):
    generator = seeded(axes)
    dense = torch.randn(6, 5, 4, 2, generator=generator, dtype=torch.float64)
    dense *= torch.rand(6, 5, 1, 1, generator=generator) < 0.5
    block = [dense[0], *(d.to_sparse(axes) for d in dense[1:4]), None, dense[5]]
    block[1] = (block[1] + block[1]) / 2  # each entry twice
    J = torch.stack([torch.zeros(5, 4, 2).double() if g is None else g.to_dense() for g in block])
    J = J.flatten(1)
    torch.testing.assert_close(gramian([[g] for g in block]), J @ J.T)
    for dtype in (torch.float32, torch.float64):
        torch.testing.assert_close(
            gramian([[g, g] for g in block], dtype).float(), 2 * (J @ J.T).float()
        )
    cross = cross_gramian([[g] for g in block[:3]], [[g] for g in block[3:]])
    torch.testing.assert_close(cross, J[:3] @ J[3:].T)
    places, rows = on_touched_rows(block)
    assert len(places) == axes
    torch.testing.assert_close(rows[1], block[1].to_dense()[tuple(places)])


def test_an_embedding_of_which_nothing_is_looked_up():
    words, x = nn.Embedding(5, 2, sparse=True), torch.ones(2, requires_grad=True)
    nothing = torch.zeros(0, dtype=torch.int64)
    losses = [words(nothing).sum() + x.sum(), words(nothing).sum() - x[0]]
    step = backward(losses, MGDA(), shared=[words.weight, x])
    assert step.gramian.tolist() == [[2, -1], [-1, 1]]
    assert words.weight.grad.to_dense().count_nonzero() == 0


def test_another_layout_is_refused_by_name():
    dense = torch.tensor([[1.0, 0.0], [2.0, 3.0]])
    with pytest.warns(UserWarning, match="beta"):
        table = dense.to_sparse_csr().requires_grad_()
    x = torch.ones(2, requires_grad=True)
    out = torch.sparse.mm(table, x[:, None])[:, 0]
    with pytest.raises(TypeError, match=r"`losses`.*sparse_csr.*\(2, 2\)"):
        backward([out[0], out[1]], MGDA(), shared=[x, table])
    assert x.grad is None
    assert table.grad is None


# --- complex


class Spectral(nn.Module):
    """Complex weights as such, or as pairs of real numbers."""

    def __init__(self, *, pairs):
        super().__init__()
        generator = seeded(3)
        self.pairs = pairs
        for name, shape in (("first", (4, 5)), ("second", (3, 5))):
            value = torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
            value = value if pairs else torch.view_as_complex(value)
            setattr(self, name, nn.Parameter(value))
        self.x = torch.randn(6, 4, generator=generator, dtype=torch.float64).to(torch.complex128)

    def weight(self, parameter):
        return torch.view_as_complex(parameter) if self.pairs else parameter

    def trunk(self):
        return [self.first]

    def features(self, shift):
        found = (self.x + 1j * shift) @ self.weight(self.first).conj()
        return torch.view_as_real(found) if self.pairs else found

    def cut(self, features):
        return features

    def losses(self, features):
        features = torch.view_as_complex(features) if self.pairs else features
        return [
            (features @ row.conj() - k).abs().square().mean()
            for k, row in enumerate(self.weight(self.second))
        ]


@EVERY_ROUTE
def test_complex_parameters_give_what_pairs_of_real_ones_do(route):
    ours, pairs = Spectral(pairs=False), Spectral(pairs=True)
    records = two_steps(ours, route), two_steps(pairs, route)
    assert_same_records(*records)
    for p, q in zip(ours.parameters(), pairs.parameters(), strict=True):
        assert p.grad.dtype == torch.complex128
        torch.testing.assert_close(torch.view_as_real(p.grad.resolve_conj()), q.grad)


@pytest.mark.parametrize("size", [3, 40_000])
def test_the_product_of_complex_gradients(size):
    J = torch.randn(4, size, generator=seeded(0), dtype=torch.complex64)
    expected = (J.conj() @ J.T).real.double()
    blocks = [[row.conj().conj_physical().conj()] for row in J.conj()]  # views of conjugates
    for dtype in (torch.float32, torch.float64):
        found = gramian(blocks, dtype)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * size**0.5)


# --- half precision


@pytest.mark.parametrize("size", [3, 40_000])
@pytest.mark.parametrize("where", ["shared", "features"])
@pytest.mark.parametrize("make", [MGDA, UPGrad, PCGrad, Mean])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_more(dtype, make, where, size):
    J = torch.randn(4, size, generator=seeded(1), dtype=torch.float64)
    J = (J / J.norm(dim=1, keepdim=True) * 300.0 * size**0.5).to(dtype)  # squares beyond 65504
    x = torch.zeros(size, dtype=dtype, requires_grad=True)
    hidden = 1 * x
    losses = [(row.float() * hidden.float()).sum() for row in J]
    step = backward(
        losses, make(), **({"shared": x} if where == "shared" else {"features": hidden})
    )
    wide = J.double()
    if make is Mean:
        exact, eps = wide.mean(dim=0), 8 * torch.finfo(dtype).eps
    else:
        G = wide @ wide.T
        torch.testing.assert_close(step.gramian, G, rtol=1e-4, atol=1e-4 * float(G.max()))
        weights = make().weights(gramian=step.gramian)
        torch.testing.assert_close(step.weights, weights)
        # One rounding to the parameter's dtype, of a float32 sum.
        exact, eps = wide.T @ step.weights, torch.finfo(dtype).eps / 2
    assert x.grad.dtype == dtype
    error = (x.grad.double() - exact).abs()
    slack = 1e-6 * float(wide.abs().max()) if make is not Mean else eps * float(wide.abs().max())
    assert bool((error <= eps * exact.abs() + slack).all())


# --- nothing is written when an error is raised


def half_model():
    model = Embedded(sparse=False)
    return model.to(torch.bfloat16)


MODELS = {
    "sparse": lambda: Embedded(sparse=True),
    "mixed": lambda: Embedded(sparse=True, tied=True),
    "complex": lambda: Spectral(pairs=False),
    "half": half_model,
}


@pytest.mark.parametrize("kind", MODELS)
@EVERY_ROUTE
def test_nothing_is_written_when_an_error_is_raised(kind, route):
    model = MODELS[kind]()
    two_steps(model, route)
    before = [p.grad.clone() for p in model.parameters()]
    make, where, options = ROUTES[route]
    options = dict(options)
    features = model.features(0)
    losses = model.losses(features)
    bad = (features - features.detach()).abs().sum()
    # Where a route looks at gradients, one that is NaN beside a loss of 0; else a loss of NaN.
    looks = where is not None and not route.startswith("held")
    losses[1] = losses[1] + (bad.sqrt() if looks else bad * torch.nan)
    if where is not None:
        options[where] = model.trunk() if where == "shared" else model.cut(features)
    if make is SDMGrad:
        options["second_batch"] = model.losses(model.features(2))
    with pytest.raises(ValueError, match=r"task 1"):
        backward(losses, make(), **options)
    for p, grad in zip(model.parameters(), before, strict=True):
        assert torch.equal(p.grad.to_dense(), grad.to_dense())
