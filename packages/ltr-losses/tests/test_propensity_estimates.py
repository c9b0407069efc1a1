"""Propensities from logs of ordinary rankings: `intervention_harvesting` and `regression_em`."""

import math
from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_losses import (
    intervention_harvesting,
    position_based_clicks,
    power_law_propensity,
    regression_em,
    softmax_loss,
)

ESTIMATORS = ["all_pairs", "pivot", "adjacent_chain"]


def em(item, position, click, *, count=None):
    return regression_em(
        item, position, click, count=count, iterations=50, tolerance=0.0
    ).propensity


FUNCTIONS = [intervention_harvesting, em]


def random_log(seed, *, documents=12, positions=4, most=9):
    """Random clicks, that follow no model: item, position, click rate, count."""
    generator = torch.Generator().manual_seed(seed)
    item, position = (torch.rand(documents, positions, generator=generator) < 0.6).nonzero().T
    count = torch.randint(1, most, item.shape, generator=generator)
    clicks = (torch.rand(item.shape, generator=generator) * (count + 1)).long().clamp(max=most)
    return item, position + 1, torch.minimum(clicks, count).double() / count, count


def by_hand(item, position, rate):
    """The click rates at k of the documents that were shown at both k and l, and their number."""
    rates = defaultdict(dict)
    for i, k, y in zip(item.tolist(), position.tolist(), rate.tolist(), strict=True):
        rates[i][k - 1] = y
    size = int(position.max())
    clicks, documents = torch.zeros(2, size, size, dtype=torch.float64)
    for at in rates.values():
        for k in at:
            for other in at:
                if k != other:
                    clicks[k, other] += at[k]
                    documents[k, other] += 1.0
    return clicks, documents


def best_likelihood(p, clicks, documents):
    """The log-likelihood of AllPairs at the best r for p, by bisection."""
    p, misses = p.unsqueeze(-1), documents - clicks
    top = 1.0 / torch.maximum(p, p.T)
    low, high = torch.zeros_like(clicks), top
    for _ in range(100):
        r = (low + high) / 2.0
        slope = clicks / r - misses * p / (1.0 - p * r)
        rises = slope + slope.T > 0
        low, high = torch.where(rises, r, low), torch.where(rises, high, r)
    return (torch.xlogy(clicks, p * low) + torch.xlogy(misses, 1.0 - p * low)).sum()


def rankings(rankers, queries, documents, relevance, p, generator):
    """One click log: each query is ranked by a random one of the rankers."""
    query = torch.randint(relevance.shape[0], (queries,), generator=generator)
    scores = rankers[torch.randint(len(rankers), (queries,), generator=generator), query]
    clicks = position_based_clicks(scores, relevance[query], p, generator=generator)
    position = scores.argsort(-1, descending=True).argsort(-1) + 1
    item = query.unsqueeze(-1) * documents + torch.arange(documents)
    return item.flatten(), position.flatten(), clicks.flatten().double()


@pytest.fixture(scope="module")
def search_engine():
    """Five rankers, none of them good, of four queries with five documents each."""
    generator = torch.Generator().manual_seed(0)
    relevance = 0.2 + 0.7 * torch.rand(4, 5, generator=generator)
    rankers = relevance + 0.5 * torch.randn(5, 4, 5, generator=generator)
    p = power_law_propensity(torch.arange(1, 6))
    return rankers, relevance, p


