"""Rankers conditioned on the preference: what they are at one, and that they learn a front."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl2r_models import PreferenceConditioned, Ranker, stratified_preferences

TRUNKS = {
    "transformer": {
        "architecture": "ListTransformer",
        "hidden": 8,
        "layers": 1,
        "heads": 2,
        "feedforward": 16,
    },
    "mlp": {"architecture": "MLPScorer", "hidden": [8, 4], "members": 2},
    "features": {
        "architecture": "MLPScorer",
        "hidden": [8],
        "feature_layers": [{"kind": "cross", "rank": 2}, {"kind": "periodic"}],
    },
    "latent-cross": {
        "architecture": "LatentCross",
        "hidden": 8,
        "blocks": 1,
        "heads": 2,
        "feedforward": 16,
    },
    "set-transformer": {
        "architecture": "SetTransformer",
        "hidden": 8,
        "layers": 1,
        "heads": 2,
        "feedforward": 16,
        "points": 3,
    },
}
every_trunk = pytest.mark.parametrize("trunk", TRUNKS)


def listnet(scores, labels):
    return -(labels.softmax(-1) * scores.log_softmax(-1)).sum(-1).mean(-1)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def conditioned(trunk, num_tasks=None, **options):
    """One whose modulations are not at their start, where they do nothing."""
    model = PreferenceConditioned(
        5, trunk=TRUNKS[trunk], preferences=2, num_tasks=num_tasks, **options
    ).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.modulations.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


@every_trunk
@pytest.mark.parametrize(("rank", "num_tasks"), [(0, None), (2, None), (1, 2)])
def test_the_ranker_at_a_preference_is_an_ordinary_one_with_the_same_scores(trunk, rank, num_tasks):
    model = conditioned(trunk, num_tasks=num_tasks, rank=rank)
    features = draw(3, 6, 5)
    mask = torch.arange(6) < torch.tensor([[6], [4], [2]])
    scores = []
    for preference in ((0.2, 0.8), (0.9, 0.1)):
        ranker = model.at(preference)
        assert type(ranker) is type(model.trunk)
        assert ranker.state_dict().keys() == model.trunk.state_dict().keys()
        model.prefer(preference)
        scores.append(model(features, mask))
        assert torch.equal(model.score(model.encode(features, mask)), scores[-1])
        assert torch.equal(ranker(features, mask), scores[-1])
    assert not torch.allclose(*scores)


@every_trunk
def test_at_the_equal_preference_it_is_its_trunk(trunk):
    model = conditioned(trunk)
    features = draw(2, 4, 5)
    model.prefer((0.5, 0.5))
    found = model(features)
    torch.testing.assert_close(found, model.trunk(features))


def test_at_the_start_the_preference_changes_nothing():
    model = PreferenceConditioned(5, trunk=TRUNKS["mlp"], preferences=2).eval()
    features = draw(2, 4, 5)
    model.prefer((0.1, 0.9))
    assert torch.equal(model(features), model.trunk(features))


def test_a_layer_is_modulated_by_the_formula():
    model = conditioned("mlp", code=3, rank=2)
    preference = torch.tensor([0.2, 0.8])
    code = model.code(preference).tanh() - model.code(torch.tensor([0.5, 0.5])).tanh()
    layer, part = model.trunk.layers[0], model.modulations[model.names.index("layers.0")]
    gamma = 1 + part.scale @ code
    weight = layer.weight + part.up @ torch.diag(part.gate @ code) @ part.down
    found = model.at(preference).layers[0]
    torch.testing.assert_close(found.weight, torch.diag(gamma) @ weight)
    torch.testing.assert_close(found.bias, gamma * layer.bias + part.shift @ code)


def test_the_ranker_at_a_preference_does_not_change_with_the_model():
    model = conditioned("mlp")
    features, ranker = draw(2, 4, 5), model.at((0.3, 0.7))
    before = ranker(features)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert torch.equal(ranker(features), before)


def test_the_ranker_at_a_preference_is_saved_and_loaded(tmp_path):
    ranker = Ranker(conditioned("mlp").at((0.3, 0.7)), feature_ids=range(1, 6))
    ranker.save(tmp_path / "ranker")
    documents = draw(4, 5).numpy()
    loaded = Ranker.load(tmp_path / "ranker")
    assert torch.equal(loaded.scores(documents), ranker.scores(documents))


def test_gradients_reach_trunk_and_modulations():
    model = conditioned("features").train()
    model.prefer((0.3, 0.7))
    model(draw(2, 4, 5)).square().sum().backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert missing == []


def test_it_learns_to_follow_the_preference():
    """Two labels that contradict each other: no single ranker serves both."""
    features = draw(16, 6, 3)
    labels = 3 * torch.stack([features[..., 0], -features[..., 0]])
    generator = torch.Generator().manual_seed(0)
    trunk = {"architecture": "MLPScorer", "hidden": [16], "dropout": 0.0}
    model = PreferenceConditioned(3, trunk=trunk, preferences=2, generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for ray in stratified_preferences(200, 2, generator=generator):
        optimizer.zero_grad()
        model.prefer(ray)
        (ray @ listnet(model(features), labels)).backward()
        optimizer.step()
    found = torch.stack([listnet(model.at((w, 1 - w))(features), labels) for w in (0.1, 0.5, 0.9)])
    assert (found[:, 0].diff() < -0.1).all()
    assert (found[:, 1].diff() > 0.1).all()


@settings(max_examples=30)
@given(count=st.integers(1, 20), num_tasks=st.integers(1, 5), seed=st.integers(0, 99))
def test_stratified_preferences_are_on_the_simplex(count, num_tasks, seed):
    margin = 0.5 / num_tasks
    generator = torch.Generator().manual_seed(seed)
    rays = stratified_preferences(count, num_tasks, margin=margin, generator=generator)
    assert rays.shape == (count, num_tasks)
    torch.testing.assert_close(rays.sum(1), torch.ones(count))
    assert (rays >= margin - 1e-6).all()


@given(count=st.integers(1, 30), seed=st.integers(0, 99))
def test_of_two_tasks_there_is_one_preference_in_every_stratum(count, seed):
    rays = stratified_preferences(count, 2, generator=torch.Generator().manual_seed(seed))
    strata = (rays[:, 0].double() * count).floor().clamp(max=count - 1)
    # Rounding may put one that is at an edge into the next stratum.
    assert (strata.sort().values - torch.arange(count)).abs().max() <= 1


def test_of_several_tasks_each_entry_has_the_distribution_of_the_simplex():
    generator = torch.Generator().manual_seed(0)
    rays = stratified_preferences(4000, 3, generator=generator)
    for entry in rays.T:
        levels = (1 - (1 - entry) ** 2).sort().values  # by the distribution function, Beta(1, 2)
        assert (levels - torch.linspace(0, 1, len(entry))).abs().max() < 0.03


@pytest.mark.parametrize(
    ("preference", "message"),
    [
        ((1.0,), r"`preference` must have 2 entries, got shape \(1,\)"),
        ((0.5, 0.6), "`preference` must be non-negative and sum to 1"),
        ((1.5, -0.5), "`preference` must be non-negative and sum to 1"),
        ((float("nan"), 1.0), "`preference` must be non-negative and sum to 1"),
    ],
)
def test_bad_preferences_are_named(preference, message):
    model = conditioned("mlp")
    for wrong in (model.at, model.prefer):
        with pytest.raises(ValueError, match=message):
            wrong(preference)
    assert model.preference.tolist() == [0.5, 0.5]


def test_an_unknown_trunk_is_named():
    with pytest.raises(ValueError, match=r"`trunk` must have an `architecture` of .*got 'MLP'"):
        PreferenceConditioned(5, trunk={"architecture": "MLP"}, preferences=2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"trunk": "MLPScorer"}, TypeError, "`trunk` must be a dict of options, got 'MLPScorer'"),
        (
            {"trunk": {"architecture": "MLPScorer", "num_tasks": 2}},
            TypeError,
            "`num_tasks` must be an argument beside `trunk`, got 2 in `trunk`",
        ),
        ({"rank": -1}, ValueError, "`rank` must be at least 0, got -1"),
        ({"rank": None}, TypeError, "`rank` must be an int, got None"),
        ({"code": 0}, ValueError, "`code` must be at least 1, got 0"),
    ],
)
def test_bad_options_are_named(options, error, message):
    options = {"trunk": {"architecture": "MLPScorer", "hidden": [4]}, **options}
    with pytest.raises(error, match=message):
        PreferenceConditioned(5, preferences=2, **options)


def test_the_preference_is_part_of_what_is_saved(tmp_path):
    model = conditioned("mlp")
    model.prefer((0.3, 0.7))
    Ranker(model, feature_ids=range(1, 6)).save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker").model
    features = draw(2, 4, 5)
    assert torch.equal(loaded(features), model(features))
    assert torch.equal(loaded.at((0.9, 0.1))(features), model.at((0.9, 0.1))(features))


@pytest.mark.parametrize("preference", ["ab", None, ("a", "b")])
def test_preferences_that_are_no_numbers_are_named(preference):
    with pytest.raises(TypeError, match="`preference` must be numbers, got"):
        conditioned("mlp").at(preference)


def test_a_bad_margin_is_named():
    with pytest.raises(TypeError, match="`margin` must be a number, got '0'"):
        stratified_preferences(3, 2, margin="0")
    with pytest.raises(ValueError, match=r"`margin` must be in \[0, 0.5\), got 0.5"):
        stratified_preferences(3, 2, margin=0.5)
