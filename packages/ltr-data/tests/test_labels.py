"""Labels come from the right column, with what was fitted on the training split."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltr_data
from ltr_data import (
    AutoGrades,
    Binarize,
    Clip,
    Compose,
    Identity,
    Invert,
    LabelSpec,
    LabelTransform,
    Log1p,
    QuantileGrades,
    RankingDataset,
    RankingTable,
    from_numpy,
)

TRANSFORMS = [
    Identity(),
    Invert(255),
    Log1p(),
    Binarize(0.5),
    Clip(0, 4),
    QuantileGrades(levels=4, edges=(0.0, 2.5)),
    Compose(Invert(255), QuantileGrades(levels=3, separate_minimum=False, edges=(1.0, 7.0))),
    Invert(),
    QuantileGrades(),
]

values = st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=80).map(np.float32)


def table_of(features, labels=None):
    features = np.float32(features)
    return RankingTable(
        features=features,
        feature_ids=tuple(range(1, features.shape[1] + 1)),
        labels=np.zeros(len(features), np.float32) if labels is None else np.float32(labels),
        offsets=np.array([0, len(features)]),
        query_ids=("1",),
    )


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_json_round_trip(transform):
    spec = LabelSpec("x", source=3, transform=transform, correlates=(4, 5))
    assert LabelSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_wrong_dictionaries():
    with pytest.raises(ValueError, match=r"`type`.*'Inverted', did you mean 'Invert'\?"):
        LabelTransform.from_dict({"type": "Inverted"})
    with pytest.raises(ValueError, match=r"`Clip`.*parameters"):
        LabelTransform.from_dict({"type": "Clip", "low": 0, "high": 1, "middle": 2})
    with pytest.raises(ValueError, match=r"`config` of a label must be like .*got no name"):
        LabelSpec.from_dict({"source": "x"})
    with pytest.raises(ValueError, match=r"got the key 'grade', did you mean 'grades'\?"):
        LabelSpec.from_dict({"name": "x", "grade": 5})


@given(values=values, levels=st.integers(2, 6), separate=st.booleans())
def test_quantile_grades_rise_with_the_value(values, levels, separate):
    transform = QuantileGrades(levels, separate_minimum=separate).fit(values)
    grades = transform(values)
    order = np.argsort(values)
    assert (np.diff(grades[order]) >= 0).all()
    assert set(grades) <= set(range(levels))
    assert (grades[values == values.min()] == 0).all()
    if separate:
        assert (grades[values > values.min()] > 0).all()
    if len(np.unique(values)) > 1:
        assert grades.max() == len(transform.edges)  # no grade is skipped at the top


def test_quantile_grades_have_equal_size_where_values_differ():
    clicks = np.concatenate([np.zeros(100), np.arange(1, 401)]).astype(np.float32)
    grades = QuantileGrades(levels=5).fit(clicks)(clicks)
    assert np.bincount(grades.astype(int)).tolist() == [100] * 5
    grades = QuantileGrades(levels=5, separate_minimum=False).fit(clicks[100:])(clicks[100:])
    assert np.bincount(grades.astype(int)).tolist() == [80] * 5


def test_tie_at_the_top_is_a_grade_of_its_own():
    badness = np.float32([1] * 30 + list(range(2, 72)))
    transform = Compose(Invert(255), QuantileGrades(levels=5, separate_minimum=False)).fit(badness)
    assert (transform(badness)[:30] == 4).all()
    assert (transform(badness)[30:] < 4).all()


def test_constant_column_has_one_grade():
    assert QuantileGrades().fit(np.float32([3, 3]))(np.float32([3, 3])).tolist() == [0, 0]


def test_unfitted_transforms_say_so():
    for transform in (QuantileGrades(), Invert(), Compose(Invert(), QuantileGrades())):
        with pytest.raises(RuntimeError, match="must be fitted"):
            transform(np.float32([1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QuantileGrades(levels=1), "`levels`"),
        (lambda: QuantileGrades(levels=2, edges=(1.0, 2.0)), "`edges`"),
        (lambda: QuantileGrades(levels=5, edges=(2.0, 1.0)), "`edges`"),
        (lambda: Clip(2, 1), "`low`"),
        (lambda: Log1p()(np.float32([-1])), "`values`"),
        (lambda: LabelSpec(""), "`name`"),
        (lambda: LabelSpec("x", source=0), "`source`"),
        (lambda: LabelSpec("x", source=""), "`source`"),
        (lambda: LabelSpec("x", grades=1), "`grades`"),
        (lambda: LabelSpec("x", grades=2, threshold=1.0), "exclude one another"),
        (lambda: LabelSpec("x", per_list=True), "`per_list`"),
        (lambda: LabelSpec("x", transform=Log1p(), lower=True), "`transform`"),
        (lambda: LabelSpec("x", correlates=(0,)), "`correlates`"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_source_is_the_file_number():
    table = table_of([[10, 20], [30, 40]], labels=[1, 2])
    dataset = RankingDataset.from_table(
        table, [LabelSpec("relevance"), LabelSpec("second", source=2)]
    )
    assert dataset.labels.tolist() == [[1, 2], [20, 40]]
    assert dataset.feature_ids == (1,)
    assert dataset.features.tolist() == [[10], [30]]


def test_training_statistics_are_applied_unchanged():
    train = table_of([[0, 0], [0, 1], [0, 2], [0, 3], [0, 4]])
    other = table_of([[0, 100], [0, 200], [0, -5]])
    specs = [LabelSpec("click", source=2, transform=QuantileGrades(levels=3))]
    fitted = RankingDataset.from_table(train, specs).label_specs
    assert fitted[0].transform.edges == (0.0, 2.0)
    dataset = RankingDataset.from_table(other, fitted)
    assert dataset.label_specs == fitted
    assert dataset.labels.tolist() == [[2, 2, 0]]


def test_source_that_is_not_there():
    with pytest.raises(ValueError, match=r"task 'click'.*2 features, got 134"):
        RankingDataset.from_table(table_of([[1, 2]]), [LabelSpec("click", source=134)])


def test_nan_label_is_named():
    table = table_of([[1, 2], [1, np.nan]])
    with pytest.raises(ValueError, match="task 'x' has a NaN label in column 2, row 1"):
        RankingDataset.from_table(table, [LabelSpec("x", source=2)])


TABLE = table_of([[1, 2, 3, 4]])
SPECS = [LabelSpec("relevance"), LabelSpec("click", source=3, correlates=(4,))]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((1, 3), "feature 3 is the source of task 'click'"),
        ((1, 4), "feature 4 is the correlate of task 'click'"),
        ((1, 9), "`inputs` must be columns .* 1..4, got 9"),
        ((), "`inputs` must hold at least one"),
    ],
)
def test_a_leak_is_an_error(inputs, message):
    with pytest.raises(ValueError, match=message):
        RankingDataset.from_table(TABLE, SPECS, inputs=inputs)


def test_default_inputs_do_not_leak():
    assert RankingDataset.from_table(TABLE, SPECS).feature_ids == (1, 2)
    assert RankingDataset.from_table(TABLE, SPECS, inputs=[2]).feature_ids == (2,)
    assert RankingDataset.from_table(TABLE, SPECS, inputs={2, 1}).feature_ids == (1, 2)


def test_tasks_must_be_different_and_some():
    with pytest.raises(ValueError, match="`labels` must name different tasks"):
        RankingDataset.from_table(TABLE, [LabelSpec("a"), LabelSpec("a", source=2)])
    with pytest.raises(ValueError, match="`labels`"):
        RankingDataset.from_table(TABLE, [])
    assert ltr_data.RankingDataset.from_table(TABLE).tasks == ("relevance",)


prices = st.lists(st.integers(1, 500), min_size=5, max_size=40).map(np.float32)


@given(prices, st.integers(2, 5))
def test_lower_is_better(values, grades):
    """The cheapest has the highest grade, and grades fall with the price."""
    table = table_of([[v, 0] for v in values])
    spec = LabelSpec("cheap", 1, lower=True, grades=grades).fit(table)
    labels = spec(table)
    assert (np.diff(labels[np.argsort(values)]) <= 0).all()
    assert labels.min() >= 0
    threshold = float(np.median(values))
    below = LabelSpec("cheap", 1, lower=True, threshold=threshold).fit(table)(table)
    np.testing.assert_array_equal(below, values <= threshold)


@given(prices)
def test_a_cap_is_a_minimum(values):
    table = table_of([[v, 0] for v in values])
    np.testing.assert_array_equal(LabelSpec("x", 1, cap=50.0)(table), np.minimum(values, 50))


@given(st.lists(prices, min_size=1, max_size=4), st.integers(2, 5))
def test_grades_per_list_are_those_of_each_list_alone(lists, levels):
    values = np.concatenate(lists)
    queries = np.repeat(np.arange(len(lists)), [len(own) for own in lists])
    table = from_numpy(np.stack([values, values], axis=1), np.zeros(len(values)), queries)
    spec = LabelSpec("x", 1, grades=levels, per_list=True).fit(table)
    labels = np.split(spec(table), table.offsets[1:-1])
    for own, found in zip(lists, labels, strict=True):
        below = (own[:, None] > own).sum(axis=1)
        np.testing.assert_array_equal(found, below * levels // len(own))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clicks", LabelSpec("clicks", "clicks", AutoGrades(), missing="mask")),
        ("demand=reviews:grades=3", LabelSpec("demand", "reviews", missing="mask", grades=3)),
        (
            "p:lower:cap=9:grades=3",
            LabelSpec("p", "p", missing="mask", cap=9, lower=True, grades=3),
        ),
        ("p:threshold=4.5", LabelSpec("p", "p", missing="mask", threshold=4.5)),
        ("p:raw", LabelSpec("p", "p", missing="mask")),
        ("p:per_list", LabelSpec("p", "p", missing="mask", grades=5, per_list=True)),
    ],
)
def test_labels_of_one_line(text, expected):
    assert LabelSpec.parse(text) == expected
    assert LabelSpec.from_dict(expected.to_dict()) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p:grade=5", r"'grade=5' in 'p:grade=5', did you mean 'grades'\?"),
        ("p:lower=1", "got 'lower=1'"),
        ("p:grades=many", "`grades` of the label 'p:grades=many' must be a number, got 'many'"),
        ("p:raw:grades=5", "`raw` excludes"),
        (":lower", "`name` must be the name of a task"),
    ],
)
def test_labels_of_one_line_that_are_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        LabelSpec.parse(text)


@given(values)
def test_grades_stay_and_all_else_is_graded(values):
    fitted = AutoGrades().fit(values)
    whole = (values >= 0).all() and (values <= 10).all() and (values % 1 == 0).all()
    assert isinstance(fitted, Identity) == whole
    labels = fitted(values)
    assert (labels >= 0).all()
    assert (labels % 1 == 0).all()
