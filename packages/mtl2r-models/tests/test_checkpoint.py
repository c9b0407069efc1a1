"""Rankers on disk: what was saved comes back, and nothing else is taken for it."""

import json
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_data import ClipOutliers, LogStandardize, MinMaxScale, QuantileTransform, Standardize
from mtl2r_models import ARCHITECTURES, ListTransformer, MLPScorer, PreferenceConditioned, Ranker
from mtl2r_models.ranker._checkpoint import SCORERS
from mtl2r_models.testing import SMALL

IDS = (1, 2, 3, 7)
METADATA = {
    "labels": [{"name": "relevance", "source": "label"}, {"name": "click", "source": 135}],
    "training": {"epochs": 3, "seed": 42, "seconds": 1.25, "note": "a | b"},
    "metrics": {"ndcg@5": {"relevance": 0.5, "click": 0.25}},
}
OPTIONS = {
    "plain": {"num_tasks": 2},
    "all": {
        "feature_layers": [{"kind": "piecewise_linear"}],
        "members": 2,
        "experts": {"own": 1},
        "num_tasks": 2,
    },
}


def network(name, options):
    return lambda: ARCHITECTURES[name](4, **SMALL[name], **options)


MODELS = {
    **{
        f"{name}-{given}": network(name, options)
        for name in ARCHITECTURES
        for given, options in OPTIONS.items()
    },
    "ListTransformer": lambda: ListTransformer(
        4, hidden=8, layers=1, heads=2, positions="learned", num_tasks=2
    ),
    "MLPScorer": lambda: MLPScorer(4, hidden=(8, 4), feature_layers=[{"kind": "piecewise_linear"}]),
    "PreferenceConditioned": lambda: PreferenceConditioned(
        4, trunk={"architecture": "MLPScorer", "hidden": [8]}, preferences=2
    ),
}
TRANSFORMS = [None, Standardize, LogStandardize, MinMaxScale, ClipOutliers, QuantileTransform]


def draw(rows, seed):
    return np.random.default_rng(seed).exponential(size=(rows, 4)).astype(np.float32)


def make(architecture="ListTransformer", transform=LogStandardize):
    return Ranker(
        MODELS[architecture](),
        transform=None if transform is None else transform.fit(draw(50, 0), IDS),
        feature_ids=IDS,
        feature_names=("bm25", "length", "clicks", "age"),
        tasks=("relevance", "click"),
        metadata=METADATA,
    )


def test_every_architecture_is_tested():
    tested = {type(build()) for build in MODELS.values()}
    assert tested == {*ARCHITECTURES.values(), PreferenceConditioned}
    assert {kind.__name__: kind for kind in tested} == SCORERS


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_what_was_saved_ranks_alike_bit_for_bit(architecture, transform, tmp_path):
    ranker, documents = make(architecture, transform), draw(6, 1)
    ranker.save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker")
    assert torch.equal(loaded.scores(documents), ranker.scores(documents))
    assert loaded.model.config() == ranker.model.config()
    assert loaded.columns.feature_ids == IDS
    assert loaded.feature_names == ranker.feature_names
    assert loaded.tasks == ranker.tasks
    assert loaded.metadata == METADATA
    assert not loaded.training


def test_what_was_loaded_can_be_trained_on(tmp_path):
    make().save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker").train()
    optimizer = torch.optim.SGD(loaded.parameters(), lr=0.1)
    before = loaded.scores(draw(6, 1))
    loaded(torch.from_numpy(draw(6, 1))[None]).square().sum().backward()
    optimizer.step()
    assert not torch.equal(loaded.scores(draw(6, 1)), before)