# Interventions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(seed=st.integers(0, 10**6), positions=st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_the_rates_of_the_model_give_its_propensities(estimator, seed, positions):
    """Whatever the relevance, who was shown where, and how often."""
    generator = torch.Generator().manual_seed(seed)
    relevance = 0.02 + 0.95 * torch.rand(20, generator=generator, dtype=torch.float64)
    p = 0.05 + 0.95 * torch.rand(positions, generator=generator, dtype=torch.float64)
    shown = torch.rand(20, positions, generator=generator) < 0.3
    shown[0] = True
    item, place = shown.nonzero().T
    count = torch.randint(1, 1000, item.shape, generator=generator)
    rate = p[place] * relevance[item]
    found = intervention_harvesting(item, place + 1, rate, count=count, estimator=estimator)
    torch.testing.assert_close(found, p / p[0], rtol=1e-8, atol=0.0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_two_positions_have_the_ratio_of_their_weighted_clicks(estimator, seed):
    item, position, rate, count = random_log(seed, positions=2)
    clicks, _ = by_hand(item, position, rate)
    found = intervention_harvesting(item, position, rate, count=count, estimator=estimator)
    expected = clicks[1, 0] / clicks[0, 1] if clicks[0, 1] > 0 else torch.tensor(math.nan)
    if int(position.max()) == 2 and int(position.min()) == 1:
        torch.testing.assert_close(found[1], expected.double(), rtol=1e-5, atol=0.0, equal_nan=True)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_no_other_propensities_are_likelier(seed):
    item, position, rate, count = random_log(seed)
    found = intervention_harvesting(item, position, rate, count=count)
    if not bool((found > 0).all()):
        return
    tables = by_hand(item, position, rate)
    best = best_likelihood(found, *tables)
    generator = torch.Generator().manual_seed(seed)
    for size in (0.01, 0.1, 1.0):
        move = size * torch.randn(found.shape, generator=generator, dtype=torch.float64)
        assert best_likelihood(found * move.exp(), *tables) <= best + 1e-6


def test_figures_of_another_implementation():
    """ultr-bias-toolkit 0.0.5 on the same log; its AllPairs by 5000 steps of Adam."""
    rows = []
    for d in range(24):
        for j in range(4):
            if (d + j) % 4 == 3 or (d % 3 == 0 and j == d % 4):
                continue
            shown = 20 + (7 * d + 5 * j) % 11
            clicks = (shown * (1 + d % 5)) // (7 * (j + 1)) + (d + j) % 2
            rows += [(d, j + 1, float(c < clicks)) for c in range(shown)]
    item, position, click = (torch.tensor(column) for column in zip(*rows, strict=True))
    for estimator, expected, tolerance in (
        ("pivot", [1.0, 0.49348798, 0.30414471, 0.24946907], 1e-7),
        ("adjacent_chain", [1.0, 0.49348798, 0.31900254, 0.24139616], 1e-7),
        ("all_pairs", [1.0, 0.50379205, 0.31499964, 0.23629101], 1e-5),
    ):
        found = intervention_harvesting(item, position, click.double(), estimator=estimator)
        torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=tolerance, atol=0)


def test_documents_that_are_always_clicked():
    """The first and the third position never miss: the maximum is at an edge, p_1 = p_3."""
    item, position = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([1, 2, 1, 2, 3])
    click = torch.tensor([1.0, 0.5, 1.0, 0.25, 1.0], dtype=torch.float64)
    found = intervention_harvesting(item, position, click)
    torch.testing.assert_close(found[2], torch.tensor(1.0).double(), rtol=1e-5, atol=0.0)
    tables = by_hand(item, position, click)
    for move in 0.01 * torch.tensor([[0.0, 1, 0], [0, -1, 0], [0, 0, -1], [0, 0, 1]]):
        assert best_likelihood(found * move.exp(), *tables) < best_likelihood(found, *tables)


