"""What every ranker keeps, whatever its encoder and its head. A new one joins by one line."""

import importlib
import inspect
import itertools
import pkgutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

import mtl2r_models
from mtl2r_models import ARCHITECTURES, PreferenceConditioned, Ranker, Scorer
from mtl2r_models.feature_layers import KINDS
from mtl2r_models.testing import SMALL

FEATURES, TASKS = 5, 3
FEATURE_LAYERS = [
    {"kind": "noise", "sigma": 0.1},
    {"kind": "log_scale"},
    {"kind": "cross", "layers": 1, "rank": 2},
    {"kind": "periodic", "frequencies": 3, "embedding": 2},
    {"kind": "piecewise_linear", "bins": 3, "embedding": 2},
]
EXPERTS = {"shared": 2, "own": 1, "width": 8}


def network(architecture, experts=None, **fixed):
    """A function from the other options; experts are for a score per task."""

    def build(num_tasks, **options):
        mixed = None if num_tasks is None else experts
        return ARCHITECTURES[architecture](
            FEATURES, **SMALL[architecture], experts=mixed, num_tasks=num_tasks, **fixed, **options
        )

    return build


def conditioned(architecture):
    def build(dropout=0.3, **options):
        name = ARCHITECTURES[architecture].__name__
        trunk = {"architecture": name, **SMALL[architecture], "dropout": dropout}
        model = PreferenceConditioned(FEATURES, trunk=trunk, preferences=2, **options)
        with torch.no_grad():  # at the start the preference changes nothing
            for parameter in model.modulations.parameters():
                parameter.normal_(std=0.2, generator=options.get("generator"))
        model.prefer((0.3, 0.7))
        return model

    return build


def at_a_preference(architecture):
    return lambda **options: conditioned(architecture)(**options).at((0.9, 0.1))


PLAIN = {name: network(name) for name in ARCHITECTURES}
CONDITIONED = {f"{name}-conditioned": conditioned(name) for name in ARCHITECTURES}
POSITIONED = {
    f"transformer-{norm}-{positions}": network("transformer", norm=norm, positions=positions)
    for norm, positions in itertools.product(["pre", "post"], ["none", "sinusoidal", "learned"])
    if (norm, positions) != ("pre", "none")
}
VARIANTS = {
    "members": {"members": 3},
    "features-members": {"feature_layers": FEATURE_LAYERS, "members": 2},
    "experts-members": {"experts": EXPERTS, "members": 2},
}
VARIED = {
    f"{name}-{variant}": network(name, **options)
    for name, (variant, options) in itertools.product(ARCHITECTURES, VARIANTS.items())
}
LAYERED = {
    f"mlp-{layer['kind']}": network("mlp", feature_layers=[layer]) for layer in FEATURE_LAYERS
}
MIXED = {
    "mlp-mmoe": network("mlp", experts={"shared": 2, "width": 8}),
    "mlp-own-experts": network("mlp", experts={"shared": 0, "own": 2, "width": 8}),
}
AT = {"transformer-at": at_a_preference("transformer")}
ENCODERS = PLAIN | CONDITIONED | POSITIONED | VARIED | LAYERED | MIXED | AT
ORDERED = [name for name in POSITIONED if not name.endswith("none")]
BLIND_TO_ORDER = [name for name in ENCODERS if name not in ORDERED]

QUICK = [*PLAIN, *POSITIONED, "mlp-features-members", "mlp-conditioned"]
"""What is compiled in every run of the tests; the others are in the slow ones."""
THE_OTHERS = [name for name in ENCODERS if name not in QUICK]

every_encoder = pytest.mark.parametrize("encoder", ENCODERS)
every_head = pytest.mark.parametrize("num_tasks", [None, TASKS], ids=["shared", "per-task"])


def concrete(kind):
    """The classes of this kind that can be made."""
    for below in kind.__subclasses__():
        yield from concrete(below)
        if not inspect.isabstract(below):
            yield below


