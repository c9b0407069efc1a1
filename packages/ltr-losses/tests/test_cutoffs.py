"""Cut-offs that teach: their sums, limits and derivatives, and several of them in one sort."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import ltr_losses
from ltr_losses import approx, approx_ndcg_loss, bound, lambda_loss, ndcg, neural_ndcg_loss
from ltr_losses._cutoffs import bound_cutoff, rank_cutoff, soft_cutoff

CUT = {
    name: getattr(ltr_losses, name)
    for name in ltr_losses.metrics.__all__
    if name not in ("arp", "exposure_gap", "dcg")  # no cut, no relevance, no upper end
}
every_metric = pytest.mark.parametrize("name", CUT)


def gradient_of(loss, scores, labels, **options):
    scores = scores.detach().clone().requires_grad_()
    loss(scores, labels, **options).sum().backward()
    return scores.grad


def near_the_start(n, batch=20, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = 0.1 * torch.randn(batch, n, generator=generator)
    labels = torch.randint(0, 5, (batch, n), generator=generator).float()
    return scores, labels * (torch.rand(batch, n, generator=generator) < 0.3)


@pytest.mark.parametrize("n", [12, 25, 40, 120, 700])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_no_list_is_dead_near_the_start(n, temperature):
    scores, labels = near_the_start(n)
    loss = partial(approx_ndcg_loss, k=10, temperature=temperature, reduction="none")
    pull = gradient_of(loss, scores, labels)
    assert (pull[labels > 0] != 0).all()  # the hard ramp had 99 of 100 lists of 25 without any


@every_metric
@pytest.mark.parametrize("made", [approx, bound])
@pytest.mark.parametrize("n", [12, 40, 120])
def test_a_relevant_document_is_always_pulled_up(name, made, n):
    scores, _ = near_the_start(n)
    labels = torch.nn.functional.one_hot(torch.arange(len(scores)) % n, n).float()
    pull = gradient_of(made(partial(CUT[name], k=5)), scores, labels, reduction="none")
    assert (pull[labels > 0] < 0).all()


@every_metric
def test_bound_has_a_slope_far_below_the_cut(name):
    scores, labels = torch.tensor([-2.0, 1.0, 3.0, 9.0]), torch.tensor([1.0, 0.0, 1.0, 0.0])
    pull = gradient_of(bound(partial(CUT[name], k=2)), scores, labels)
    assert pull[0] < 0 or name in ("hit_rate", "mrr")  # of these the best document alone counts
    alone = gradient_of(bound(partial(CUT[name], k=2)), scores, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert alone[0] < 0


def test_a_linear_ranker_learns_the_first_ten_of_120():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(8, 120, 20, generator=generator)
    merit = features @ torch.randn(20, generator=generator)
    quantiles = merit.quantile(torch.tensor([0.5, 0.75, 0.9, 0.97]), -1)
    labels = (merit > quantiles.unsqueeze(-1)).sum(0).float()
    weights = (0.02 * torch.randn(20, generator=generator)).requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=1.0)
    for _ in range(150):
        optimizer.zero_grad()
        approx_ndcg_loss(features @ weights, labels, k=10).backward()
        optimizer.step()
    reached = ndcg(features @ weights.detach(), labels, k=10)
    assert reached > 0.98  # .27 by the hard ramp; .99 without a cut-off


lists = st.lists(st.floats(-50, 50), min_size=3, max_size=30)


@settings(max_examples=100)
@given(lists, st.integers(1, 30), st.sampled_from([0.01, 0.3, 1.0, 20.0]), st.integers(0, 3))
def test_the_smooth_cut_adds_up_to_k_and_keeps_the_order(values, k, temperature, padding):
    s = torch.tensor(values + [0.0] * padding, dtype=torch.float64)
    mask = torch.arange(len(s)) < len(values)
    c = soft_cutoff(s, mask, temperature)(k)[mask]
    torch.testing.assert_close(float(c.sum()), float(min(k, len(values))), rtol=1e-9, atol=0)
    assert ((c >= 0) & (c <= 1)).all()
    order = s[mask].argsort(descending=True)
    assert (c[order].diff() <= 1e-12).all()
    moved = soft_cutoff(s + 7.0, mask, temperature)(k)[mask]
    torch.testing.assert_close(moved, c, rtol=1e-6, atol=1e-9)


@settings(max_examples=60)
@given(lists, st.integers(1, 29), st.sampled_from([0.5, 3.0]))
def test_the_derivative_is_what_is_written(values, k, temperature):
    s = torch.tensor(values, dtype=torch.float64)
    k = min(k, len(values) - 1)
    mask = torch.ones(len(s), dtype=torch.bool)
    jacobian = torch.func.jacrev(lambda x: soft_cutoff(x, mask, temperature)(k))(s)
    c = soft_cutoff(s, mask, temperature)(k)
    slope = (c * (1 - c)).clamp(min=1e-300)
    expected = (slope.diag() - slope.outer(slope) / slope.sum()) / temperature
    torch.testing.assert_close(jacobian, expected, rtol=1e-5, atol=1e-8)


def test_derivatives_of_all_orders():
    s = torch.tensor([[0.3, -1.0, 2.0, 0.4, 1.1], [0.0, 3.0, -0.5, 0.2, 9.9]], dtype=torch.float64)
    mask = torch.tensor([[True] * 5, [True, True, True, True, False]])
    y = torch.tensor([[0.0, 1.0, 3.0, 2.0, 0.0], [1.0, 0.0, 0.0, 2.0, 0.0]])
    s.requires_grad_()
    for k in (1, 2, 4):
        assert torch.autograd.gradcheck(lambda x, k=k: soft_cutoff(x, mask, 0.7)(k), s)
        assert torch.autograd.gradgradcheck(lambda x, k=k: soft_cutoff(x, mask, 0.7)(k), s)
        assert torch.autograd.gradgradcheck(
            lambda x, k=k: approx_ndcg_loss(x, y, k=k, mask=mask), s
        )
        assert torch.autograd.gradcheck(lambda x, k=k: bound_cutoff(x, mask)(k), s)


@settings(max_examples=100)
@given(lists, st.integers(1, 30))
def test_the_bound_never_exceeds_membership_and_has_a_slope_below(values, k):
    s = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(len(s), dtype=torch.bool)
    c = bound_cutoff(s, mask)(k)
    rank = torch.empty(len(s)).scatter(
        0, s.argsort(descending=True, stable=True), 1.0 + torch.arange(len(s))
    )
    assert (c <= (rank <= k) + 1e-12).all()
    if k < len(values):
        worst = int(rank.argmax())
        (slope,) = torch.autograd.grad(c[worst], s)
        assert slope[worst] > 0


def test_ranks_that_are_given_fall_from_k_to_the_next():
    ranks = torch.tensor([1.0, 1.9, 2.0, 2.25, 3.0, 3.1], requires_grad=True)
    share = rank_cutoff(ranks)(2)
    assert share.tolist() == [1.0, 1.0, 1.0, 0.75, 0.0, 0.0]
    (slope,) = torch.autograd.grad(share.sum(), ranks)
    assert slope.tolist() == [0.0, 0.0, -1.0, -1.0, -1.0, 0.0]


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 30.0])
def test_close_scores_are_worth_no_more_than_the_best_order(k, scale):
    # A cut-off by σ alone gives 25 relevant documents half a first place each: a loss of −2.3.
    scores = scale * torch.randn(50, 25, generator=torch.Generator().manual_seed(1))
    labels = torch.ones(50, 25)
    assert (approx_ndcg_loss(scores, labels, k=k, reduction="none") >= -1e-6).all()
    for name in ("precision", "recall", "ndcg", "hit_rate"):
        loss = approx(partial(CUT[name], k=k))(scores, labels, reduction="none")
        assert ((loss >= -1e-6) & (loss <= 1 + 1e-6)).all()


@every_metric
@pytest.mark.parametrize("made", [approx, bound])
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e4, 1e12])
def test_no_gap_is_too_small_or_too_large(name, made, scale):
    scores, labels = near_the_start(15, batch=4)
    mask = torch.arange(15) < torch.tensor([[15], [6], [5], [1]])  # k, less and more
    loss = made(partial(CUT[name], k=5))
    value = loss(scores * scale, labels, mask=mask, reduction="none")
    assert value.isfinite().all()
    assert gradient_of(loss, scores * scale, labels, mask=mask).isfinite().all()


def test_far_from_zero_the_cut_keeps_its_digits():
    s = torch.tensor([0.5, 0.25, 0.125, -0.5])
    mask = torch.ones(4, dtype=torch.bool)
    near, far = (soft_cutoff(s + shift, mask, 0.3)(2) for shift in (0.0, 2.0**16))
    torch.testing.assert_close(far, near, rtol=1e-6, atol=0)


def own_metric(scores, labels, *, mask, weights, ranks, reduction):
    return (labels / ranks).sum(-1)


def test_a_metric_of_ones_own_need_not_know_cutoffs():
    s, y = torch.tensor([[3.0, 1.0]]), torch.tensor([[0.0, 1.0]])
    expected = 1 - 1 / (1 + torch.sigmoid(torch.tensor(2.0)))
    torch.testing.assert_close(approx(own_metric)(s, y), expected)
    with pytest.raises(ValueError, match="`metric` must give one value per list"):
        approx(partial(ndcg, k=(1, 2)))(s, y)


SEVERAL = (1, 5, 10, 30)


@pytest.mark.parametrize("name", [*CUT, "dcg", "exposure_gap"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_several_cuts_are_each_cut(name, reduction):
    metric = getattr(ltr_losses, name)
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(6, 12, generator=generator).round(decimals=1)
    labels = torch.randint(0, 3, (2, 6, 12), generator=generator).float()
    mask = torch.rand(6, 12, generator=generator) < 0.7
    options = {"mask": mask, "reduction": reduction}
    for ties in ("stable", "average"):
        if name in ("dcg", "ndcg", "precision", "recall", "rbp", "exposure_gap"):
            options["ties"] = ties
        together = metric(scores, labels, k=SEVERAL, **options)
        apart = torch.stack([metric(scores, labels, k=k, **options) for k in SEVERAL])
        assert torch.equal(together.nan_to_num(-1.0), apart.nan_to_num(-1.0))
        ranks = metric(
            scores, labels, k=[2, 3], ranks=scores.argsort(-1).argsort(-1) + 1.0, **options
        )
        assert ranks.shape == (2, *together.shape[1:])


class CountSorts(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += "sort" in function.name()
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [*CUT, "dcg", "exposure_gap"])
def test_several_cuts_sort_once(name):
    scores, labels = near_the_start(40)
    counts = []
    for k in (5, SEVERAL):
        with CountSorts() as sorts:
            getattr(ltr_losses, name)(scores, labels, k=k)
        counts.append(sorts.count)
    assert counts[0] == counts[1] > 0


INTEGERS = [
    np.int64(2),
    np.int32(2),
    np.uint8(2),
    torch.tensor(2),
    torch.tensor(2, dtype=torch.int16),
]


@pytest.mark.parametrize("k", INTEGERS, ids=str)
def test_k_may_be_any_integer(k):
    s, y = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    for function in (ndcg, approx_ndcg_loss, lambda_loss, neural_ndcg_loss):
        assert torch.equal(function(s, y, k=k), function(s, y, k=2))
    assert torch.equal(ndcg(s, y, k=(k, 1)), ndcg(s, y, k=(2, 1)))
    assert torch.equal(ndcg(s, y, k=range(1, 3)), ndcg(s, y, k=(1, 2)))


@pytest.mark.parametrize(
    ("k", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (True, TypeError),
        (2.0, TypeError),
        ("2", TypeError),
        (np.bool_(True), TypeError),
        (torch.tensor(True), TypeError),
        (torch.tensor(2.0), TypeError),
        ((), ValueError),
        ((1, None), ValueError),
        ((1, 2.0), TypeError),
        ((1, 0), ValueError),
        (((1,),), TypeError),
    ],
)
def test_k_that_is_none(k, error):
    s, y = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    with pytest.raises(error, match="`k` must be"):
        ndcg(s, y, k=k)


def test_one_compiled_graph_for_several_cuts():
    scores, labels = near_the_start(20)
    torch.compiler.reset()
    compiled = torch.compile(partial(ndcg, k=(1, 5)), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(scores, labels), ndcg(scores, labels, k=(1, 5)))


def test_a_cut_under_vmap():
    scores, labels = near_the_start(20)
    loss = partial(approx_ndcg_loss, k=5)
    one_by_one = torch.stack(
        [torch.func.grad(loss)(s, y) for s, y in zip(scores, labels, strict=True)]
    )
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(loss))(scores, labels), one_by_one)