# Both methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_order_names_and_repeated_rows_change_nothing(function, seed):
    item, position, rate, count = random_log(seed)
    found = function(item, position, rate, count=count)

    def same(*log, count):
        torch.testing.assert_close(
            function(*log, count=count), found, rtol=1e-6, atol=1e-9, equal_nan=True
        )

    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(item), generator=generator)
    same(item[order], position[order], rate[order], count=count[order])
    same(2**40 - 7 * item, position, rate, count=count)
    clicked = (rate * count).round().long()
    rows = torch.arange(len(item)).repeat_interleave(count)
    nth = torch.cat([torch.arange(n) for n in count.tolist()])
    same(item[rows], position[rows], (nth < clicked[rows]).double(), count=None)
    if function is intervention_harvesting:
        # A document weighs the same however often it was shown.
        same(item, position, rate, count=torch.randint(1, 9, count.shape, generator=generator))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_both_methods_know_the_same_positions(seed):
    item, position, rate, _ = random_log(seed, documents=4, positions=6, most=2)
    harvested = intervention_harvesting(item, position, rate)
    fitted = regression_em(item, position, rate, iterations=20).propensity
    if harvested.isfinite().any():
        assert torch.equal(harvested.isnan(), fitted.isnan())


def test_what_nothing_identifies_is_nan():
    def harvest(*rows):
        item, position, click = zip(*rows, strict=True)
        return intervention_harvesting(
            torch.tensor(item), torch.tensor(position), torch.tensor(click).double()
        )

    swapped = [(0, 1, 0.8), (0, 2, 0.4)]
    # Documents that never moved tell nothing, nor do positions of an island (3 and 4) or a gap (5).
    island = harvest(*swapped, (1, 3, 0.5), (1, 4, 0.5), (2, 6, 0.5))
    assert island.isnan().tolist() == [False, False, True, True, True, True]
    assert harvest((0, 1, 0.8), (1, 2, 0.4)).isnan().all()
    # A bridge joins the island.
    torch.testing.assert_close(
        harvest(*swapped, (1, 3, 0.5), (1, 4, 0.5), (2, 2, 0.2), (2, 4, 0.1)),
        torch.tensor([1.0, 0.5, 0.25, 0.25]).double(),
    )
    # Clicks at one end alone: the ratio is 0, or, against the first position, infinite.
    never = harvest(*swapped, (1, 2, 0.5), (1, 3, 0.0))
    torch.testing.assert_close(never[:2], torch.tensor([1.0, 0.5]).double())
    assert never[2] == 0.0
    one_way = harvest(*swapped, (1, 2, 0.0), (1, 3, 0.5))
    assert one_way.isnan().tolist() == [False, False, True]
    assert harvest((0, 1, 0.0), (0, 2, 0.4)).isnan().all()
    # Nothing was shown first.
    assert harvest((0, 2, 0.8), (0, 3, 0.4)).isnan().tolist() == [True, True, True]


def test_far_positions_cost_nothing():
    item, position = torch.tensor([0, 0]), torch.tensor([1, 10**6])
    click = torch.tensor([0.8, 0.2])
    found = intervention_harvesting(item, position, click)
    assert found.shape == (10**6,)
    assert found[~found.isnan()].tolist() == [1.0, 0.25]
    assert intervention_harvesting(item, position, click, estimator="adjacent_chain")[-1].isnan()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_types_of_clicks(function):
    item, position = torch.tensor([0, 0, 0, 0]), torch.tensor([1, 1, 2, 2])
    click = torch.tensor([True, True, True, False])
    results = [function(item, position, click.to(d)) for d in (torch.bool, torch.int64)]
    assert [r.dtype for r in results] == [torch.float32, torch.float32]
    torch.testing.assert_close(results[0], torch.tensor([1.0, 0.5]), rtol=1e-2, atol=0.0)
    small = function(item.to(torch.uint8), position.to(torch.uint8), click.float())
    assert torch.equal(small, results[0])
    exact = function(item, position, click.double().requires_grad_())
    assert exact.dtype == torch.float64
    assert not exact.requires_grad


