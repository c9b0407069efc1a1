"""What every ranker keeps, whatever its encoder and its head. A new one joins by one line."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl2r_models import (
    LatentCross,
    ListTransformer,
    MLPScorer,
    PreferenceConditioned,
    SetTransformer,
)

FEATURES, TASKS = 5, 3
FEATURE_LAYERS = [
    {"kind": "noise", "sigma": 0.1},
    {"kind": "log_scale"},
    {"kind": "cross", "layers": 1, "rank": 2},
    {"kind": "periodic", "frequencies": 3, "embedding": 2},
    {"kind": "piecewise_linear", "bins": 3, "embedding": 2},
]
SIZES = {"hidden": 16, "layers": 2, "heads": 2, "feedforward": 32, "max_length": 8}


def transformer(norm, positions):
    return lambda **options: ListTransformer(
        FEATURES, **SIZES, norm=norm, positions=positions, **options
    )


def with_experts(num_tasks, **options):
    """Experts and members, where there is a score per task."""
    experts = None if num_tasks is None else {"shared": 2, "own": 1, "width": 8}
    return MLPScorer(
        FEATURES, hidden=(16, 8), experts=experts, members=2, num_tasks=num_tasks, **options
    )


ENCODERS = {
    f"transformer-{norm}-{positions}": transformer(norm, positions)
    for norm, positions in itertools.product(["pre", "post"], ["none", "sinusoidal", "learned"])
} | {
    "mlp": lambda **options: MLPScorer(FEATURES, hidden=(16, 8), **options),
    "mlp-features": lambda **options: MLPScorer(
        FEATURES, hidden=(16, 8), feature_layers=FEATURE_LAYERS, **options
    ),
    "mlp-members": lambda **options: MLPScorer(FEATURES, hidden=(16, 8), members=3, **options),
    "transformer-piecewise-members": lambda **options: ListTransformer(
        FEATURES, **SIZES, feature_layers=FEATURE_LAYERS[-1:], members=2, **options
    ),
    "latent-cross": lambda **options: LatentCross(
        FEATURES, hidden=16, blocks=1, heads=2, feedforward=32, **options
    ),
    "set-transformer": lambda **options: SetTransformer(
        FEATURES, hidden=16, layers=2, heads=2, feedforward=32, points=3, **options
    ),
    "mlp-experts": with_experts,
    "conditioned": lambda dropout=0.3, **options: PreferenceConditioned(
        FEATURES,
        trunk={"architecture": "MLPScorer", "hidden": [16, 8], "dropout": dropout},
        preferences=2,
        **options,
    ),
}
ORDERED = [f"transformer-{n}-{p}" for n in ("pre", "post") for p in ("sinusoidal", "learned")]
BLIND_TO_ORDER = [name for name in ENCODERS if name not in ORDERED]

every_encoder = pytest.mark.parametrize("encoder", ENCODERS)
every_head = pytest.mark.parametrize("num_tasks", [None, TASKS], ids=["shared", "per-task"])


def make(encoder, num_tasks, seed=0, dropout=0.3):
    generator = torch.Generator().manual_seed(seed)
    model = ENCODERS[encoder](num_tasks=num_tasks, dropout=dropout, generator=generator)
    return model.eval()


def draw(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ragged(lengths, extra, seed, fill=float("nan")):
    """Features with documents at any places of their rows, a mask, and the lists alone."""
    generator = torch.Generator().manual_seed(seed)
    width = max(lengths) + extra
    mask = torch.zeros(len(lengths), width, dtype=torch.bool)
    features = torch.full((len(lengths), width, FEATURES), fill)
    alone = []
    for row, length in enumerate(lengths):
        places = torch.randperm(width, generator=generator)[:length].sort().values
        alone.append(torch.randn(length, FEATURES, generator=generator) * 3)
        mask[row, places] = True
        features[row, places] = alone[-1]
    return features, mask, alone


lists = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@every_encoder
@every_head
@settings(max_examples=10)
@given(lengths=lists, extra=st.integers(0, 4), seed=st.integers(0, 2**31))
def test_scores_depend_on_neither_padding_nor_neighbours(encoder, num_tasks, lengths, extra, seed):
    model = make(encoder, num_tasks, seed)
    features, mask, alone = ragged(lengths, extra, seed)
    together = model(features, mask)
    assert torch.isfinite(together).all()
    for row, documents in enumerate(alone):
        expected = model(documents[None])[..., 0, :]
        found = together[..., row, :][..., mask[row]]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@every_encoder
@every_head
def test_gradients_depend_on_neither_padding_nor_neighbours(encoder, num_tasks):
    model = make(encoder, num_tasks)
    features, mask, alone = ragged([3, 6, 1], 2, seed=4)
    model(features, mask)[..., mask].square().sum().backward()
    together = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    for documents in alone:
        model(documents[None]).square().sum().backward()
    for found, parameter in zip(together, model.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("encoder", BLIND_TO_ORDER)
@every_head
@settings(max_examples=10)
@given(order=st.permutations(range(6)))
def test_permuting_the_documents_permutes_the_scores(encoder, num_tasks, order):
    model = make(encoder, num_tasks)
    features = draw(2, 6, FEATURES)
    expected = model(features)[..., list(order)]
    torch.testing.assert_close(model(features[:, list(order)]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", ORDERED)
def test_with_positions_the_initial_rank_counts(encoder):
    model = make(encoder, None)
    same = draw(1, 1, FEATURES).expand(1, 4, FEATURES)
    scores = model(same)[0]
    assert len(scores.unique()) == 4


@every_encoder
@every_head
def test_a_list_of_padding_alone_has_finite_scores_and_gradients(encoder, num_tasks):
    model = make(encoder, num_tasks)
    mask = torch.tensor([[True, True], [False, False]])
    scores = model(draw(2, 2, FEATURES), mask)
    assert torch.isfinite(scores).all()
    scores[..., mask].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@every_encoder
@every_head
def test_shapes_and_that_forward_is_score_of_encode(encoder, num_tasks):
    model = make(encoder, num_tasks)
    features = draw(2, 4, FEATURES)
    scores = model(features)
    assert scores.shape == ((2, 4) if num_tasks is None else (TASKS, 2, 4))
    assert torch.equal(model.score(model.encode(features)), scores)
    everything = torch.ones(2, 4, dtype=torch.bool)
    assert torch.equal(model(features, everything), scores)


@every_encoder
@every_head
def test_config_rebuilds_the_model(encoder, num_tasks):
    model = make(encoder, num_tasks)
    twin = type(model)(**model.config()).eval()
    twin.load_state_dict(model.state_dict())
    features = draw(2, 4, FEATURES)
    assert torch.equal(twin(features), model(features))


@every_encoder
def test_a_shared_score_leaves_the_tasks_nothing_of_their_own(encoder):
    model = make(encoder, None)
    assert list(model.shared_parameters()) == list(model.parameters())
    assert list(model.task_parameters()) == []
    assert list(model.task_parameters(0)) == []


@every_encoder
def test_a_tasks_parameters_are_those_its_scores_alone_depend_on(encoder):
    model = make(encoder, TASKS)
    shared, own = list(model.shared_parameters()), list(model.task_parameters())
    assert {id(p) for p in shared + own} == {id(p) for p in model.parameters()}
    assert len(shared) + len(own) == len(list(model.parameters()))
    scores = model(draw(2, 4, FEATURES))
    for task in range(TASKS):
        gradients = torch.autograd.grad(scores[task].square().sum(), own, retain_graph=True)
        reached = {id(p) for p, g in zip(own, gradients, strict=True) if g.any()}
        assert reached == {id(p) for p in model.task_parameters(task)}


@every_encoder
def test_dropout_acts_in_training_only_and_is_repeated_by_the_state_of_the_generator(encoder):
    model = make(encoder, None)
    features = draw(3, 6, FEATURES)
    mask = torch.arange(6) < torch.tensor([[6], [4], [2]])
    assert torch.equal(model(features, mask), model(features, mask))
    model.train()

    def step():
        model.zero_grad()
        scores = model(features, mask)
        scores[..., mask].square().sum().backward()
        return [scores.detach(), *(p.grad.clone() for p in model.parameters())]

    state = torch.get_rng_state()
    first, second = step(), step()
    assert not torch.equal(first[0], second[0])
    torch.set_rng_state(state)
    assert all(torch.equal(a, b) for a, b in zip(first, step(), strict=True))


@every_encoder
@every_head
def test_same_generator_same_weights(encoder, num_tasks):
    one, two = (make(encoder, num_tasks).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


@every_encoder
@every_head
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_changes_the_scores_by_rounding_alone(encoder, num_tasks, dtype):
    model = make(encoder, num_tasks)
    features, mask, _ = ragged([5, 3, 8], 0, seed=3)
    expected = model(features, mask)[..., mask].detach()
    # The deviation of rounding grows with the number of roundings in a row, some tens here.
    tolerance = {"rtol": 0.0, "atol": 16 * torch.finfo(dtype).eps * float(expected.abs().max())}
    with torch.autocast("cpu", dtype=dtype):
        found = model(features, mask)[..., mask]
    torch.testing.assert_close(found.float(), expected, **tolerance)
    found = model.to(dtype)(features.to(dtype), mask)[..., mask]
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, **tolerance)


@every_encoder
def test_one_compiled_graph_serves_every_shape(encoder):
    torch.compiler.reset()
    model = make(encoder, TASKS)
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=backend)
    for lengths in ([3, 6, 2], [4, 2], [9, 7, 5, 3]):
        features, mask, _ = ragged(lengths, 1, seed=2)
        torch.testing.assert_close(compiled(features, mask), model(features, mask))
    assert len(graphs) == 1


@every_encoder
@pytest.mark.parametrize(
    ("features", "mask", "error", "message"),
    [
        ((2, 3, 4), None, ValueError, r"`features` .*\(batch, list, 5\), got \(2, 3, 4\)"),
        ((3, 5), None, ValueError, r"`features` .*\(batch, list, 5\), got \(3, 5\)"),
        ((2, 3, 5), torch.ones(2, 4, dtype=torch.bool), ValueError, r"`mask` .*\(2, 3\)"),
        ((2, 3, 5), torch.ones(2, 3), TypeError, "`mask` must be bool"),
    ],
)
def test_bad_inputs_are_named(encoder, features, mask, error, message):
    with pytest.raises(error, match=message):
        make(encoder, None)(torch.zeros(features), mask)


@every_encoder
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dropout": 1.0}, ValueError, r"`dropout` must be in \[0, 1\), got 1.0"),
        ({"num_tasks": 0}, ValueError, "`num_tasks` must be at least 1, got 0"),
        ({"num_tasks": 2.0}, TypeError, "`num_tasks` must be an int, got 2.0"),
    ],
)
def test_bad_arguments_are_named(encoder, arguments, error, message):
    with pytest.raises(error, match=message):
        ENCODERS[encoder](**{"num_tasks": None, **arguments})


@pytest.mark.slow  # the compiler takes its time
@pytest.mark.parametrize(
    "encoder",
    [
        "transformer-pre-learned",
        "mlp",
        "mlp-features",
        "transformer-piecewise-members",
        "latent-cross",
        "set-transformer",
        "conditioned",
    ],
)
def test_compiled_code_gives_the_scores_and_gradients_but_for_rounding(encoder):
    torch.compiler.reset()
    model = make(encoder, TASKS)
    compiled = torch.compile(model, fullgraph=True, dynamic=True)
    for lengths in ([3, 6, 2], [9, 7, 5, 3]):
        features, mask, _ = ragged(lengths, 1, seed=2)
        results = []
        for run in (model, compiled):
            model.zero_grad()
            scores = run(features, mask)[..., mask]
            scores.square().sum().backward()
            results.append([scores.detach(), *(p.grad.clone() for p in model.parameters())])
        for found, expected in zip(results[1], results[0], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
