"""Rankers in use: from raw features in any form to scores and orders."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr_data import LogStandardize
from mtl2r_models import ListTransformer, MLPScorer, Ranker
from mtl2r_models.checks import nearest
from mtl2r_models.ranker._columns import describe

IDS = (1, 2, 3, 7)
NAMES = ("bm25", "length", "clicks", "age")


def make(num_tasks=None, **options):
    values = np.random.default_rng(0).exponential(size=(50, 4)).astype(np.float32)
    generator = torch.Generator().manual_seed(0)
    model = ListTransformer(
        4, hidden=8, layers=1, heads=2, num_tasks=num_tasks, generator=generator
    )
    return Ranker(model, transform=LogStandardize.fit(values, IDS), feature_ids=IDS, **options)


def draw(*shape, seed=1):
    return np.random.default_rng(seed).exponential(size=shape).astype(np.float32)


def expected_scores(ranker, documents):
    ranker.eval()
    with torch.no_grad():
        return ranker.model(ranker.transform(torch.from_numpy(documents))[None])[..., 0, :]


def test_the_transform_is_part_of_the_ranker():
    ranker, documents = make(), draw(6, 4)
    torch.testing.assert_close(ranker.scores(documents), expected_scores(ranker, documents))


@pytest.mark.parametrize("num_tasks", [None, 2])
def test_rank_orders_by_score_and_keeps_the_mode(num_tasks):
    ranker = make(num_tasks).train()
    scores, order = ranker.rank(draw(6, 4))
    assert ranker.training
    assert scores.shape == order.shape == ((6,) if num_tasks is None else (2, 6))
    assert torch.equal(scores.gather(-1, order), scores.sort(dim=-1, descending=True).values)


def test_documents_with_equal_scores_keep_their_order():
    assert make().rank(np.ones((50, 4))).order.tolist() == list(range(50))


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(0, 9), max_size=7),
    max_documents=st.integers(1, 30),
    num_tasks=st.sampled_from([None, 2]),
)
def test_lists_are_scored_as_if_each_were_alone(lengths, max_documents, num_tasks):
    ranker = make(num_tasks)
    lists = [draw(length, 4, seed=index) for index, length in enumerate(lengths)]
    rankings = ranker.rank(lists, max_documents=max_documents)
    assert len(rankings) == len(lists)
    for documents, (scores, order) in zip(lists, rankings, strict=True):
        expected = ranker.scores(documents)
        torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)
        assert order.shape == expected.shape
        assert scores.shape[-1] == len(documents)


def test_the_ways_to_hold_lists_are_equal():
    ranker, batch = make(), draw(3, 5, 4)
    mask = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 1], [1, 0, 0, 0, 0]], dtype=bool)
    batch[~mask] = np.nan
    lists = [documents[kept] for documents, kept in zip(batch, mask, strict=True)]
    expected = ranker.scores(lists)
    for found in (
        ranker.scores(batch, mask),
        ranker.scores(torch.from_numpy(batch), torch.from_numpy(mask)),
        ranker.scores(tuple(torch.from_numpy(values) for values in lists)),
        ranker.scores([values.astype(np.float64) for values in lists]),
        [ranking.scores for ranking in ranker.rank(batch, mask)],
    ):
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_read_only_and_strided_arrays_are_taken():
    ranker, documents = make(), draw(6, 4)
    strided = np.repeat(documents, 2, axis=0)[::2]
    strided.flags.writeable = False
    assert torch.equal(ranker.scores(strided), ranker.scores(documents))


@pytest.mark.parametrize(
    ("given_ids", "columns"), [((7, 3, 2, 1), [3, 2, 1, 0]), ((1, 2, 3, 4, 5, 6, 7), [0, 1, 2, 6])]
)
def test_columns_are_found_by_their_numbers(given_ids, columns):
    ranker, values = make(), draw(6, len(given_ids))
    found = ranker.scores(values, feature_ids=given_ids)
    assert torch.equal(found, ranker.scores(values[:, columns]))


def test_columns_are_found_by_their_names():
    ranker, values = make(feature_names=NAMES), draw(6, 5)
    found = ranker.scores(values, feature_ids=("age", "x", "clicks", "length", "bm25"))
    assert torch.equal(found, ranker.scores(values[:, [4, 3, 2, 0]]))


@pytest.mark.parametrize(
    ("feature_ids", "message"),
    [
        ((1, 2, 3, 4), r"4 columns \(1..3, 7\) the ranker was trained on, got 4 without 7"),
        ((1, 2, 3, 3), "`feature_ids` must be distinct, got 3 twice"),
        (("bm25", "length", "click", "age"), "got 4 without clicks; is it 'click'?"),
        ((1, 2, 3, 7, 8), "must have the 5 columns of `feature_ids`, got 4 in list 0"),
    ],
)
def test_other_columns_are_refused(feature_ids, message):
    with pytest.raises(ValueError, match=message):
        make(feature_names=NAMES).scores(draw(6, 4), feature_ids=feature_ids)


def test_names_are_refused_where_the_ranker_knows_none():
    with pytest.raises(ValueError, match="`feature_ids` must be numbers"):
        make().scores(draw(6, 4), feature_ids=NAMES)


@pytest.mark.parametrize(
    ("features", "mask", "error", "message"),
    [
        (draw(6, 3), None, ValueError, r"4 columns \(1..3, 7\) .* trained on, got 3$"),
        ([draw(6, 4), draw(2, 5)], None, ValueError, "got 5 in list 1"),
        (draw(4), None, ValueError, r"sequence of lists, got \(4,\)"),
        ([draw(6, 4), draw(4)], None, ValueError, r"got \(4,\) for list 1"),
        (draw(6, 4), np.ones(6, dtype=bool), ValueError, "`mask` must go with features"),
        ([draw(6, 4)], np.ones((1, 6), dtype=bool), ValueError, r"`mask` .*, got 1 lists"),
        (draw(2, 3, 4), np.ones((2, 4), dtype=bool), ValueError, r"= \(2, 3\), got \(2, 4\)"),
        (draw(2, 3, 4), np.ones((2, 3)), TypeError, "`mask` must be bool"),
        (draw(2, 3, 4), [[True] * 3] * 2, TypeError, "`mask` must be a NumPy array .*, got list"),
        (None, None, TypeError, "`features` must be NumPy arrays .*, got NoneType"),
        ("abcd", None, TypeError, "`features` must be NumPy arrays .*, got str"),
        ([[[1.0, 2.0], [3.0]]], None, TypeError, "`features` must be NumPy arrays .*, got list"),
        (np.array([["a"] * 4]), None, TypeError, "`features` must be NumPy arrays .*, got <U1"),
        (draw(6, 4) * 1j, None, TypeError, "of real numbers, got complex"),
        (torch.ones(6, 4) * 1j, None, TypeError, "must be real numbers, got torch.complex64"),
    ],
)
def test_features_that_do_not_fit_are_refused(features, mask, error, message):
    with pytest.raises(error, match=message):
        make().rank(features, mask)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_documents": 0}, ValueError, "`max_documents` must be at least 1, got 0"),
        ({"max_documents": "a"}, TypeError, "`max_documents` must be an int, got 'a'"),
        ({"feature_ids": "bm25"}, TypeError, "`feature_ids` must be a sequence .*, got 'bm25'"),
        ({"feature_ids": 4}, TypeError, "`feature_ids` must be a sequence of columns, got 4"),
    ],
)
def test_options_of_ranking_that_do_not_fit_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        make(feature_names=NAMES).rank(draw(6, 4), **options)


def test_a_call_takes_tensors():
    with pytest.raises(TypeError, match="`features` must be a tensor, got ndarray"):
        make()(draw(1, 6, 4))


def test_numbers_of_columns_may_be_an_array():
    ranker, values = make(), draw(6, 4)
    found = ranker.scores(values, feature_ids=np.array([7, 3, 2, 1]))
    assert torch.equal(found, ranker.scores(values[:, ::-1]))


def test_what_float32_does_not_hold_is_named():
    with pytest.raises(ValueError, match="finite in float32, got inf for feature 1"):
        make().scores(np.full((2, 4), 1e300))


def test_what_is_not_finite_is_named():
    documents = draw(6, 4)
    documents[2, 3] = np.nan
    with pytest.raises(ValueError, match=r"got nan for feature 7 of document 2$"):
        make().scores(documents)
    with pytest.raises(ValueError, match="got nan for feature 7 of document 2 in list 1"):
        make().scores([draw(2, 4), documents])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"feature_ids": (1, 2), "transform": None},
            "`feature_ids` must name the model's 4 inputs, got 2",
        ),
        ({"feature_ids": (1, 2)}, r"`transform` .* 2 columns \(1..2\) .*got 4 columns \(1..3, 7\)"),
        ({"feature_ids": (1, 2, 3, 3)}, "`feature_ids` must be distinct, got 3 twice"),
        ({"feature_ids": (1, 2, 3, 4)}, r"`transform` .* 4 columns \(1..4\) .*got 4 .*1..3, 7"),
        ({"feature_names": ("a",)}, "`feature_names` must be 4 names, one per feature, got 1"),
        ({"tasks": ("relevance",)}, "`tasks` must name the model's 2 scores, got 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(options, message):
    ranker = make(num_tasks=2)
    given_options = {"transform": ranker.transform, "feature_ids": IDS} | options
    with pytest.raises(ValueError, match=message):
        Ranker(ranker.model, **given_options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"feature_ids": (0, 1, 2, 3)}, ValueError, "numbers of columns from 1, got 0"),
        ({"feature_ids": "1237"}, TypeError, "`feature_ids` must be a sequence .*, got '1237'"),
        ({"feature_ids": (1.0, 2.0, 3.0, 7.0)}, TypeError, "numbers of columns, got 1.0 among"),
        ({"feature_names": "abcd"}, TypeError, "`feature_names` must be a sequence of names"),
        ({"feature_names": (1, 2, 3, 7)}, TypeError, "`feature_names` must be names, got 1 among"),
        ({"tasks": "ab"}, TypeError, "`tasks` must be a sequence of names, got 'ab'"),
        ({"transform": "LogStandardize"}, TypeError, "`transform` must be a Feature.*, got str"),
        ({"metadata": [1]}, TypeError, "`metadata` must be a dict, got list"),
        ({"metadata": {1: 2}}, TypeError, "`metadata keys` must be names, got 1 among them"),
        ({"model": "x"}, TypeError, "`model` must be a module, got str"),
    ],
)
def test_parts_of_another_type_are_refused(options, error, message):
    given_options = {"model": MLPScorer(4, hidden=(8,)), "feature_ids": IDS} | options
    with pytest.raises(error, match=message):
        Ranker(**given_options)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_the_transform_stays_exact(dtype):
    ranker, documents = make(), draw(30, 4) * 1e4
    expected = ranker.scores(documents)
    half = make().to(dtype)
    assert {b.dtype for b in half.transform.buffers()} == {torch.float32, torch.bool}
    assert {p.dtype for p in half.parameters()} == {dtype}
    found = half.scores(documents)
    assert found.dtype == torch.float32
    tolerance = 16 * torch.finfo(dtype).eps * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0.0, atol=tolerance)


def test_without_a_transform_the_features_are_the_inputs():
    model = MLPScorer(4, hidden=(8,)).eval()
    documents = draw(6, 4)
    with torch.no_grad():
        expected = model(torch.from_numpy(documents)[None])[0]
    torch.testing.assert_close(Ranker(model, feature_ids=IDS).scores(documents), expected)


def test_numbers_of_columns_are_shown_as_runs():
    assert describe((1, 2, 3, 5, 8, 9)) == "1..3, 5, 8..9"


def test_the_nearest_known_name_ends_a_message():
    assert nearest("layer", ["hidden", "layers"]) == "; did you mean 'layers'?"