@pytest.mark.parametrize("function", [intervention_harvesting, regression_em])
def test_errors_of_the_log(function):
    item, position, click = torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([1.0, 0.0])
    for bad, error, message in (
        ({"position": position - 1}, ValueError, "`position` must be 1 or more, got 0"),
        ({"position": position.float()}, TypeError, "`position` must be of an integer type"),
        ({"item": item.float()}, TypeError, "`item` must be of an integer type, got torch.float32"),
        ({"item": item == 0}, TypeError, "`item` must be of an integer type, got torch.bool"),
        ({"item": [0, 0]}, TypeError, "`item` must be a tensor, got list"),
        ({"click": 2.0 * click}, ValueError, r"`click` must be in 0\.\.1, got 2.0"),
        ({"click": click * math.nan}, ValueError, r"`click` must be in 0\.\.1, got nan"),
        ({"click": torch.ones(3)}, ValueError, r"`click` must be \(impression,\).*\(3,\)"),
        ({"item": torch.zeros(1, 2).long()}, ValueError, r"`item` must be \(impression,\)"),
        ({"count": torch.tensor([1, 0])}, ValueError, "`count` must be finite and positive, got 0"),
        ({"count": torch.ones(1)}, ValueError, r"`count` must be \(impression,\)"),
    ):
        with pytest.raises(error, match=message):
            function(**({"item": item, "position": position, "click": click} | bad))
    empty = torch.zeros(0).long()
    with pytest.raises(ValueError, match=r"`position` must be \(impression,\), one or more"):
        function(empty, empty, empty)


def test_an_unknown_estimator():
    item, position, click = torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([1.0, 0.0])
    with pytest.raises(ValueError, match=r"`estimator` must be one of .* did you mean 'pivot'"):
        intervention_harvesting(item, position, click, estimator="pivots")


# Simulated clicks --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*ESTIMATORS, "regression_em"])
def test_estimates_of_simulated_clicks(search_engine, method):
    """Their mean is the truth, within 5 standard errors; four times the log halves the error."""
    rankers, relevance, p = search_engine
    generator = torch.Generator().manual_seed(1)
    logs, deviations = 30, []
    for queries in (2000, 8000):
        found = []
        for _ in range(logs):
            log = rankings(rankers, queries, 5, relevance, p, generator)
            if method == "regression_em":
                found.append(regression_em(*log, iterations=100).propensity)
            else:
                found.append(intervention_harvesting(*log, estimator=method))
        values = torch.stack(found).log()
        deviations.append(values.std(0)[1:])
    # Of the larger logs, where the bias of a ratio is a few per cent of its deviation.
    error = (values.mean(0) - p.double().log())[1:].abs()
    assert (error <= 5.0 * deviations[1] / math.sqrt(logs)).all()
    # A deviation from 30 logs has a relative error of 1/√58, the ratio of two of 1/√29.
    ratio = (deviations[0] / deviations[1]).log().mean()
    assert abs(float(ratio) - math.log(2.0)) <= 3.0 / math.sqrt(29)


def test_the_error_of_two_positions_is_that_of_their_rates():
    """By the delta method: Var log p̂ = Σ Var(rates at 1) / c_1² + Σ Var(rates at 2) / c_2²."""
    generator = torch.Generator().manual_seed(2)
    relevance = torch.tensor([0.9, 0.5, 0.3, 0.1], dtype=torch.float64)
    item, position = torch.arange(4).repeat(2), torch.tensor([1, 2]).repeat_interleave(4)
    chance = relevance[item] / position
    count = torch.tensor([400, 100, 300, 900, 50, 200, 1000, 100]).double()
    found = []
    for _ in range(400):
        rate = torch.binomial(count, chance, generator=generator) / count
        found.append(intervention_harvesting(item, position, rate, count=count)[1].log())
    noise = (chance * (1.0 - chance) / count).view(2, 4).sum(-1)
    deviation = (noise / chance.view(2, 4).sum(-1).square()).sum().sqrt()
    values = torch.stack(found)
    # A deviation from 400 logs has a relative error of 1/√798.
    torch.testing.assert_close(values.std(), deviation, rtol=4.0 / math.sqrt(798), atol=0.0)
    assert abs(float(values.mean()) - math.log(0.5)) <= 4.0 * float(deviation) / 20.0


