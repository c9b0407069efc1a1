"""The feature layers: their formulas, what they take from training documents, and their stack."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mtl2r_models import MLPScorer
from mtl2r_models.feature_layers import (
    KINDS,
    Cross,
    FeatureLayers,
    FeatureNoise,
    LogScale,
    Periodic,
    PiecewiseLinear,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


columns = st.lists(st.integers(-5, 5), min_size=1, max_size=40)


def quantiles(values, bins):
    """Linear between order statistics, with exact places: rounding makes no edges of its own."""
    ordered = np.sort(np.array(values, dtype=np.float64))
    places = [Fraction(t * (len(values) - 1), bins) for t in range(bins + 1)]
    below = np.array([math.floor(place) for place in places])
    between = np.array([float(place - math.floor(place)) for place in places])
    above = np.minimum(below + 1, len(values) - 1)
    return ordered[below] + between * (ordered[above] - ordered[below])


@given(values=columns, bins=st.integers(1, 8))
@example(values=[0] * 7 + [1] * 4, bins=5)
def test_the_bins_are_between_the_different_quantiles(values, bins):
    layer = PiecewiseLinear(1, bins=bins)
    layer.fit(torch.tensor(values, dtype=torch.float32)[:, None])
    edges = np.unique(quantiles(values, bins))
    there = layer.slope[0] > 0
    np.testing.assert_allclose(layer.left[0][there], edges[:-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(1 / layer.slope[0][there], np.diff(edges), rtol=1e-5)


@given(values=columns, bins=st.integers(1, 8), seed=st.integers(0, 99))
def test_the_encodings_times_their_widths_add_up_to_the_value(values, bins, seed):
    documents = torch.tensor(values, dtype=torch.float32)[:, None]
    layer = PiecewiseLinear(1, bins=bins)
    layer.fit(documents)
    x = torch.cat([documents, 8 * draw(9, 1, seed=seed)])  # beyond the edges as well
    there = layer.slope[0] > 0
    encoded = layer(x)
    assert torch.equal(encoded[:, ~there], torch.zeros(len(x), int((~there).sum())))
    if there.any():
        total = documents.min() + (encoded[:, there] / layer.slope[0][there]).sum(-1)
        torch.testing.assert_close(total, x[:, 0], rtol=1e-4, atol=1e-4)
        inside = encoded[: len(documents)]
        assert (inside >= -1e-5).all()
        assert (inside <= 1 + 1e-5).all()
        # One bin after the other fills up.
        for later in range(1, int(there.sum())):
            begun = encoded[:, there][:, later] > 0
            assert (encoded[:, there][:, later - 1][begun] >= 1).all()


def test_a_constant_feature_adds_nothing():
    layer = PiecewiseLinear(2, bins=4)
    layer.fit(torch.tensor([[3.0, 1e8], [3.0, 1e8 + 8]]))  # within the rounding of float32
    assert not layer(draw(5, 2)).any()


def test_embeddings_are_a_linear_layer_per_feature_and_relu():
    plain, layer = PiecewiseLinear(3, bins=4), PiecewiseLinear(3, bins=4, embedding=2)
    x = draw(2, 5, 3)
    encoded = plain(x).unflatten(-1, (3, 4))
    with torch.no_grad():
        layer.bias.copy_(draw(3, 2))
    expected = torch.stack(
        [torch.relu(encoded[..., f, :] @ layer.weight[f] + layer.bias[f]) for f in range(3)], -2
    )
    torch.testing.assert_close(layer(x), expected.flatten(-2))


def test_before_the_fit_the_edges_are_normal_quantiles():
    layer = PiecewiseLinear(1, bins=4)
    quartile = 0.674490
    torch.testing.assert_close(layer.left[0, 1:], torch.tensor([-quartile, 0.0, quartile]))


def test_quantiles_of_many_documents_are_those_of_a_sample(monkeypatch):
    monkeypatch.setattr("mtl2r_models.feature_layers._piecewise_linear._DOCUMENTS", 100)
    layer, sampled = PiecewiseLinear(2, bins=4), PiecewiseLinear(2, bins=4)
    documents = draw(1000, 2)
    layer.fit(documents)
    sampled.fit(documents[::10])
    assert torch.equal(layer.left, sampled.left)


def test_periodic_is_the_formula():
    layer = Periodic(2, frequencies=3, sigma=0.5, embedding=4)
    x = draw(5, 2)
    waves = []
    for f in range(2):
        phase = 2 * math.pi * layer.frequencies[f] * x[:, f : f + 1]
        waves.append(torch.relu(layer.linear(torch.cat([phase.sin(), phase.cos()], -1))))
    torch.testing.assert_close(layer(x), torch.cat(waves, -1))


def test_the_frequencies_have_the_given_spread():
    layer = Periodic(100, frequencies=100, sigma=0.25)
    layer.reset_parameters(torch.Generator().manual_seed(0))
    assert layer.frequencies.std().item() == pytest.approx(0.25, rel=0.03)


@given(seed=st.integers(0, 99))
def test_log_scale_begins_as_log1p_and_is_odd_and_increasing(seed):
    layer = LogScale(3)
    x = 5 * draw(6, 3, seed=seed)
    torch.testing.assert_close(layer(x), x.sign() * torch.log1p(x.abs()))
    with torch.no_grad():
        layer.strength.copy_(draw(3, seed=seed))
        layer.scale.copy_(draw(3, seed=seed).exp())
    torch.testing.assert_close(layer(-x), -layer(x))
    assert (layer(x.sort(dim=0).values).diff(dim=0) >= 0).all()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_cross_layers_are_the_recursion_and_a_polynomial_of_their_degree(layers):
    layer = Cross(4, layers=layers).double()
    x0 = x = draw(3, 4).double()
    for weight in layer.weights:
        x = x0 * (x @ weight.weight.T + weight.bias) + x
    torch.testing.assert_close(layer(x0), x)
    # Along t x0 the differences of order degree + 1 vanish, and those of the degree do not.
    values = torch.stack([layer(t * x0) for t in range(layers + 4)])
    scale = values.abs().max()
    assert values.diff(n=layers + 2, dim=0).abs().max() < 1e-9 * scale
    assert values.diff(n=layers + 1, dim=0).abs().max() > 1e-6 * scale


def test_low_rank_is_a_product_of_two_matrices():
    layer = Cross(6, layers=1, rank=2)
    (pair,) = layer.weights
    x = draw(3, 6)
    weight = pair[1].weight @ pair[0].weight
    assert torch.linalg.matrix_rank(weight) <= 2
    torch.testing.assert_close(layer(x), x * (x @ weight.T + pair[1].bias) + x)


def test_noise_has_the_given_spread_in_training_and_is_none_in_evaluation():
    layer = FeatureNoise(4, sigma=0.2)
    x = draw(5000, 4)
    noise = layer.train()(x) - x
    assert noise.mean().abs() < 0.01
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)
    assert torch.equal(layer.eval()(x), x)


def test_each_layer_is_fitted_to_what_the_ones_before_give():
    layers = FeatureLayers(2, [{"kind": "log_scale"}, {"kind": "piecewise_linear", "bins": 3}])
    documents = draw(50, 2)
    layers.fit(documents)
    alone = PiecewiseLinear(2, bins=3)
    alone.fit(layers[0](documents).detach())
    assert torch.equal(layers[1].left, alone.left)
    assert layers.training


def test_noise_does_not_disturb_the_fit():
    noisy = FeatureLayers(2, [{"kind": "noise", "sigma": 9.0}, {"kind": "piecewise_linear"}])
    noisy.fit(draw(50, 2))
    alone = PiecewiseLinear(2)
    alone.fit(draw(50, 2))
    assert torch.equal(noisy[1].left, alone.left)


@settings(max_examples=20)
@given(kinds=st.lists(st.sampled_from(sorted(KINDS)), max_size=3))
def test_any_stack_has_the_width_it_says(kinds):
    layers = FeatureLayers(3, [{"kind": kind} for kind in kinds])
    assert layers(draw(2, 4, 3)).shape == (2, 4, layers.width)


def test_what_was_fitted_is_saved_with_the_ranker():
    options = {"hidden": (4,), "feature_layers": [{"kind": "piecewise_linear", "bins": 3}]}
    model, twin = MLPScorer(2, **options).eval(), MLPScorer(2, **options).eval()
    model.fit_features(10 + draw(50, 2))
    twin.load_state_dict(model.state_dict())
    x = 10 + draw(2, 4, 2, seed=1)
    assert torch.equal(twin(x), model(x))
    assert model.inputs[0].left.min() > 5


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "periodics"}, r"`kind` .*got 'periodics'; did you mean 'periodic'\?"),
        ({}, "`kind` of a feature layer must be one of .*got None"),
        ({"kind": "cross", "depth": 2}, "'cross': .* no argument `depth`, only layers, rank"),
        ({"kind": "cross", "layers": 0}, "`layers` must be at least 1, got 0"),
        ({"kind": "cross", "rank": 0}, "`rank` must be at least 1, got 0"),
        ({"kind": ["noise"]}, r"`kind` .*got \['noise'\]"),
        ({"kind": "noise", "sigma": "a"}, "`sigma` must be a number, got 'a'"),
        ({"kind": "noise", "sigma": -1.0}, "`sigma` must be finite and at least 0, got -1.0"),
        ({"kind": "periodic", "sigma": 0.0}, "`sigma` must be finite and above 0, got 0.0"),
        ({"kind": "piecewise_linear", "bins": 0}, "`bins` must be at least 1, got 0"),
        ({"kind": "piecewise_linear", "bins": 2.5}, "`bins` must be an int, got 2.5"),
    ],
)
def test_bad_configs_are_named(config, message):
    with pytest.raises(ValueError, match=message):
        FeatureLayers(3, [config])


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (torch.zeros(0, 2), r"at least one document, got \(0, 2\)"),
        (torch.zeros(4, 3), r"`features` must be \(document, 2\) .*got \(4, 3\)"),
        (torch.tensor([[0.0, float("nan")]]), "`features` must be finite"),
    ],
)
def test_bad_training_documents_are_named(documents, message):
    with pytest.raises(ValueError, match=message):
        PiecewiseLinear(2).fit(documents)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_bin_too_narrow_for_half_precision_spreads_no_nan(dtype):
    layer = PiecewiseLinear(1, bins=4)
    layer.fit(torch.tensor([0.0, 1e-5, 2e-5, 0.5, 1.0])[:, None])
    assert layer.slope.max() > torch.finfo(torch.float16).max
    encoded = layer.to(dtype)(layer.left.T.to(dtype))
    assert (encoded >= 0).all()
    assert (encoded <= 1).all()
    assert (encoded.diff(dim=0) >= 0).all()
    assert torch.equal(encoded[3, :3], torch.ones(3, dtype=dtype))


def test_a_far_value_behind_a_narrow_bin_is_finite_in_half_precision():
    layer = PiecewiseLinear(1, bins=2)
    layer.fit(torch.tensor([[0.0], [1.0], [1.0 + 1e-5]]))
    assert torch.isfinite(layer.half()(torch.tensor([[-9.0], [9.0]]).half())).all()
