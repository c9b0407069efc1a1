"""ndcg and dcg: formulas, ties, empty lists, large labels."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_losses import dcg, ndcg


def by_hand(labels_in_order, k=None, gain="exp2"):
    gains = [2.0**y - 1.0 if gain == "exp2" else y for y in labels_in_order]
    return sum(g / math.log2(2.0 + i) for i, g in enumerate(gains[:k]))


label_lists = st.lists(st.integers(0, 4), min_size=1, max_size=8)


@settings(max_examples=60)
@given(label_lists, st.one_of(st.none(), st.integers(1, 10)), st.sampled_from(["exp2", "linear"]))
def test_formula(labels, k, gain):
    y = torch.tensor(labels, dtype=torch.float64)
    scores = -torch.arange(len(labels), dtype=torch.float64)
    found, ideal = by_hand(labels, k, gain), by_hand(sorted(labels, reverse=True), k, gain)
    assert float(dcg(scores, y, k=k, gain=gain)) == pytest.approx(found)
    actual = float(ndcg(scores, y, k=k, gain=gain, empty=0.0))
    assert actual == pytest.approx(found / ideal if ideal else 0.0)


@settings(max_examples=25)
@given(st.data())
def test_average_over_ties_is_the_mean_over_all_orders(data):
    labels = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
    scores = data.draw(st.lists(st.integers(0, 2), min_size=len(labels), max_size=len(labels)))
    k = data.draw(st.one_of(st.none(), st.integers(1, 5)))
    y, s = torch.tensor(labels).double(), torch.tensor(scores).double()
    orders = torch.tensor(list(itertools.permutations(range(len(labels)))))
    # A stable sort of every order of the documents meets every order of the ties equally often.
    mean = ndcg(s[orders], y[orders], k=k, empty=0.0)
    torch.testing.assert_close(ndcg(s, y, k=k, ties="average", empty=0.0), mean)


def test_constant_scores_give_the_expected_value_of_a_random_order():
    labels = torch.tensor([3.0, 0.0, 1.0, 0.0, 2.0], dtype=torch.float64)
    gains = 2.0**labels - 1.0
    discount = 1.0 / torch.log2(torch.arange(2.0, 7.0, dtype=torch.float64))
    ideal = (gains.sort(descending=True).values * discount).sum()
    expected = gains.mean() * discount.sum() / ideal
    for order in itertools.permutations(range(5)):
        actual = ndcg(torch.zeros(5, dtype=torch.float64), labels[list(order)], ties="average")
        torch.testing.assert_close(actual, expected)


def test_stable_ties_keep_the_order_of_the_index():
    assert float(ndcg(torch.zeros(2), torch.tensor([1.0, 0.0]))) == 1.0
    assert float(ndcg(torch.zeros(2), torch.tensor([0.0, 1.0]))) == pytest.approx(1 / math.log2(3))


def test_ties_do_not_reach_into_the_padding():
    scores = torch.tensor([[0.0, 0.0, 0.0]])
    labels = torch.tensor([[0.0, 1.0, 5.0]])
    mask = torch.tensor([[True, True, False]])
    expected = (1.0 + 1.0 / math.log2(3.0)) / 2.0
    assert float(ndcg(scores, labels, mask=mask, ties="average")) == pytest.approx(expected)


def test_lists_without_a_relevant_document():
    scores = torch.tensor([[2.0, 1.0], [2.0, 1.0]])
    labels = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    one = 1.0 / math.log2(3.0)
    assert float(ndcg(scores, labels)) == pytest.approx(one)
    assert float(ndcg(scores, labels, empty=0.0)) == pytest.approx(one / 2.0)
    assert float(ndcg(scores, labels, empty=1.0)) == pytest.approx((one + 1.0) / 2.0)
    assert ndcg(scores, labels, reduction="none").isnan().tolist() == [False, True]
    assert ndcg(scores[1:], labels[1:]).isnan()


def test_lists_of_padding_never_count():
    scores, labels = torch.tensor([[1.0, 2.0]] * 2), torch.tensor([[1.0, 0.0]] * 2)
    mask = torch.tensor([[True, True], [False, False]])
    for empty in ("skip", 0.0, 1.0):
        actual = ndcg(scores, labels, mask=mask, empty=empty)
        torch.testing.assert_close(actual, ndcg(scores[0], labels[0]))


def test_padding_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 6, generator=generator)
    labels = torch.randint(0, 5, (3, 4, 6), generator=generator).float()
    mask = torch.arange(6) < torch.tensor([[6], [3], [2], [5]])
    plain = ndcg(scores, labels, mask=mask, ties="average", reduction="none")
    for garbage in (math.nan, math.inf, -math.inf):
        dirty = ndcg(
            scores.masked_fill(~mask, garbage),
            labels.masked_fill(~mask, garbage),
            mask=mask,
            ties="average",
            reduction="none",
        )
        torch.testing.assert_close(dirty, plain, equal_nan=True)
    for i, n in enumerate(mask.sum(-1).tolist()):
        one = ndcg(scores[i, :n], labels[:, i, :n], ties="average", reduction="none")
        torch.testing.assert_close(plain[:, i], one, equal_nan=True)


def test_infinite_scores_are_ranked():
    labels = torch.tensor([1.0, 0.0, 0.0])
    assert float(ndcg(torch.tensor([math.inf, 0.0, -math.inf]), labels)) == 1.0
    last = ndcg(torch.tensor([-math.inf, 0.0, 1.0]), labels)
    assert float(last) == pytest.approx(0.5)
    # Padding stays behind a real document at -inf.
    mask = torch.tensor([False, False, True])
    assert float(ndcg(torch.tensor([9.0, 9.0, -math.inf]), labels.flip(0), mask=mask)) == 1.0


def test_nan_shows():
    scores = torch.tensor([[math.nan, 1.0], [1.0, 2.0]])
    labels = torch.tensor([[0.0, 0.0], [0.0, 1.0]])  # NaN in the list that "skip" leaves out
    assert ndcg(scores, labels).isnan()
    assert ndcg(scores[1:], labels[1:]) == 1.0


@pytest.mark.parametrize("largest", [127.0, 128.0, 255.0, 30000.0])
def test_large_labels_are_finite_and_right(largest):
    # Beside 2^largest nothing else counts: the value is the discount of its position.
    scores = torch.tensor([3.0, 2.0, 1.0])
    labels = torch.tensor([1.0, largest, 0.0])
    assert float(ndcg(scores, labels)) == pytest.approx(1.0 / math.log2(3.0))
    # Close labels keep their ratio.
    labels = torch.tensor([largest - 1.0, largest, 0.0])
    d = 1.0 / math.log2(3.0)
    assert float(ndcg(scores, labels)) == pytest.approx((0.5 + d) / (1.0 + 0.5 * d))


def test_dcg_of_labels_too_large_says_what_to_use():
    with pytest.raises(ValueError, match=r"`labels` .* 200; use gain=\"linear\""):
        dcg(torch.zeros(2), torch.tensor([200.0, 1.0]))
    assert float(dcg(torch.zeros(1), torch.tensor([200.0]), gain="linear")) == 200.0


def test_weights_enter_gains_and_ideal():
    scores = torch.tensor([2.0, 1.0])
    labels, weights = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 3.0])
    d = 1.0 / math.log2(3.0)
    assert float(ndcg(scores, labels, weights=weights)) == pytest.approx((1 + 3 * d) / (3 + d))


@pytest.mark.parametrize("ties", ["stable", "average"])
def test_compiles_without_a_graph_break(ties):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 6, generator=generator)
    labels = torch.randint(0, 5, (2, 4, 6), generator=generator).float()
    compiled = torch.compile(ndcg, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        compiled(scores, labels, k=3, ties=ties), ndcg(scores, labels, k=3, ties=ties)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gain": "exp"}, "`gain` .* did you mean 'exp2'"),
        ({"ties": "mean"}, "`ties` must be one of 'stable', 'average', got 'mean'"),
        ({"discount": "log"}, "`discount` .* did you mean 'log2'"),
        ({"empty": "zero"}, "`empty` must be \"skip\", 0.0 or 1.0, got 'zero'"),
        ({"k": -1}, "`k` must be a positive int or None, got -1"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        ndcg(torch.zeros(3), torch.zeros(3), **arguments)


@pytest.mark.oracle
@pytest.mark.parametrize("k", [None, 1, 5, 100])
def test_agrees_with_scikit_learn(k):
    # scikit-learn: linear gain, expectation over ties, 0 for a list with nothing relevant.
    peer = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 30, generator=generator, dtype=torch.float64).round(decimals=1)
    labels = torch.randint(0, 3, (20, 30), generator=generator).double()
    labels[0] = 0.0
    arguments = {"k": k, "gain": "linear", "ties": "average"}
    actual = ndcg(scores, labels, empty=0.0, **arguments)
    assert float(actual) == pytest.approx(peer.ndcg_score(labels, scores, k=k), rel=1e-12)
    assert float(dcg(scores, labels, **arguments)) == pytest.approx(
        peer.dcg_score(labels, scores, k=k), rel=1e-12
    )


def test_leading_axes_broadcast_and_the_batch_alone_is_reduced():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 6, generator=generator)
    labels = torch.randint(1, 5, (3, 4, 6), generator=generator).float()
    each = ndcg(scores, labels, reduction="none")
    assert each.shape == (3, 4)
    torch.testing.assert_close(ndcg(scores, labels), each.mean(-1))
    torch.testing.assert_close(ndcg(scores, labels, reduction="sum"), each.sum(-1))
    torch.testing.assert_close(ndcg(scores, labels[1]), each[1].mean())
    per_task = ndcg(scores.expand(3, 4, 6), labels)
    torch.testing.assert_close(per_task, each.mean(-1))


@settings(max_examples=40)
@given(label_lists, st.one_of(st.none(), st.integers(1, 10)), st.integers(0, 2**32))
def test_a_gain_and_a_discount_of_ones_own(labels, k, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    y = torch.tensor(labels, dtype=torch.float64)
    scores = -torch.arange(len(labels), dtype=torch.float64)

    def by_positions(labels_in_order):
        return sum(math.sqrt(x) / r for r, x in enumerate(labels_in_order[:k], 1))

    own = {"k": k, "gain": torch.sqrt, "discount": torch.reciprocal}
    found, ideal = by_positions(labels), by_positions(sorted(labels, reverse=True))
    assert float(dcg(scores[order], y[order], **own)) == pytest.approx(found)
    actual = float(ndcg(scores[order], y[order], empty=0.0, **own))
    assert actual == pytest.approx(found / ideal if ideal else 0.0)


@pytest.mark.parametrize("ties", ["stable", "average"])
@pytest.mark.parametrize("k", [None, 3])
def test_a_function_that_is_the_named_one_gives_the_same(ties, k):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randint(0, 3, (4, 6), generator=generator).double()
    labels = torch.randint(-1, 5, (2, 4, 6), generator=generator).double()
    mask = torch.arange(6) < torch.tensor([[6], [3], [2], [5]])
    weights = torch.rand(4, 6, generator=generator, dtype=torch.float64)
    options = {"mask": mask, "weights": weights, "k": k, "reduction": "none"}
    own = {
        "gain": lambda y: torch.exp2(y.clamp(min=0.0)) - 1.0,
        "discount": lambda r: 1.0 / torch.log2(1.0 + r),
    }
    for metric in (dcg, ndcg):
        for more in ({"ties": ties}, {"ranks": scores + 1.0}):
            expected = metric(scores, labels, **options, **more)
            actual = metric(scores, labels, **options, **more, **own)
            torch.testing.assert_close(actual, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("own", "error", "message"),
    [
        ({"gain": "exp"}, ValueError, r"`gain` must be one of 'exp2', 'linear', got 'exp'"),
        ({"discount": "log"}, ValueError, r"`discount` must be one of 'log2', got 'log'"),
        ({"gain": lambda y: 1.0}, TypeError, r"`gain` must return a tensor, got float"),
        (
            {"discount": lambda r: r.sum()},
            ValueError,
            r"`discount` must return one number per input, .*\(3,\), got \(\)",
        ),
    ],
)
def test_a_gain_or_discount_that_is_none(own, error, message):
    with pytest.raises(error, match=message):
        ndcg(torch.zeros(3), torch.ones(3), **own)