def test_two_impressions_of_each_document_are_enough_for_interventions_alone():
    """A table of relevance has as many parameters as the log has documents, and bends θ."""
    found, fitted = [], []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        relevance = 0.6 * torch.rand(10000, generator=generator)
        item = torch.arange(10000).repeat_interleave(2)
        position = torch.randint(1, 4, item.shape, generator=generator)
        click = torch.bernoulli(relevance[item] / position, generator=generator)
        found.append(intervention_harvesting(item, position, click)[1:])
        fitted.append(regression_em(item, position, click, iterations=100).propensity[1:])
    truth = torch.tensor([1 / 2, 1 / 3]).log()

    def standard_errors(values):
        values = torch.stack(values).log()
        return (values.mean(0) - truth).abs() / (values.std(0) / math.sqrt(8))

    assert (standard_errors(found) <= 4.0).all()
    assert standard_errors(fitted)[1] > 8.0


@pytest.mark.parametrize("method", ["all_pairs", "regression_em"])
def test_the_inverse_of_an_estimate_undoes_the_bias(search_engine, method):
    rankers, relevance, p = search_engine
    generator = torch.Generator().manual_seed(3)
    log = rankings(rankers, 60000, 5, relevance, p, generator)
    if method == "all_pairs":
        estimate = intervention_harvesting(*log).float()
    else:
        estimate = regression_em(*log).propensity.float()
    # A new ranker, its clicks, and the average of those over the estimate.
    n = 40000
    r, scores = relevance[0], torch.arange(5.0)
    clicks = position_based_clicks(scores.expand(n, 5), r.expand(n, 5), p, generator=generator)
    shown = torch.tensor([4, 3, 2, 1, 0])
    weights = 1.0 / estimate[shown]
    average = (weights * clicks).mean(0)
    chance = p[shown] * r
    deviation = (chance * (1.0 - chance) / n).sqrt() / p[shown]
    # 4 of the clicks' deviations, and what the estimate itself is off by.
    off = r * (p[shown] / estimate[shown] - 1.0).abs()
    assert off.max() <= 0.03
    assert ((average - r).abs() <= 4.0 * deviation + off).all()
    assert (clicks.mean(0)[:4] < 0.6 * r[:4]).all()  # what the bias takes
    s = torch.tensor([0.5, -0.5, 0.1, 0.0, 0.2], requires_grad=True)
    loss = softmax_loss(s.expand(n, 5), clicks, weights=weights, reduction="sum") / n
    (gradient,) = torch.autograd.grad(loss, s)
    torch.testing.assert_close(gradient, s.detach().softmax(-1) * r.sum() - r, rtol=0.1, atol=0.03)


# Expectation maximisation ------------------------------------------------------------------------


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_likelihood_never_falls_and_is_that_of_the_result(seed):
    item, position, rate, count = random_log(seed)
    fitted = regression_em(item, position, rate, count=count, iterations=40, tolerance=0.0)
    history = fitted.log_likelihood
    assert (history.diff() >= -1e-12 * history[1:].abs()).all()
    chance = fitted.propensity[position - 1] * fitted.relevance
    if not bool(chance.isnan().any()):
        terms = torch.xlogy(rate, chance) + torch.xlogy(1.0 - rate, 1.0 - chance)
        torch.testing.assert_close((count * terms).sum(), history[-1], rtol=1e-9, atol=1e-9)


def test_with_one_document_of_each_pair_both_methods_are_one():
    """Then r of a pair is the relevance of its document, and the two likelihoods are the same."""
    pairs = torch.combinations(torch.arange(1, 5))
    item, position = torch.arange(6).repeat_interleave(2), pairs.flatten()
    noise = torch.Generator().manual_seed(0)
    rate = 0.5 / position + 0.1 * torch.rand(12, generator=noise, dtype=torch.float64)
    harvested = intervention_harvesting(item, position, rate)
    fitted = regression_em(item, position, rate, iterations=5000, tolerance=0.0).propensity
    torch.testing.assert_close(fitted, harvested, rtol=1e-6, atol=0.0)
    # The noise keeps the ratios from being those of the model.
    assert (harvested * torch.arange(1, 5) - 1.0).abs().max() > 0.02


