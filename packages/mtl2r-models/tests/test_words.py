"""Tables with words and gaps: their way through networks, rankers, folders, programs and ONNX."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_data import LogStandardize, TableTransform
from mtl2r_models import ARCHITECTURES, MLPScorer, Ranker, export_onnx, export_program
from mtl2r_models.feature_layers import FeatureLayers, WordEmbeddings
from mtl2r_models.testing import SMALL

GAPS = TableTransform.gap_texts
IDS = (1, 2, 5, 7)
NAMES = ("stars", "colour", "price", "size")
WORDS = {2: ("red", "blue", "NAN", "reddish"), 7: ("x", "y")}
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def transform():
    rng = np.random.default_rng(0)
    features = rng.exponential(size=(200, 4)).astype(np.float32)
    features[:, 1], features[:, 3] = rng.integers(0, 5, 200), rng.integers(0, 3, 200)
    features[rng.random(features.shape) < 0.2] = np.nan
    return TableTransform.fit(
        features, IDS, words=WORDS, numbers=LogStandardize.fit, names=NAMES, kinds={5: "money"}
    )


def ranker(architecture="mlp", **options):
    fitted = transform()
    torch.manual_seed(0)
    options = {**SMALL[architecture], "num_tasks": 2, **options}
    model = ARCHITECTURES[architecture](fitted.width, words=fitted.word_sizes, **options)
    return Ranker(
        model, transform=fitted, feature_ids=IDS, feature_names=NAMES, tasks=("rating", "demand")
    )


word = st.one_of(st.sampled_from([*WORDS[2], *WORDS[7], *sorted(GAPS)]), st.text(max_size=4))
documents = st.lists(
    st.tuples(st.floats(0, 1e3, width=32) | st.none(), word, st.integers(0, 9_999), word),
    min_size=1,
    max_size=6,
)


def as_table(rows):
    """Columns as people have them, in another order and with one that is no input."""
    stars, colour, price, size = map(list, zip(*rows, strict=True))
    return {
        "size": size,
        "name": ["any"] * len(rows),
        "price": [f"${p:,}.00" for p in price],
        "colour": colour,
        "stars": ["" if s is None else repr(s) for s in stars],
    }


def test_a_word_has_the_row_of_its_code():
    embeddings = WordEmbeddings([3, 40])
    codes = torch.tensor([[[0.0, 39.0], [2.0, 7.0]]])
    one, two = (table.weight for table in embeddings.tables)
    expected = torch.stack([torch.cat([one[0], two[39]]), torch.cat([one[2], two[7]])])[None]
    assert torch.equal(embeddings(codes), expected)
    assert embeddings.width == expected.shape[-1] == 2 + 16


def test_what_is_no_code_becomes_the_nearest():
    embeddings = WordEmbeddings([3])
    found = embeddings(torch.tensor([[-4.0], [99.0]]))
    assert torch.equal(found, embeddings(torch.tensor([[0.0], [2.0]])))


def test_a_type_that_does_not_hold_the_codes_is_refused():
    assert WordEmbeddings([256])(torch.zeros(1, 1, dtype=torch.bfloat16)).shape == (1, 16)
    with pytest.raises(TypeError, match=r"300 codes .* float32, got torch.bfloat16, .* 256"):
        WordEmbeddings([300])(torch.zeros(1, 1, dtype=torch.bfloat16))


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (2.5, TypeError)])
def test_bad_sizes_are_named(size, error):
    with pytest.raises(error, match="`words`"):
        WordEmbeddings([size])


@pytest.mark.parametrize(("words", "layers"), [([2] * 4, []), ([2] * 3, [{"kind": "noise"}])])
def test_more_words_than_inputs_are_named(words, layers):
    with pytest.raises(
        ValueError, match=rf"`words` must be fewer than the 3 inputs, got {len(words)}"
    ):
        FeatureLayers(3, layers, words)


def test_words_go_by_the_layers_of_numbers():
    layers = FeatureLayers(3, [{"kind": "log_scale"}], [4])
    features = torch.tensor([[[5.0, -3.0, 2.0]]])
    alone = FeatureLayers(2, [{"kind": "log_scale"}])
    expected = torch.cat([alone(features[..., :2]), layers.words(features[..., 2:])], dim=-1)
    assert torch.equal(layers(features), expected)


@every_architecture
def test_every_word_teaches_its_own_vector(architecture):
    model = ranker(architecture).model.train()
    features = torch.zeros(1, 3, model.num_features)
    features[..., -2:] = torch.tensor([[0.0, 1.0], [3.0, 1.0], [0.0, 1.0]])
    scores = model(features)
    (scores * torch.randn(scores.shape)).sum().backward()
    first, second = (table.weight.grad.abs().sum(dim=-1) for table in model.inputs.words.tables)
    assert first.nonzero().flatten().tolist() == [0, 3]
    assert second.nonzero().flatten().tolist() == [1]


@every_architecture
def test_weights_are_drawn_from_the_generator(architecture):
    one, two = ranker(architecture).model, ranker(architecture).model
    for model in (one, two):
        model.reset_parameters(torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@given(documents)
@settings(max_examples=30, deadline=None)
def test_a_table_has_the_scores_of_its_features(rows):
    one, table = ranker(), as_table(rows)
    features = np.full((len(rows), 4), np.nan, dtype=np.float32)
    for row, (stars, colour, price, size) in zip(features, rows, strict=True):
        row[0] = np.nan if stars is None else stars
        row[2] = price
        for place, (text, own) in {1: (colour, WORDS[2]), 3: (size, WORDS[7])}.items():
            if text not in GAPS:
                row[place] = own.index(text) if text in own else len(own)
    np.testing.assert_array_equal(one.encode(table), features)
    assert torch.equal(one.scores(table), one.scores(features))
    assert torch.equal(one.scores(pa.table(table)), one.scores(features))


def test_numbers_may_come_as_numbers():
    one, rows = ranker(), [(4.5, "red", 10, "x"), (None, "?", 1_250, "y")]
    numbers = {**as_table(rows), "price": np.array([10, 1250]), "stars": [4.5, None]}
    assert torch.equal(one.scores(numbers), one.scores(as_table(rows)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sise": "size"}, "`columns` must have the column 'size', did you mean 'sise'"),
        ({"price": ["ten"]}, "kind 'money' in 'price', got 'ten' in row 0"),
    ],
)
def test_a_table_that_does_not_fit_is_named(change, message):
    table = as_table([(4.5, "red", 10, "x")])
    for name, value in change.items():
        table[name] = table.pop(value) if isinstance(value, str) else value
    with pytest.raises(ValueError, match=message):
        ranker().rank(table)


def test_arrays_need_no_names_but_tables_do():
    one = Ranker(MLPScorer(2, hidden=(3,)), feature_ids=(1, 2))
    with pytest.raises(ValueError, match=r"trained on 2 columns .* without names"):
        one.rank({"a": [1.0], "b": [2.0]})
    named = Ranker(MLPScorer(2, hidden=(3,)), feature_ids=(1, 2), feature_names=("b", "a"))
    table = {"a": [1.0, 3.0], "b": [2.0, 4.0], "c": ["no", "input"]}
    expected = named.scores(np.array([[2, 1], [4, 3]], dtype=np.float32))
    assert torch.equal(named.scores(table), expected)


@every_architecture
def test_what_was_saved_ranks_alike_and_its_card_names_the_columns(
    architecture, tmp_path, monkeypatch
):
    one = ranker(architecture)
    table = as_table([(4.5, "red", 10, "x"), (None, "gold", 3, ""), (1.0, "NAN", 1_119, "y")])
    one.save(tmp_path / "ranker")
    loaded = Ranker.load(tmp_path / "ranker")
    assert torch.equal(loaded.scores(table), one.scores(table))
    assert loaded.transform.words == WORDS
    card = (tmp_path / "ranker" / "README.md").read_text("utf-8")
    fill = f"{one.transform.fill[1]:.6g}"
    for line in (
        "| Transform | name: LogStandardize, eps: 0.01 |",
        f"| price | money | becomes {fill}, and an indicator is 1 |  |",
        "| colour | words | is a code | red, blue, NAN, reddish |",
        "documents = {name: [1, 2, 3] for name in ranker.feature_names}",
    ):
        assert line in card
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {}
    monkeypatch.chdir(tmp_path / "ranker")
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - the text that we wrote
    assert names["order"].shape == (2, 3)


def test_a_program_takes_codes(tmp_path):
    one = ranker("transformer")
    export_program(one, tmp_path / "ranker.pt2")
    files = {"columns.json": ""}
    program = torch.export.load(tmp_path / "ranker.pt2", extra_files=files).module()
    table = as_table([(4.5, "red", 10, "x"), (None, "gold", 3, ""), (1.0, "NAN", 1_119, "y")])
    features = torch.from_numpy(one.encode(table))[None]
    with torch.no_grad():
        found = program(features, torch.ones(1, 3, dtype=torch.bool))[:, 0]
    torch.testing.assert_close(found, one.scores(table))
    columns = json.loads(files["columns.json"])
    assert columns["words"] == {str(number): list(words) for number, words in WORDS.items()}
    assert columns["kinds"] == {"5": "money", "2": "words", "7": "words"}


@pytest.mark.oracle
@every_architecture
def test_onnxruntime_scores_raw_columns(architecture, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    one = ranker(architecture)
    export_onnx(one, tmp_path / "ranker.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "ranker.onnx")
    inputs = {i.name: (i.shape, i.type) for i in session.get_inputs()}
    assert inputs == {
        "features": (["batch", "list", 2], "tensor(float)"),
        "words": (["batch", "list", 2], "tensor(string)"),
        "mask": (["batch", "list"], "tensor(bool)"),
    }

    @given(documents)
    @settings(max_examples=20, deadline=None)
    def agree(rows):
        rows = [tuple("x" if x == "\0" else x for x in row) for row in rows]
        numbers = [[np.nan if row[0] is None else row[0], row[2]] for row in rows]
        given_ = {
            "features": np.array([numbers], dtype=np.float32),
            "words": np.array([[[row[1], row[3]] for row in rows]], dtype=object),
            "mask": np.ones((1, len(rows)), dtype=np.bool_),
        }
        found = torch.from_numpy(session.run(None, given_)[0])[:, 0]
        torch.testing.assert_close(found, one.scores(as_table(rows)), rtol=1e-4, atol=1e-4)

    agree()