def test_the_hugging_face_names_are_the_same_thing(tmp_path):
    ranker, documents = make(), draw(6, 1)
    ranker.save_pretrained(tmp_path / "a", dtype=torch.bfloat16)
    ranker.save(tmp_path / "b", dtype=torch.bfloat16)
    for name in ("config.json", "model.safetensors", "README.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    one, two = Ranker.from_pretrained(tmp_path / "a"), Ranker.load(tmp_path / "a")
    assert torch.equal(one.scores(documents), two.scores(documents))


def test_saving_replaces_the_older_one(tmp_path):
    ranker, documents = make(), draw(6, 1)
    ranker.save(tmp_path / "ranker")
    with torch.no_grad():
        next(ranker.parameters()).add_(1)
    ranker.save(tmp_path / "ranker")
    assert torch.equal(Ranker.load(tmp_path / "ranker").scores(documents), ranker.scores(documents))
    assert [path.name for path in tmp_path.iterdir()] == ["ranker"]


def test_bfloat16_halves_the_weights_and_leaves_the_transform_exact(tmp_path):
    ranker, documents = make(), draw(6, 1)
    ranker.save(tmp_path / "ranker", dtype=torch.bfloat16)
    assert {p.dtype for p in ranker.parameters()} == {torch.float32}
    loaded = Ranker.load(tmp_path / "ranker")
    assert {p.dtype for p in loaded.parameters()} == {torch.bfloat16}
    assert torch.equal(loaded.transform.mean, ranker.transform.mean)
    rounded = ranker.model.to(torch.bfloat16).to(torch.float32).state_dict()
    again = Ranker.load(tmp_path / "ranker", dtype=torch.float32)
    assert all(torch.equal(rounded[name], t) for name, t in again.model.state_dict().items())
    assert torch.equal(again.scores(documents), ranker.scores(documents))


def test_the_card_says_what_the_ranker_is(tmp_path):
    ranker = make()
    ranker.save(tmp_path / "ranker")
    card = (tmp_path / "ranker" / "README.md").read_text(encoding="utf-8")
    parameters = sum(p.numel() for p in ranker.model.parameters())
    for line in (
        "| Architecture | ListTransformer |",
        f"| Parameters | {parameters:,} |",
        "| Scores | one score per task |",
        "| Tasks | relevance, click |",
        "| Inputs | 4 columns (1..3, 7) |",
        "| Transform | name: LogStandardize, eps: 0.01 |",
        "| layers | 1 |",
        "| name | source |",
        "| click | 135 |",
        "| epochs | 3 |",
        r"| note | a \| b |",
        "|  | relevance | click |",
        "| ndcg@5 | 0.5 | 0.25 |",
        "| 7 | age |",
    ):
        assert line in card.splitlines(), line
    assert "licen" not in card.lower()


def test_the_cards_example_runs(tmp_path, monkeypatch):
    make().save(tmp_path / "ranker")
    monkeypatch.chdir(tmp_path / "ranker")
    card = (tmp_path / "ranker" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - the text that we wrote
    assert names["order"].shape == (2, 3)


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_model(folder, **changes):
    edit(folder, model=json.loads((folder / "config.json").read_text())["model"] | changes)


def reseal(folder, weights):
    """Other weights, with the checksum that goes with them."""
    import hashlib

    (folder / "model.safetensors").write_bytes(weights)
    edit(folder, weights_sha256=hashlib.sha256(weights).hexdigest())


def edit_weights(folder, change):
    path = folder / "model.safetensors"
    reseal(folder, safetensors.torch.save(change(safetensors.torch.load(path.read_bytes()))))


def renamed(state):
    state["model.other"] = state.pop("model.input.bias")
    return state


DAMAGES = {
    "broken JSON": (lambda f: (f / "config.json").write_text("{"), "damaged, not JSON"),
    "not text": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "damaged, not JSON"),
    "a list": (lambda f: (f / "config.json").write_text("[1]"), "expected the format"),
    "foreign": (lambda f: edit(f, format="other"), "'mtl2r-ranker', found 'other'"),
    "newer": (lambda f: edit(f, format_version=9), "version 1, found 9; a newer one wrote it"),
    "no version": (lambda f: edit(f, format_version=None), "reads format version 1, found None"),
    "code": (
        lambda f: edit(f, architecture="os.system"),
        "expected one of ListTransformer, LatentCross, MLP",
    ),
    "near": (lambda f: edit(f, architecture="ListTransform"), "did you mean 'ListTransformer'"),
    "architecture": (lambda f: edit(f, architecture=["x"]), r"found \['x'\] as architecture"),
    "an argument": (lambda f: edit_model(f, depth=2), "incomplete or damaged .*depth"),
    "a size": (lambda f: edit_model(f, hidden="8"), "`hidden` must be an int, got '8'"),
    "a huge size": (lambda f: edit_model(f, feedforward=10**15), "does not fit its config"),
    "an overflow": (lambda f: edit_model(f, feedforward=10**30), "incomplete or damaged"),
    "inputs": (lambda f: edit_model(f, num_features=5), "must name the model's 5 inputs, got 4"),
    "shapes": (
        lambda f: edit_model(f, hidden=16),
        r"model\.input\.weight is \(8, 4\), expected \(16, 4\); .*, and \d+ more",
    ),
    "transform": (
        lambda f: edit(f, transform={"name": "Standardise"}),
        "did you mean 'Standardize'",
    ),
    "transform gone": (lambda f: edit(f, transform=None), r"transform\.\w+ is not expected"),
    "transform as text": (lambda f: edit(f, transform="x"), "found 'x' as transform"),
    "tasks": (lambda f: edit(f, tasks=[1]), "found 1 in tasks"),
    "columns": (
        lambda f: edit(f, feature_ids=[1, 2, 3, 8]),
        r"`transform` must be fitted .*1..3, 8",
    ),
    "no columns": (lambda f: edit(f, feature_ids=None), "found None as feature_ids"),
    "truncated": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:-9]
        ),
        "damaged, its SHA-256 is",
    ),
    "no safetensors": (lambda f: reseal(f, b"x" * 100), r"model\.safetensors: not safetensors"),
    "truncated and resealed": (
        lambda f: reseal(f, (f / "model.safetensors").read_bytes()[:-9]),
        r"model\.safetensors: not safetensors",
    ),
    "a name": (
        lambda f: edit_weights(f, renamed),
        r"model\.input\.bias is missing; model\.other is not expected",
    ),
    "a type": (
        lambda f: edit_weights(f, lambda s: s | {"model.input.bias": s["model.input.bias"].int()}),
        r"model\.input\.bias is torch\.int32, expected a type like torch\.float32",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_folders_are_refused(damage, tmp_path):
    change, message = DAMAGES[damage]
    folder = tmp_path / "ranker"
    make().save(folder)
    change(folder)
    with pytest.raises(ValueError, match=message) as error:
        Ranker.load(folder)
    assert str(folder) in str(error.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "ranker"
    make().save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=40)
@given(data=st.data())
def test_any_damage_is_an_error_that_says_so_or_changes_nothing_but_words(
    saved, tmp_path_factory, data
):
    folder = tmp_path_factory.mktemp("damaged")
    name = data.draw(st.sampled_from(["config.json", "model.safetensors"]))
    content = bytearray(saved[name])
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    for other, kept in (saved | {name: content}).items():
        (folder / other).write_bytes(kept)
    try:
        ranker = Ranker.load(folder)
    except ValueError as error:
        assert str(folder) in str(error)  # noqa: PT017 - whether it is raised depends on the place
    else:
        assert name == "config.json"
        assert all(torch.isfinite(p).all() for p in ranker.parameters())


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no config\.json"):
        Ranker.load(tmp_path / "nothing")
    make().save(tmp_path / "ranker")
    (tmp_path / "ranker" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no model\.safetensors"):
        Ranker.load(tmp_path / "ranker")


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64, "float16"])
def test_other_types_of_parameters_are_refused(dtype, tmp_path):
    with pytest.raises(TypeError, match="`dtype` must be a floating point"):
        make().save(tmp_path / "ranker", dtype=dtype)
    assert list(tmp_path.iterdir()) == []
    make().save(tmp_path / "ranker")
    with pytest.raises(TypeError, match="`dtype` must be a floating point"):
        Ranker.load(tmp_path / "ranker", dtype=dtype)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "`device` must be cpu, .*, got 'gpu'"),
        ("cuda:0", "'cuda:0', but torch finds no GPU"),
    ],
)
def test_a_device_that_there_is_not_is_named(device, message, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    make().save(tmp_path / "ranker")
    with pytest.raises(ValueError, match=message):
        Ranker.load(tmp_path / "ranker", device=device)


@pytest.mark.parametrize("ranked", [False, True])
def test_other_files_are_never_lost(ranked, tmp_path):
    if ranked:
        make().save(tmp_path / "mine")
    (tmp_path / "mine").mkdir(exist_ok=True)
    (tmp_path / "mine" / "notes.txt").write_text("x")
    before = {path: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    with pytest.raises(FileExistsError, match=r"mine: expected a new folder .* notes\.txt in it"):
        make().save(tmp_path / "mine")
    assert {path: path.read_bytes() for path in (tmp_path / "mine").iterdir()} == before


def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path):
    ranker = Ranker(torch.nn.Linear(4, 1), feature_ids=range(1, 5))
    message = f"`model` must be one of {', '.join(SCORERS)}, got Linear"
    with pytest.raises(TypeError, match=message):
        ranker.save(tmp_path / "ranker")
    ranker = Ranker(MODELS["MLPScorer"](), feature_ids=IDS, metadata={"tensor": torch.zeros(1)})
    with pytest.raises(TypeError, match=r"`metadata` must be representable in JSON: .*Tensor"):
        ranker.save(tmp_path / "ranker")
    assert list(tmp_path.iterdir()) == []
