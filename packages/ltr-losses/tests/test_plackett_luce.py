"""listmle, p_listmle and unique_softmax keep their digits whatever scores stand side by side."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_losses import listmle_loss, p_listmle_loss, unique_softmax_loss
from ltr_losses._plackett_luce import decayed_sum

LOSSES = {"listmle": listmle_loss, "p_listmle": p_listmle_loss, "unique": unique_softmax_loss}


def softplus_of(odds):
    return max(odds, 0.0) + math.log1p(math.exp(-abs(odds)))


def position_weights(n):
    alpha = [2 ** (n - i) - 1 for i in range(1, n + 1)]
    total = max(sum(alpha), 1)
    return [float(Fraction(a, total)) for a in alpha]


def expected_terms(name, scores, labels):
    """The terms, each c log(1 + exp o): (document, c, o, {document: share}).

    The share of a document below is that of its exp s in their sum.
    """
    n = len(scores)
    order = sorted(range(n), key=lambda i: -labels[i])
    alpha = position_weights(n)
    terms = []
    for place, i in enumerate(order):
        if name == "unique":
            rivals = [j for j in order if labels[j] < labels[i]]
            c = (2.0 ** labels[i] - 1.0) / 2.0 ** max(*labels, 0.0) if labels[i] > 0 else 0.0
        else:
            rivals = order[place + 1 :]
            c = alpha[place] if name == "p_listmle" else 1.0
        if not rivals:
            continue
        top = max(scores[j] for j in rivals)
        e = {j: math.exp(scores[j] - top) for j in rivals}
        total = math.fsum(e.values())
        # Exact differences: scores are floats, their difference may be none.
        odds = float(Fraction(top) - Fraction(scores[i])) + math.log(total)
        terms.append((i, c, odds, {j: x / total for j, x in e.items()}))
    return terms


def expected(name, scores, labels, weights):
    """Value and gradient, and how large the parts are of which each is the sum."""
    n = len(scores)
    if len(set(labels)) < 2 or (name == "unique" and max(labels) <= 0):
        return 0.0, [0.0] * n, [0.0] * n
    values, pulls = [], [[] for _ in scores]
    for i, c, odds, shares in expected_terms(name, scores, labels):
        c *= weights[i]
        sigmoid = 1.0 / (1.0 + math.exp(-odds)) if odds > -700.0 else math.exp(max(odds, -745.0))
        values.append(c * softplus_of(odds))
        pulls[i].append(-c * sigmoid)
        for j, share in shares.items():
            pulls[j].append(c * sigmoid * share)
    gradient = [math.fsum(p) for p in pulls]
    return math.fsum(values), gradient, [math.fsum(map(abs, p)) for p in pulls]


def of_scale(draw, dtype):
    width = 64 if dtype == torch.float64 else 32
    scale = draw(st.sampled_from([1e-3, 1.0, 30.0, 100.0, 1e4, 1e8]))
    return float(
        torch.tensor(draw(st.floats(-1.0, 1.0, width=width)), dtype=dtype)
        * torch.tensor(scale, dtype=dtype)
    )


@st.composite
def lists(draw, dtype):
    """Scores of mixed scales, some equal; labels with ties; weights or None."""
    n = draw(st.integers(1, 40))
    scores = [of_scale(draw, dtype) for _ in range(n)]
    for _ in range(draw(st.integers(0, 3))):
        scores[draw(st.integers(0, n - 1))] = scores[draw(st.integers(0, n - 1))]
    labels = draw(st.lists(st.integers(-1, 4).map(float), min_size=n, max_size=n))
    weights = draw(st.none() | st.lists(st.floats(0.0, 8.0, width=16), min_size=n, max_size=n))
    return scores, labels, weights


@st.composite
def batches(draw, dtype):
    return draw(st.lists(lists(dtype), min_size=1, max_size=3))


def joined(rows, dtype):
    """Scores, labels and weights over all documents, one list after the other."""
    weights = [w if w is not None else [1.0] * len(s) for s, _, w in rows]
    s, y, w = (
        torch.tensor([x for row in part for x in row], dtype=dtype)
        for part in ([s for s, *_ in rows], [y for _, y, _ in rows], weights)
    )
    return s, y, None if all(w is None for *_, w in rows) else w


def padded(x, lengths, fill):
    """Lists of one width, padding in front and behind."""
    width = max(lengths) + 2
    rows = x.split(lengths)
    return torch.stack(
        [torch.nn.functional.pad(r, (1, width - len(r) - 1), value=fill) for r in rows]
    )


def values_and_gradient(loss, s, y, w, lengths, form):
    s = s.clone().requires_grad_()
    if form == "jagged":
        offsets = torch.tensor([0, *lengths]).cumsum(0)
        values = loss(s, y, weights=w, offsets=offsets, reduction="none")
    else:
        values = loss(
            padded(s, lengths, 1e9),
            padded(y, lengths, 9.0),
            weights=None if w is None else padded(w, lengths, 9.0),
            mask=padded(torch.ones_like(s), lengths, 0.0).bool(),
            reduction="none",
        )
    return values.detach(), torch.autograd.grad(values.sum(), s)[0]


def check(name, rows, dtype, form, tolerance):
    lengths = [len(s) for s, *_ in rows]
    s, y, w = joined(rows, dtype)
    values, gradient = values_and_gradient(LOSSES[name], s, y, w, lengths, form)
    assert values.dtype == gradient.dtype == dtype
    each = [
        expected(name, scores, labels, weights or [1.0] * len(scores))
        for scores, labels, weights in rows
    ]
    # Below the smallest normal number digits are lost, and with them they are in each term.
    tiny = 41.0 * 9.0 * torch.finfo(dtype).tiny
    for found, (value, *_) in zip(values.tolist(), each, strict=True):
        assert abs(found - value) <= tolerance * value + tiny
    for found, (_, pulls, sizes) in zip(gradient.split(lengths), each, strict=True):
        # What is exp(-40) of a list's largest pull or less need not have digits of its own.
        slack = len(sizes) * math.exp(-40.0) * max(sizes) + tiny
        for x, pull, size in zip(found.tolist(), pulls, sizes, strict=True):
            assert abs(x - pull) <= tolerance * size + slack


@pytest.mark.parametrize("t", [1e2, 1e4, 1e6, 1e7, 1e8, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_document_far_above_takes_no_digit_of_the_others(t, dtype):
    s, y = torch.tensor([0.3, -0.2, t], dtype=dtype), torch.tensor([1.0, 0.0, 2.0])
    rel = 1e-6 if dtype == torch.float32 else 1e-13
    # The top document's term is 0, and what is left is the pair's.
    pair = math.log1p(math.exp(-0.5))
    assert float(listmle_loss(s, y)) == pytest.approx(pair, rel=rel)
    assert pair == pytest.approx(0.474077, abs=1e-6)
    # α = 3/4, 1/4, 0; gains 3/4, 1/4, 0.
    assert float(p_listmle_loss(s, y)) == pytest.approx(pair / 4.0, rel=rel)
    assert float(unique_softmax_loss(s, y)) == pytest.approx(pair / 4.0, rel=rel)
    assert pair / 4.0 == pytest.approx(0.1185, abs=1e-4)


@settings(max_examples=30)
@given(batches(torch.float32), st.sampled_from(["jagged", "padded"]))
@pytest.mark.parametrize("name", LOSSES)
def test_float32_has_the_digits_of_its_scores(name, rows, form):
    check(name, rows, torch.float32, form, 1e-5)


@settings(max_examples=30)
@given(batches(torch.float64), st.sampled_from(["jagged", "padded"]))
@pytest.mark.parametrize("name", LOSSES)
def test_float64_has_the_digits_of_its_scores(name, rows, form):
    check(name, rows, torch.float64, form, 1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("step", [0.1, 5.0, 41.0, -7.0])
def test_a_long_ladder_of_scores(name, dtype, step):
    # More documents than a block of blocks holds, the best or the worst order.
    n = 1100
    scores = (torch.arange(n, 0, -1) * step).to(dtype).tolist()
    rows = [(scores, [(n - i) / 256.0 for i in range(n)], None)]
    check(name, rows, dtype, "padded", 1e-5 if dtype == torch.float32 else 1e-11)


@given(st.integers(1, 100), st.integers(0, 2**32), st.sampled_from([0.1, 3.0, 30.0, 1e4]))
def test_decayed_sum_is_the_recurrence(n, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, generator=generator, dtype=torch.float64)
    level = torch.rand(n, generator=generator, dtype=torch.float64).mul(scale).cumsum(0)
    found, last = decayed_sum(x, level), 0.0
    for i in range(n):
        last = float(x[i]) + (last * math.exp(level[i - 1] - level[i]) if i else 0.0)
        assert float(found[i]) == pytest.approx(last, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_second_derivatives_beside_a_document_far_away(name):
    s = torch.tensor([[0.3, -0.2, 1e8, 0.1, 0.0], [2.0, 1.0, 0.5, 60.0, -60.0]])
    s = s.double().requires_grad_()
    y = torch.tensor([[1.0, 0.0, 2.0, 1.0, 0.0], [0.0, 3.0, 1.0, 1.0, 2.0]])
    mask = torch.tensor([[True] * 5, [True, True, True, True, False]])

    def gradient(x, rows=slice(None)):
        value = LOSSES[name](x, y[rows], mask=mask[rows], reduction="none").sum()
        return torch.autograd.grad(value, x, create_graph=True)[0]

    (second,) = torch.autograd.grad(gradient(s)[:, 0].sum(), s)
    assert second.isfinite().all()
    # A document far above has no part in the curvature of the others.
    without = s.detach()[:1, [0, 1, 3, 4]].requires_grad_()
    rest = LOSSES[name](without, y[:1, [0, 1, 3, 4]], reduction="sum")
    (pull,) = torch.autograd.grad(rest, without, create_graph=True)
    (own,) = torch.autograd.grad(pull[0, 0], without)
    ratio = {"listmle": 1.0, "p_listmle": 11.0 / 26.0, "unique": 0.5}[name]
    torch.testing.assert_close(second[:1, [0, 1, 3, 4]], ratio * own, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("name", LOSSES)
def test_functional_transforms_and_the_compiler_agree(name):
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(4, 70, generator=generator, dtype=torch.float64)
    s[:, 3], s[1] = 1e7, s[1] * 300.0
    y = torch.randint(0, 5, (4, 70), generator=generator).double()
    plain = LOSSES[name](s, y, reduction="none")
    torch.testing.assert_close(torch.func.vmap(LOSSES[name])(s, y), plain)
    each = torch.func.vmap(torch.func.grad(LOSSES[name]))(s, y)
    x = s.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(LOSSES[name](x, y, reduction="sum"), x)
    torch.testing.assert_close(each, gradient)
    torch.compiler.reset()
    compiled = torch.compile(LOSSES[name], fullgraph=True, backend="aot_eager")
    value = compiled(x, y, reduction="sum")
    torch.testing.assert_close(value.detach(), plain.sum())
    torch.testing.assert_close(torch.autograd.grad(value, x)[0], gradient)
