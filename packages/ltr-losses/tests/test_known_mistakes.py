"""The mistakes that ranking losses are known for, one test each, and labels that are not grades."""

import math
from functools import partial

import pytest
import torch

import ltr_losses
from ltr_losses import (
    approx,
    approx_mrr_loss,
    approx_ndcg_loss,
    arp,
    bce_loss,
    binary_listnet_loss,
    bound,
    dcg,
    exposure_loss,
    gumbel,
    lambda_loss,
    listmle_loss,
    listnet_loss,
    mrr,
    mse_loss,
    ndcg,
    neural_ndcg_loss,
    ordinal_loss,
    p_listmle_loss,
    pairwise_hinge_loss,
    pairwise_mse_loss,
    pairwise_quantile_loss,
    poly1_softmax_loss,
    precision,
    ranknet_loss,
    rbp,
    recall,
    softmax_loss,
    unique_softmax_loss,
)

LOSSES = {
    "approx_mrr": approx_mrr_loss,
    "approx_ndcg": approx_ndcg_loss,
    "bce": bce_loss,
    "binary_listnet": binary_listnet_loss,
    "lambda": lambda_loss,
    "lambda map": partial(lambda_loss, scheme="map"),
    "listmle": listmle_loss,
    "listnet": listnet_loss,
    "mse": mse_loss,
    "neural_ndcg": neural_ndcg_loss,
    "ordinal": partial(ordinal_loss, thresholds=[0.0, 1.0]),
    "p_listmle": p_listmle_loss,
    "pairwise_hinge": pairwise_hinge_loss,
    "pairwise_mse": pairwise_mse_loss,
    "pairwise_quantile": pairwise_quantile_loss,
    "poly1_softmax": poly1_softmax_loss,
    "ranknet": ranknet_loss,
    "ranknet by square": partial(ranknet_loss, power=2.0),
    "softmax": softmax_loss,
    "unique_softmax": unique_softmax_loss,
}
# A new loss or metric joins with its defaults. `exposure_loss` takes groups: see LARGE.
NAMED = {getattr(loss, "func", loss).__name__ for loss in LOSSES.values()} | {"exposure_loss"}
LOSSES |= {
    name: getattr(ltr_losses, name)
    for name in ltr_losses.__all__
    if name.endswith("_loss") and name not in NAMED
}
METRICS = {n: getattr(ltr_losses, n) for n in ltr_losses.metrics.__all__ if n != "dcg"}
# What must bear labels of any size besides: all schemes and variants, and losses made of metrics.
LARGE = {
    **LOSSES,
    **{
        f"lambda {scheme}": partial(lambda_loss, scheme=scheme, k=2)
        for scheme in (
            "ndcg1",
            "ndcg2",
            "ndcg2pp",
            "lambdarank",
            "ranknet",
            "labeldiff",
            "arp1",
            "arp2",
            "precision",
        )
    },
    "approx_ndcg, linear": partial(approx_ndcg_loss, gain="linear"),
    "exposure": exposure_loss,
    "neural_ndcg, transposed": partial(neural_ndcg_loss, transposed=True),
    "pairwise_quantile, squared": partial(pairwise_quantile_loss, squared=True),
    **{
        f"{made.__name__}({name}@2)": made(partial(metric, k=2))
        for made in (approx, bound)
        for name, metric in METRICS.items()
        if name != "arp"
    },
    "approx(arp)": approx(arp, lower_is_better=True),
    "gumbel(lambda)": gumbel(lambda_loss, generator=torch.Generator().manual_seed(0)),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def value_and_gradient(loss, scores, labels, **arguments):
    scores = scores.detach().clone().requires_grad_()
    value = loss(scores, labels, **arguments)
    return value.detach(), torch.autograd.grad(value.sum(), scores)[0]


def test_1_a_clamped_probability_has_no_gradient():
    # max(σ(x), 1e-10) is flat from a gap of 23.03 on, and with the exponent of ndcg2pp from 6.
    gap = torch.tensor([40.0, 0.0], requires_grad=True)
    y = torch.tensor([0.0, 1.0])
    clamped = -torch.log(torch.sigmoid(gap[1] - gap[0]).clamp(min=1e-10))
    assert torch.autograd.grad(clamped, gap)[0].abs().max() == 0.0
    for loss in (ranknet_loss, lambda_loss, partial(lambda_loss, scheme="ndcg2")):
        near, near_gradient = value_and_gradient(loss, gap, y)
        far, far_gradient = value_and_gradient(loss, 20.0 * gap, y)
        torch.testing.assert_close(far, 20.0 * near)
        torch.testing.assert_close(far_gradient, near_gradient)


def test_2_the_logarithm_of_a_cumulative_sum_with_an_epsilon():
    s = torch.tensor([60.0, 0.0, -60.0], dtype=torch.float64)
    y = torch.tensor([0.0, 1.0, 2.0])
    # The worst order: log(e^60 + e^0 + e^−60) + 60, then log(e^60 + e^0) − 0, then 0.
    expected = 120.0 + 60.0
    assert float(listmle_loss(s, y)) == pytest.approx(expected, rel=1e-12)
    # log(Σ exp(s − max) + 1e-10) is wrong by far in the best order.
    y = y.flip(0)
    assert float(listmle_loss(s, y)) == pytest.approx(2.0 * math.exp(-60.0), abs=1e-20)
    assert torch.equal(listmle_loss(s, y * 0 + 1), listmle_loss(s, y * 0 + 1))


def test_3_a_cut_that_asks_for_both_documents():
    scores = torch.linspace(1.0, 0.0, 40)
    labels = (torch.arange(40) == 20).float()
    for scheme in ("lambdarank", "ndcg2pp", "map"):
        loss = partial(lambda_loss, scheme=scheme, k=10)
        _, gradient = value_and_gradient(loss, scores, labels)
        assert gradient[20] < 0.0, "the relevant document at position 21 learns nothing"
    _, gradient = value_and_gradient(partial(lambda_loss, scheme="precision", k=10), scores, labels)
    assert gradient[20] < 0.0


@pytest.mark.parametrize("loss", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("largest", [128.0, 255.0, 30000.0])
def test_4_gains_that_overflow(loss, largest):
    scores = torch.tensor([[0.3, -0.2, 0.1, 0.0], [0.0, 0.0, 0.0, 0.0]])
    labels = torch.tensor([[0.0, largest, 3.0, largest], [largest, 1.0, 0.0, 2.0]])
    value, gradient = value_and_gradient(loss, scores, labels)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0.0


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("largest", [255.0, 30000.0])
def test_4_gains_that_overflow_in_a_metric(metric, largest):
    labels = torch.tensor([0.0, largest, 3.0])
    assert metric(torch.tensor([0.3, -0.2, 0.1]), labels).isfinite()


@pytest.mark.parametrize("largest", [255.0, 30000.0])
def test_4_the_plain_dcg_names_the_transform_to_use(largest):
    scores, labels = torch.tensor([0.3, -0.2, 0.1]), torch.tensor([0.0, largest, 3.0])
    with pytest.raises(ValueError, match=r"`labels` .*gain=\"linear\".*log1p"):
        dcg(scores, labels)
    assert dcg(scores, labels, gain="linear").isfinite()
    assert dcg(scores, labels.log1p()).isfinite()


def test_4_is_asked_of_all_losses_and_metrics():
    def function(x):
        return x.func if isinstance(x, partial) else x

    asked = {function(x) for x in (*LARGE.values(), *METRICS.values(), dcg)}
    named = {name for name in ltr_losses.__all__ if name.endswith("_loss")}
    for name in named | set(ltr_losses.metrics.__all__):
        assert getattr(ltr_losses, name) in asked, name


def test_5_samples_masked_with_the_layout_of_another_axis():
    # With next to no noise a sampled loss is the plain one, on a ragged batch too.
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (2, 4, 6), generator=generator).double()
    mask = torch.arange(6) < torch.tensor([[6], [2], [4], [3]])
    for transposed in (False, True):
        loss = partial(neural_ndcg_loss, temperature=1e-3, transposed=transposed)
        sampled = loss(scores, labels, mask=mask, samples=5, noise=1e-9, generator=generator)
        torch.testing.assert_close(sampled, loss(scores, labels, mask=mask), rtol=1e-6, atol=1e-6)
        exact = 1.0 - ndcg(scores, labels, mask=mask)
        torch.testing.assert_close(sampled, exact, rtol=1e-6, atol=1e-6)
    # The linear gain over the linear ideal: the best order loses nothing.
    best = neural_ndcg_loss(
        labels[0, :1], labels[0, :1], gain="linear", transposed=True, temperature=1e-3
    )
    assert float(best) == pytest.approx(0.0, abs=1e-6)


@every_loss
def test_6_nan_or_no_graph_where_there_is_nothing_to_learn(loss):
    scores = torch.tensor([[1.0, 0.0, 2.0], [3.0, 3.0, 3.0]])
    cases = {
        "no ordered pair": (torch.ones(2, 3), None),
        "zero labels": (torch.zeros(2, 3), None),
        "a row of padding": (torch.tensor([[1.0, 0.0, 2.0]] * 2), torch.tensor([[True], [False]])),
        "nothing but padding": (torch.ones(2, 3), torch.tensor([[False], [False]])),
        "a perfect fit": (scores, None),
    }
    for what, (labels, mask) in cases.items():
        mask = torch.ones(2, 3, dtype=torch.bool) if mask is None else mask.expand(2, 3)
        for reduction in ("mean", "sum", "none"):
            value, gradient = value_and_gradient(
                loss, scores, labels, mask=mask, reduction=reduction
            )
            assert value.isfinite().all(), what
            assert gradient.isfinite().all(), what
            assert (gradient[~mask] == 0.0).all(), what


@every_loss
def test_7_padding_is_no_error_and_no_target(loss):
    scores = torch.tensor([[0.5, -0.3, 0.1], [0.2, 0.4, 9.0]])
    labels = torch.tensor([[1.0, 0.0, 2.0], [1.0, 0.0, -1.0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    padded = loss(scores, labels, mask=mask, reduction="none")
    torch.testing.assert_close(padded[1], loss(scores[1, :2], labels[1, :2]))


def test_8_reciprocal_rank_of_nothing_and_of_grades():
    scores = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    labels = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    each = mrr(scores, labels, reduction="none")
    assert each.isnan().tolist() == [True, False]
    assert float(mrr(scores, labels)) == 0.5
    assert float(mrr(scores, labels, empty=0.0)) == 0.25
    # Grades 1, 0, 2: the first relevant document, not the most relevant one.
    assert float(mrr(scores[0], torch.tensor([1.0, 0.0, 2.0]))) == 1.0
    assert float(approx_mrr_loss(scores[0], torch.tensor([1.0, 0.0, 2.0]), temperature=0.01)) == 0.0


def test_9_a_metric_of_constant_scores_by_the_order_of_the_rows():
    scores = torch.zeros(2, 3)
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for metric in (ndcg, precision, recall, rbp, arp):
        first, last = metric(scores, labels, ties="average", reduction="none")
        torch.testing.assert_close(first, last)
    expected = (1.0 + 1.0 / math.log2(3.0) + 0.5) / 3.0
    assert float(ndcg(scores, labels, ties="average")) == pytest.approx(expected)


def test_10_labels_of_minus_one_are_labels():
    # Standardised regression targets go below zero: no label value means padding.
    scores = torch.tensor([0.5, 0.0, -0.5], dtype=torch.float64)
    labels = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    assert float(mse_loss(scores, labels)) == pytest.approx((0.25 + 0.0 + 0.25) / 3.0)
    for loss in (listnet_loss, listmle_loss, ranknet_loss, pairwise_hinge_loss, pairwise_mse_loss):
        torch.testing.assert_close(loss(scores, labels), loss(scores, labels + 2.0 * 0.0))
        assert loss(scores, labels) != loss(scores[:2], labels[:2])
    ordered = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(ranknet_loss(scores, labels), ranknet_loss(scores, ordered))
    torch.testing.assert_close(listmle_loss(scores, labels), listmle_loss(scores, ordered))


@every_loss
def test_11_an_epsilon_that_is_zero_in_half_precision(loss):
    assert torch.tensor(1e-10, dtype=torch.float16) == 0.0
    scores = torch.tensor([[40.0, -40.0, 0.0, 1.0]], dtype=torch.float16)
    labels = torch.tensor([[0.0, 1.0, 2.0, 0.0]], dtype=torch.float16)
    value, gradient = value_and_gradient(loss, scores, labels)
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert gradient.isfinite().all()
    torch.testing.assert_close(value, loss(scores.float(), labels.float()))
