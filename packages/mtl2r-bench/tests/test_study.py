"""A study's runs."""

import tomllib

import numpy as np
import pytest

from mtl2r_bench.config import STUDIES, StudyConfig, load_study, to_toml, validate
from mtl2r_bench.evaluation.selection import position
from mtl2r_bench.study.plan import plan, preferences, task_sets

TASKS = ("relevance", "click")


def study(**tables):
    return validate(StudyConfig, tables)


def test_every_method_preference_and_seed_has_a_run():
    runs = plan(study(methods=["ls", "wc", "mgda"], preferences=5, seeds=[1, 2]), TASKS)
    names = [config.method.name for config in runs.values()]
    assert {name: names.count(name) for name in names} == {
        "stl": 2 * 2,
        "ls": 5 * 2,
        "wc": 5 * 2,
        "mgda": 1 * 2,
    }
    assert names[:2] == ["stl", "stl"]
    assert len(runs) == 2 * (2 + 5 + 5 + 1)
    assert len({to_toml(config) for config in runs.values()}) == len(runs)


def test_names_say_what_a_run_is_and_are_good_for_files():
    runs = plan(
        study(methods=[{"name": "nashmtl", "options": {"update_every": 3}}, "ls"], preferences=1),
        ("relevance", "feature:7"),
    )
    assert list(runs) == [
        "stl-relevance-s42",
        "stl-feature-7-s42",
        "nashmtl-update_every3-s42",
        "ls-r0.5_0.5-s42",
    ]


def test_one_task_is_single_task_training():
    runs = plan(study(methods=["ls", "mgda"], baselines=False), ("relevance",))
    assert list(runs) == ["stl-relevance-s42"]


def test_without_baselines():
    runs = plan(study(methods=["mgda"], baselines=False), TASKS)
    assert list(runs) == ["mgda-s42"]


def test_a_method_may_bring_its_own_preference():
    method = {"name": "ls", "preference": [0.125, 0.875]}
    runs = plan(study(methods=[method], baselines=False), TASKS)
    assert list(runs) == ["ls-r0.125_0.875-s42"]


def test_preferences_are_on_the_simplex_and_reach_near_the_corners():
    vectors = preferences(study(preferences=5), 2)
    assert [sum(vector) for vector in vectors] == pytest.approx([1] * 5)
    assert [vector[0] for vector in vectors] == pytest.approx([0.05, 0.275, 0.5, 0.725, 0.95])


def test_every_task_set_and_fold_has_its_runs_and_baselines_are_shared():
    labels = ("relevance", "quality", "click")
    runs = plan(
        study(
            data={"tasks": labels},
            task_sets="pairs",
            folds=[1, 3],
            seeds=[1, 2],
            methods=["ls", "mgda"],
            preferences=4,
        ),
        labels,
    )
    assert len(runs) == 2 * 2 * (3 + 3 * (4 + 1))
    assert len({to_toml(config) for config in runs.values()}) == len(runs)
    assert "stl-click-f3-s2" in runs
    assert runs["stl-click-f3-s2"].data.fold == 3
    assert runs["quality+click-mgda-f1-s1"].tasks == ("quality", "click")


def test_task_sets_are_named_as_the_labels_are():
    both = study(data={"tasks": ["relevance", "133"]}, task_sets=[["133", "relevance"]])
    assert task_sets(both, ("relevance", "click")) == [("click", "relevance")]
    with pytest.raises(ValueError, match=r"`task_sets` has 'clck'.*did you mean 'click'"):
        task_sets(study(task_sets=[["clck"]]), TASKS)
    with pytest.raises(ValueError, match=r"distinct labels, got .'click', 'click'"):
        task_sets(study(task_sets=[["click", "click"]]), TASKS)


@pytest.mark.parametrize("tasks", [3, 5])
def test_a_number_of_preferences_is_spread_over_the_simplex(tasks):
    vectors = preferences(study(preferences=12), tasks)
    assert len(set(vectors)) == 12
    assert [sum(vector) for vector in vectors] == pytest.approx([1] * 12, abs=5e-4)
    assert min(min(vector) for vector in vectors) >= 0.05
    assert max(max(vector) for vector in vectors) == pytest.approx(1 - 0.05 * (tasks - 1), abs=1e-3)