def test_every_architecture_and_feature_layer_is_under_this_contract():
    for module in pkgutil.walk_packages(mtl2r_models.__path__, "mtl2r_models."):
        importlib.import_module(module.name)
    ours = {kind for kind in concrete(Scorer) if kind.__module__.startswith("mtl2r_models.")}
    assert ours == {*ARCHITECTURES.values(), PreferenceConditioned}
    assert ours == {type(make(encoder, TASKS)) for encoder in ENCODERS}
    assert {type(make(f"{name}-conditioned", None).trunk) for name in ARCHITECTURES} == ours - {
        PreferenceConditioned
    }
    assert SMALL.keys() == ARCHITECTURES.keys()
    assert {layer["kind"] for layer in FEATURE_LAYERS} == KINDS.keys()


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
@every_head
def test_what_was_saved_scores_alike_bit_for_bit(encoder, num_tasks, tmp_path):
    model = make(encoder, num_tasks)
    model.fit_features(draw(30, FEATURES, seed=2))
    Ranker(model, feature_ids=range(1, FEATURES + 1)).save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker").model
    assert type(loaded) is type(model)
    assert loaded.config() == model.config()
    features, mask, _ = ragged([4, 1, 6], 1, seed=6)
    assert torch.equal(loaded(features, mask)[..., mask], model(features, mask)[..., mask])


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
def test_a_reset_leaves_nothing_of_a_training(encoder):
    model, fresh = make(encoder, TASKS), make(encoder, TASKS, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    for one in (model, fresh):
        one.reset_parameters(torch.Generator().manual_seed(2))
    for (name, found), expected in zip(model.named_parameters(), fresh.parameters(), strict=True):
        assert torch.equal(found, expected), name


@every_encoder
@every_head
@pytest.mark.parametrize(("batch", "length"), [(0, 3), (2, 0), (0, 0), (2, 1)])
def test_batches_of_no_lists_and_lists_of_no_or_one_document(encoder, num_tasks, batch, length):
    model = make(encoder, num_tasks)
    features = draw(batch, length, FEATURES)
    shape = (batch, length) if num_tasks is None else (TASKS, batch, length)
    assert model(features).shape == shape
    assert model(features, torch.ones(batch, length, dtype=torch.bool)).shape == shape
    assert model.train()(features).shape[-2:] == (batch, length)


@every_encoder
def test_second_derivatives_are_those_of_torchs_own_operations(encoder):
    model = make(encoder, TASKS)
    features, mask, _ = ragged([3, 6, 1], 1, seed=5, fill=0.0)

    def curved():
        """The Hessian of a loss times its gradient."""
        parameters = list(model.parameters())
        loss = model(features.to(parameters[0].dtype), mask)[..., mask].square().sum()
        slopes = torch.autograd.grad(loss, parameters, create_graph=True)
        curve = sum(slope.square().sum() for slope in slopes)
        products = torch.autograd.grad(curve, parameters, materialize_grads=True)
        return torch.cat([product.flatten() for product in products]).double()

    found = curved()
    model.double()
    with sdpa_kernel(SDPBackend.MATH):
        expected = curved()
    assert (found - expected).norm() < 1e-3 * expected.norm()


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


@pytest.mark.parametrize(
    "encoder", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in THE_OTHERS)]
)
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
        ((2, 3, 5), [[True] * 3] * 2, TypeError, "`mask` must be a tensor, got list"),
    ],
)
def test_bad_inputs_are_named(encoder, features, mask, error, message):
    with pytest.raises(error, match=message):
        make(encoder, None)(torch.zeros(features), mask)


@every_encoder
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (torch.zeros(2, 3, 5).numpy(), "`features` must be a tensor, got ndarray"),
        (torch.zeros(2, 3, 5).double(), "`features` must be torch.float32, .* got torch.float64"),
        (torch.zeros(2, 3, 5).long(), "`features` must be torch.float32, .* got torch.int64"),
    ],
)
def test_features_of_another_type_are_named(encoder, features, message):
    with pytest.raises(TypeError, match=message):
        make(encoder, None)(features)


@every_encoder
@pytest.mark.parametrize("shape", [(3, FEATURES + 1), (2, 3, FEATURES)])
def test_documents_that_do_not_fit_are_named(encoder, shape):
    model = make(encoder, None)
    with pytest.raises(ValueError, match=r"`features` must be \(document, 5\), got"):
        model.fit_features(torch.zeros(shape))
    with pytest.raises(TypeError, match="`features` must be a tensor, got ndarray"):
        model.fit_features(torch.zeros(shape).numpy())
    with pytest.raises(TypeError, match=r"`features` must be torch.float32, .* got torch.float64"):
        model.fit_features(torch.zeros(3, FEATURES).double())


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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feature_layers": "noise"}, "`feature_layers` must be a list of dicts, .*got 'noise'"),
        ({"feature_layers": {"kind": "noise"}}, "`feature_layers` must be a list of dicts"),
        ({"feature_layers": ["noise"]}, r"`feature_layers\[0\]` must be a dict .*got 'noise'"),
        ({"experts": 4, "num_tasks": 2}, "`experts` must be a dict of options, got 4"),
        ({"dropout": "0.3"}, "`dropout` must be a number, got '0.3'"),
    ],
)
def test_options_of_another_type_are_named(architecture, options, message):
    with pytest.raises(TypeError, match=message):
        ARCHITECTURES[architecture](FEATURES, **options)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_unknown_argument_is_named_with_those_there_are(architecture):
    name = ARCHITECTURES[architecture].__name__
    message = rf"^{name} has no argument `member`, only hidden, .*; did you mean 'members'\?$"
    with pytest.raises(TypeError, match=message):
        ARCHITECTURES[architecture](FEATURES, member=2)


@pytest.mark.slow  # the compiler takes its time
@pytest.mark.parametrize(
    "encoder",
    [
        *PLAIN,
        "transformer-pre-learned",
        "transformer-features-members",
        "mlp-features-members",
        "mlp-conditioned",
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