def test_the_table_is_a_regression_on_the_item():
    item, position, rate, count = random_log(3)
    seen = []

    def fit(targets):
        seen.append(targets)
        total = torch.zeros(12, dtype=targets.dtype).index_add(0, item, count * targets)
        return (total / torch.zeros(12).index_add(0, item, count.float()))[item]

    table = regression_em(item, position, rate, count=count, iterations=30)
    model = regression_em(None, position, rate, count=count, relevance=fit, iterations=30)
    for a, b in zip(table, model, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)
    assert len(seen) == len(model.log_likelihood)
    assert seen[0].shape == rate.shape
    # At a click the document was relevant for sure.
    assert all(torch.equal(t[rate == 1.0], torch.ones_like(t[rate == 1.0])) for t in seen)
    assert all(((t >= rate) & (t <= 1.0)).all() for t in seen)


def test_features_tell_what_a_fixed_ranking_does_not():
    """Every document has one position. A logistic model of a feature finds the propensities."""
    generator = torch.Generator().manual_seed(4)
    n = 1000
    x = torch.randn(n, generator=generator, dtype=torch.float64)
    position = torch.randint(1, 5, (n,), generator=generator)
    rate = torch.sigmoid(1.5 * x - 0.5) / position
    design = torch.stack([x, torch.ones_like(x)], dim=1)
    weights = torch.zeros(2, dtype=torch.float64)

    def fit(targets):
        """Fit the logistic regression by Newton's method, which ends at one place everywhere."""
        for _ in range(5):
            p = torch.sigmoid(design @ weights)
            hessian = (design * (p * (1.0 - p))[:, None]).T @ design
            weights.add_(torch.linalg.solve(hessian, design.T @ (targets - p)))
        return torch.sigmoid(design @ weights)

    fitted = regression_em(None, position, rate, relevance=fit, iterations=300, tolerance=0.0)
    torch.testing.assert_close(
        fitted.propensity, 1.0 / torch.arange(1, 5).double(), rtol=0.002, atol=0.0
    )
    assert regression_em(torch.arange(n), position, rate).propensity[1:].isnan().all()


def test_ends_at_the_tolerance():
    item, position, rate, count = random_log(5)
    log = {"item": item, "position": position, "click": rate, "count": count}
    gains = regression_em(**log, iterations=200, tolerance=0.0).log_likelihood
    history = regression_em(**log, iterations=200, tolerance=1e-5).log_likelihood
    n = len(history)
    assert 2 < n < 200
    assert torch.equal(history, gains[:n])
    steps = gains.diff() / gains[1:].abs()
    assert (steps[: n - 2] > 1e-5).all()
    assert steps[n - 2] <= 1e-5


def test_errors_of_regression_em():
    item, position, click = torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([1.0, 0.0])
    for bad, error, message in (
        ({"item": None}, ValueError, "`item` must be a tensor where `relevance` is None"),
        ({"iterations": 0}, ValueError, "`iterations` must be a positive int, got 0"),
        ({"tolerance": -1.0}, ValueError, "`tolerance` must be finite and not negative"),
        ({"relevance": 3}, TypeError, "`relevance` must be a function"),
        ({"relevance": lambda t: t[:1]}, ValueError, r"`relevance` must give \(2,\) probabilities"),
        ({"relevance": lambda t: t - 1.0}, ValueError, r"in 0\.\.1, got \(2,\), from -"),
        ({"relevance": lambda t: 0.5}, TypeError, "`relevance` must give a tensor, got float"),
    ):
        with pytest.raises(error, match=message):
            regression_em(**({"item": item, "position": position, "click": click} | bad))