def test_bounds_are_derived_from_preferences_or_given():
    given = {"tasks": ["relevance", "click"], "values": {"click": [0.5, 1.0, 2.0]}}
    method = {"name": "ec", "options": {"mu": 2.0}}
    labels = ("relevance", "click", "quality")
    runs = plan(
        study(
            data={"tasks": labels},
            task_sets=[["relevance", "click"], ["relevance", "quality"]],
            methods=[method],
            preferences=2,
            bounds=[given],
        ),
        labels,
    )
    ec = {name: run.method for name, run in runs.items() if run.method.name == "ec"}
    assert list(ec) == [
        "relevance+click-ec-click0.5-mu2.0-s42",
        "relevance+click-ec-click1-mu2.0-s42",
        "relevance+click-ec-click2-mu2.0-s42",
        "relevance+quality-ec-r0.05_0.95-mu2.0-s42",
        "relevance+quality-ec-r0.95_0.05-mu2.0-s42",
    ]
    assert [position(run) for run in runs.values() if run.method.name == "ec"] == [
        *(0, 0.5, 1),
        *(0.05, 0.95),
    ]
    assert {m.label for m in ec.values()} == {"ec (mu=2.0)"}
    assert [m.rule for m in ec.values()] == [None] * 3 + ["payoff"] * 2


def test_a_method_may_have_a_model_of_its_own():
    mlp = {"architecture": "mlp"}
    small = {"architecture": "mlp", "hidden": [64, 32], "members": 2}
    known = study(
        methods=[
            "ls",
            {"name": "ls", "model": mlp},
            {"name": "ls", "model": small},
            {"name": "ls", "model": small, "variant": "small"},
            {"name": "mgda", "model": {}},  # the study's, said once more
            {"name": "nashmtl", "model": mlp, "options": {"update_every": 3}},
        ],
        preferences=1,
    )
    runs = plan(known, TASKS)
    found = {name: (run.method.label, run.model.architecture) for name, run in runs.items()}
    assert found == {
        "stl-relevance-s42": ("stl relevance", "transformer"),
        "stl-click-s42": ("stl click", "transformer"),
        "ls-r0.5_0.5-s42": ("ls", "transformer"),
        "ls-mlp-r0.5_0.5-s42": ("ls (mlp)", "mlp"),
        "ls-mlp-hidden-64x32-members-2-r0.5_0.5-s42": ("ls (mlp, hidden=64x32, members=2)", "mlp"),
        "ls-small-r0.5_0.5-s42": ("ls (small)", "mlp"),
        "mgda-s42": ("mgda", "transformer"),
        "nashmtl-mlp-update_every3-s42": ("nashmtl (mlp, update_every=3)", "mlp"),
    }
    assert runs["ls-small-r0.5_0.5-s42"].model.hidden == (64, 32)
    # A run's config is the one that a study of that model would give it, but for the variant.
    alone = plan(study(methods=["ls"], model=mlp, preferences=1), TASKS)["ls-r0.5_0.5-s42"]
    ours = runs["ls-mlp-r0.5_0.5-s42"]
    plain = ours.model_copy(update={"method": ours.method.model_copy(update={"variant": None})})
    assert to_toml(plain) == to_toml(alone)
    # A study that was read back from its folder has the same runs.
    assert plan(validate(StudyConfig, tomllib.loads(to_toml(known))), TASKS) == runs


FIVE = ("relevance", "quality", "quality2", "click", "dwell")
THREE = FIVE[:2] + FIVE[3:4]


