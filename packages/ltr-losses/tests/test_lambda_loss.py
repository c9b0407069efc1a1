"""lambda_loss against its definition, pair by pair, and the mistakes such losses are known for."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_losses import _pairs, lambda_loss, ndcg

SCHEMES = ("ndcg1", "ndcg2", "ndcg2pp", "lambdarank", "ranknet", "labeldiff")


def dense(scores, labels, scheme, k=None, sigma=1.0, mu=10.0):
    """One list without padding, as the docstring has it: all (list, list) pairs, by autograd."""
    n = len(scores)
    rank = torch.empty(n, dtype=scores.dtype)
    rank[scores.argsort(descending=True, stable=True)] = torch.arange(
        1.0, n + 1, dtype=scores.dtype
    )
    gain = 2.0**labels - 1.0
    top = gain.sort(descending=True).values[:k]
    ideal = (top / torch.log2(torch.arange(2.0, len(top) + 2, dtype=scores.dtype))).sum()
    gain = gain / ideal if ideal > 0 else gain
    d = 1.0 / torch.log2(1.0 + rank)
    delta = (rank[:, None] - rank).abs().clamp(min=1.0)
    swap = (d[:, None] - d).abs()
    distance = 1.0 / torch.log2(1.0 + delta) - 1.0 / torch.log2(2.0 + delta)
    difference = (gain[:, None] - gain).abs()
    weight = {
        "ndcg1": (gain * d)[:, None].expand(n, n),
        "ndcg2": distance * difference,
        "ndcg2pp": (swap + mu * distance) * difference,
        "lambdarank": swap * difference,
        "ranknet": torch.ones(n, n),
        "labeldiff": (labels[:, None] - labels).abs(),
    }[scheme]
    counts = labels[:, None] > labels
    if k is not None:
        counts = counts & ((rank <= k)[:, None] | (rank <= k))
    loss = torch.nn.functional.softplus(-sigma * (scores[:, None] - scores), threshold=1e9)
    return (weight * loss)[counts].sum()


@st.composite
def ragged(draw):
    """Scores (batch, list), labels (task, batch, list) and the lengths of the lists."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    shape = (len(lengths), max(lengths))
    scale = draw(st.sampled_from([0.0, 1.0, 20.0]))
    scores = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    if draw(st.booleans()):
        scores = scores.round()  # ties
    labels = torch.randint(0, draw(st.integers(1, 6)), (2, *shape), generator=generator).double()
    return scores, labels, lengths


@settings(max_examples=60)
@given(
    ragged(),
    st.sampled_from(SCHEMES),
    st.one_of(st.none(), st.integers(1, 14)),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.sampled_from([0.0, 10.0]),
)
def test_value_and_gradient_are_those_of_the_definition(problem, scheme, k, sigma, mu):
    scores, labels, lengths = problem
    arguments = {"scheme": scheme, "k": k, "sigma": sigma, "mu": mu}
    scores.requires_grad_()
    mask = torch.arange(scores.shape[-1]) < torch.tensor(lengths)[:, None]
    actual = lambda_loss(scores, labels, mask=mask, reduction="sum", **arguments)
    for task in range(2):
        expected = sum(
            dense(scores[i, :n], labels[task, i, :n], **arguments) for i, n in enumerate(lengths)
        )
        torch.testing.assert_close(actual[task], expected, rtol=1e-10, atol=1e-10)
        (gradient,) = torch.autograd.grad(actual[task], scores, retain_graph=True)
        (expected_gradient,) = torch.autograd.grad(expected, scores)
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_float32_agrees_with_float64(scheme):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 200, generator=generator).requires_grad_()
    labels = torch.randint(0, 5, (4, 200), generator=generator).float()
    single = lambda_loss(scores, labels, scheme=scheme)
    double = lambda_loss(scores.double(), labels, scheme=scheme)
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=0.0)
    (g32,) = torch.autograd.grad(single, scores)
    (g64,) = torch.autograd.grad(double, scores)
    torch.testing.assert_close(g32, g64, rtol=1e-5, atol=1e-6 * float(g64.abs().max()))


@pytest.mark.parametrize("k", [None, 5])
@pytest.mark.parametrize("budget", [1, 50, 1000])
def test_blocks_of_any_size_give_the_same(monkeypatch, budget, k):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 23, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 5, (2, 3, 23), generator=generator).double()

    def value_and_gradient():
        s = scores.clone().requires_grad_()
        value = lambda_loss(s, labels, k=k)
        return value, torch.autograd.grad(value.sum(), s)[0]

    expected = value_and_gradient()
    monkeypatch.setattr(_pairs, "_BLOCK_CPU", budget)
    torch.testing.assert_close(value_and_gradient(), expected, rtol=1e-12, atol=1e-12)


def test_worst_inversion_keeps_its_gradient():
    # Clamping the probability at 1e-10 would lose it from a gap of 23.5 on.
    for gap in (10.0, 23.5, 100.0, 1e4):
        scores = torch.tensor([gap, 0.0], requires_grad=True)
        loss = lambda_loss(scores, torch.tensor([0.0, 1.0]), scheme="ranknet")
        (gradient,) = torch.autograd.grad(loss, scores)
        torch.testing.assert_close(loss.detach(), torch.tensor(gap + math.log1p(math.exp(-gap))))
        slope = 1.0 / (1.0 + math.exp(-gap))
        torch.testing.assert_close(gradient, torch.tensor([slope, -slope]))