@pytest.mark.parametrize(
    ("name", "labels", "runs"),
    [
        # Baselines, and per task set 7 methods with vectors or bounds and 14 without.
        ("web30k-bi", FIVE, 5 + 10 * (7 * 10 + 14)),
        ("web30k-five", FIVE, 5 + 7 * 10 + 14),
        ("web30k-figures", FIVE, 2 + 3 * 10 + 3 * 10),
        ("synthetic-web30k", THREE, 3 + 2 * (7 * 10 + 14)),
        # One of the 7 in two forms.
        ("synthetic-small", THREE, 3 + 2 * (8 * 5 + 14)),
        ("mslr-sample", THREE, 3 + 2 * (8 * 5 + 14)),
        ("mq2008", ("relevance", "pagerank"), 2 + 7 * 5 + 14),
        # Seven rankers, two kinds of trees, and the conditioned ranker with a run for each vector.
        ("mslr-rankers", ("relevance", "quality"), 2 + (7 + 2 + 1) * 5),
        # With three seeds.
        ("stays", ("rating", "demand", "price", "nights"), 3 * (4 + 7 * 5 + 14 + 5)),
        ("demo", FIVE[:2], 2 + 2 * 5 + 3),
    ],
)
def test_studies_of_the_package(name, labels, runs):
    known = validate(StudyConfig, load_study(name))
    assert len(plan(known, labels)) == runs
    head = STUDIES[name].read_text().partition("\n\n")[0].splitlines()
    assert any(line.startswith(f"# mtl2r-bench sweep {name}") for line in head) or name == "demo"
    assert set(STUDIES) == {
        *("web30k-bi", "web30k-five", "web30k-figures", "synthetic-web30k"),
        *("synthetic-small", "mslr-sample", "mslr-rankers", "mq2008", "stays", "demo"),
    }


def test_the_papers_study_has_its_settings():
    known = validate(StudyConfig, load_study("web30k-bi"))
    assert len(set(known.methods)) == 21
    x = [0.001, 0.111, 0.221, 0.331, 0.441, 0.551, 0.661, 0.771, 0.881, 0.991]
    assert known.preferences == tuple((a, pytest.approx(1 - a)) for a in x)
    assert (known.train.batch_size, known.train.list_length) == (64, 240)
    assert (known.evaluation.select_cutoff, known.evaluation.select_tasks) == (5, "main")
    assert known.evaluation.empty == 1.0
    for entry, ends in zip(known.bounds, [(1e-4, 1.5e-3), (1e-3, 1.5e-2)], strict=True):
        (values,) = entry.values.values()
        assert values == pytest.approx(np.linspace(*ends, 10), rel=5e-4)


@pytest.mark.parametrize(
    ("tables", "tasks", "message"),
    [
        ({"methods": ["lss"]}, TASKS, "unknown method 'lss'; did you mean 'ls'"),
        ({"loss": {"name": "lamda"}}, TASKS, "unknown loss 'lamda'; did you mean 'lambda'"),
        ({"loss": {"options": {"sigm": 2}}}, TASKS, "unknown option 'sigm'.*'sigma'"),
        ({"preferences": [[0.2, 0.9]]}, TASKS, "must sum to 1"),
        ({"preferences": [[0.2, 0.3, 0.5]]}, TASKS, r"vectors of 2 entries.*\[0.2, 0.3, 0.5\]"),
        ({"methods": ["ec"], "baselines": False}, TASKS, "bounds of method 'ec'.*set `baselines`"),
        ({"methods": [{"name": "stl", "model": {}}]}, TASKS, "'stl' takes no `model`"),
        ({"methods": [{"name": "gbdt_ls", "model": {}}]}, TASKS, "'gbdt_ls' takes no `model`"),
        (
            {
                "methods": [
                    {"name": "mgda", "variant": "x", "model": {"architecture": "mlp"}},
                    {"name": "mgda", "variant": "x", "model": {"architecture": "latent_cross"}},
                ]
            },
            TASKS,
            (
                "two different runs would have the name 'mgda-x-s42': "
                "give one of their methods a `variant`"
            ),
        ),
    ],
)
def test_mistakes_end_a_study_before_its_first_run(tables, tasks, message):
    with pytest.raises(ValueError, match=message):
        plan(study(**tables), tasks)