def test_one_pair_by_hand():
    # The relevant document stands second of two: D = 1, log2 3; G = 1 / 1.
    scores = torch.tensor([1.0, 0.0], dtype=torch.float64)
    labels = torch.tensor([0.0, 1.0])
    swap = 1.0 - 1.0 / math.log2(3.0)
    softplus = math.log1p(math.exp(1.0))
    assert float(lambda_loss(scores, labels, scheme="lambdarank")) == pytest.approx(swap * softplus)
    assert float(lambda_loss(scores, labels)) == pytest.approx(11.0 * swap * softplus)


def test_pairs_with_either_document_in_the_first_k_count():
    # The only relevant document is at position 21; "both in the first 10" would give it nothing.
    scores = torch.linspace(1.0, 0.0, 30).requires_grad_()
    labels = torch.zeros(30)
    labels[20] = 1.0
    loss = lambda_loss(scores, labels, scheme="lambdarank", k=10)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert gradient[20] < 0
    assert (gradient[:10] > 0).all()
    assert (gradient[10:20] == 0).all()
    assert (gradient[21:] == 0).all()


@pytest.mark.parametrize("largest", [127.0, 128.0, 255.0, 30000.0])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_large_labels_are_finite(scheme, largest):
    scores = torch.tensor([0.3, -0.2, 0.1], requires_grad=True)
    loss = lambda_loss(scores, torch.tensor([0.0, largest, 3.0]), scheme=scheme)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert gradient[1] < 0


def test_loss_of_scaled_up_inversions_grows_linearly():
    scores = torch.randn(2, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(20).double().expand(2, 20)
    near = lambda_loss(100.0 * scores, labels, scheme="labeldiff")
    far = lambda_loss(1e4 * scores, labels, scheme="labeldiff")
    assert float(far / near) == pytest.approx(100.0, rel=1e-3)


def test_bounds_the_loss_of_ndcg():
    # LambdaLoss paper, section 4: with base-2 logarithms NDCG-Loss2 bounds 1 − NDCG. Here δ ≥ 1, so
    # the pair weights of ndcg2 sum over the inversions to at least what is lost.
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(50, 15, generator=generator)
    labels = torch.randint(0, 5, (50, 15), generator=generator).float()
    for scheme in ("ndcg1", "ndcg2"):
        bound = lambda_loss(scores, labels, scheme=scheme, reduction="none") / math.log(2.0)
        assert (bound >= 1.0 - ndcg(scores, labels, reduction="none") - 1e-6).all()


def test_negative_labels_are_not_relevant():
    scores = torch.tensor([0.3, 0.1, -0.2])
    negative = lambda_loss(scores, torch.tensor([-2.0, 0.0, 1.0]))
    torch.testing.assert_close(negative, lambda_loss(scores, torch.tensor([0.0, 0.0, 1.0])))
    assert lambda_loss(scores, torch.tensor([-2.0, -1.0, 0.0])) == 0.0


def test_a_pair_has_the_weight_of_its_better_document():
    scores = torch.tensor([0.4, 0.1, -0.3], dtype=torch.float64)
    labels = torch.tensor([0.0, 2.0, 1.0])
    weights = torch.tensor([7.0, 2.0, 3.0])
    softplus = torch.nn.functional.softplus
    expected = (
        2.0 * softplus(scores[0] - scores[1])
        + 2.0 * softplus(scores[2] - scores[1])
        + 3.0 * softplus(scores[0] - scores[2])
    )
    actual = lambda_loss(scores, labels, scheme="ranknet", weights=weights)
    torch.testing.assert_close(actual, expected)


def test_second_derivative_is_refused():
    scores = torch.randn(2, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = lambda_loss(scores, torch.arange(5.0).expand(2, 5))
    (gradient,) = torch.autograd.grad(loss, scores, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated twice"):
        gradient.sum().backward()


def test_function_transforms():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 5, (3, 4, 6), generator=generator).double()

    def losses(s):
        return lambda_loss(s, labels)

    jacobian = torch.func.jacrev(losses)(scores)
    expected = torch.autograd.functional.jacobian(losses, scores)
    torch.testing.assert_close(jacobian, expected)
    per_list = torch.func.vmap(torch.func.grad(lambda_loss))(scores, labels[0])
    _, vjp = torch.func.vjp(lambda s: lambda_loss(s, labels[0], reduction="sum"), scores)
    torch.testing.assert_close(per_list, vjp(torch.ones((), dtype=torch.float64))[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "ndcg2p"}, "`scheme` .* did you mean 'ndcg2pp'"),
        ({"k": 0}, "`k` must be a positive int or None, got 0"),
        ({"sigma": 0.0}, "`sigma` must be finite and positive, got 0.0"),
        ({"mu": -1.0}, "`mu` must be finite and not negative, got -1.0"),
        ({"reduction": "men"}, "`reduction` .* did you mean 'mean'"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        lambda_loss(torch.zeros(3), torch.zeros(3), **arguments)


def test_k_must_be_an_integer():
    with pytest.raises(TypeError, match="`k`"):
        lambda_loss(torch.zeros(3), torch.zeros(3), k=2.5)


def test_without_gradients_the_value_is_the_same():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 9, generator=generator, requires_grad=True)
    labels = torch.randint(0, 5, (2, 4, 9), generator=generator).float()
    for k in (None, 3):
        with torch.no_grad():
            value = lambda_loss(scores, labels, k=k)
        assert not value.requires_grad
        torch.testing.assert_close(value, lambda_loss(scores, labels, k=k).detach())
        with torch.inference_mode():
            torch.testing.assert_close(lambda_loss(scores, labels, k=k), value)
        # A transform inside keeps its gradient.
        with torch.no_grad():
            inside = torch.func.grad(lambda s, k=k: lambda_loss(s, labels[0], k=k))(scores)
        (outside,) = torch.autograd.grad(lambda_loss(scores, labels[0], k=k), scores)
        torch.testing.assert_close(inside, outside)
