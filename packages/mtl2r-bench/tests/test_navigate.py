"""Navigation: sessions, sentences, JSON, the terminal, and the command on a trained run."""

import dataclasses
import io
import json
import shutil
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from mtl2r_bench.cli import app as cli
from mtl2r_bench.data.splits import load_splits
from mtl2r_bench.evaluation.evaluate import task_mask
from mtl2r_bench.navigate import Session, Wish, open_run, parse_wish
from mtl2r_bench.navigate.commands import COMMANDS, Places, run_command
from mtl2r_bench.navigate.jsonl import answer, serve
from mtl2r_bench.navigate.sentences import HELP, parse
from mtl2r_bench.navigate.terminal import talk
from mtl2r_bench.navigate.waiting import Spinner
from mtl2r_bench.table import LOSSES
from mtl2r_models import Ranker

TASKS = ("relevance", "click", "quality")
IMPROVE = Wish(improve="click", give={"relevance": 0.02})


@pytest.fixture
def session(toy):
    return Session.start(toy("relevance", "click"))


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path / "navigations")


def parameters(session, point=None):
    values = session.navigator.parameters(session.point if point is None else point)
    return torch.cat([value.reshape(-1) for value in values.values()])


def height(point):
    """√(2 L_1) + √(2 L_2), which is 1 on the toy's front and above it elsewhere."""
    return float((2 * point.losses).sqrt().sum())


def test_steps_stay_on_the_front_and_keep_what_was_promised(session):
    start = session.point
    for _ in range(3):
        before = session.point
        session.step(IMPROVE)
        change = session.point.losses - before.losses
        assert height(session.point) == pytest.approx(1, abs=1e-3)
        assert change[1] < 0
        assert change[0] <= 0.02 * 1.05
    assert [point.parent for point in session.points] == [None, 0, 1, 2]
    assert session.point.losses[1] < start.losses[1] - 0.03


def test_undo_is_bit_exact_and_a_step_from_an_old_point_is_a_branch(session):
    before = parameters(session)
    session.step(IMPROVE)
    assert not torch.equal(parameters(session), before)
    session.undo()
    assert torch.equal(parameters(session), before)
    session.step(Wish(improve="relevance", give={"click": 0.02}))
    session.name("other way")
    session.go(1)
    session.go("other way")
    assert [(point.id, point.parent) for point in session.points] == [(0, None), (1, 0), (2, 0)]
    session.go(0)
    with pytest.raises(ValueError, match=r"undo|first|parent|start"):
        session.undo()
    with pytest.raises(ValueError, match="7"):
        session.go(7)


def test_a_preview_changes_nothing_and_belongs_to_its_point(session):
    before = parameters(session)
    session.preview(IMPROVE)
    assert torch.equal(parameters(session), before)
    assert len(session.points) == 1
    session.step()
    with pytest.raises(ValueError, match="nothing to step to"):
        session.step()


def test_the_metric_of_a_wish_may_be_its_unit(session):
    # The metric is 1 − L: a metric that may fall by .02 is a loss that may rise by .02.
    in_loss = session.preview(IMPROVE).change
    wish = Wish(improve="click", give={"relevance": 0.02}, unit="metric")
    in_metric = session.preview(wish).change
    torch.testing.assert_close(in_metric, in_loss, rtol=0.05, atol=1e-4)


@pytest.mark.parametrize("unit", ["loss", "metric"])
@pytest.mark.parametrize(
    ("wish", "free", "held"),
    [
        ({}, {0, 2}, set()),
        ({"by": 0.01}, {0, 2}, set()),
        ({"give": {"relevance": 0.01}}, {0}, {2}),
        ({"give": {"relevance": 0.01}, "protect": ("quality",)}, {0}, {2}),
        ({"protect": ("quality",)}, {0}, {2}),
    ],
)
def test_what_a_wish_leaves_free_and_what_it_holds(toy, unit, wish, free, held):
    session = Session.start(toy("relevance", "click", "quality"))
    found = session.preview(Wish(improve="click", unit=unit, **wish))
    assert found.feasible
    lost = (found.change if unit == "loss" else -found.metric_change).tolist()
    assert lost[1] < -1e-3
    assert all(abs(lost[task]) < 1e-4 for task in held)
    assert sum(lost[task] for task in free) > 1e-3


def test_gain_is_paired_over_the_lists(session):
    start = session.point
    session.step(IMPROVE)
    gain, error = session.gain(session.point, start)
    change = (session.point.losses - start.losses).numpy()
    np.testing.assert_allclose(gain, -change, atol=1e-6)
    # Of each list the metric changes by −ΔL s_i with the spread s: so does its standard error.
    spread = 1 + 0.1 * np.sin(np.arange(40.0))
    spread /= spread.mean()
    expected = np.abs(change) * spread.std(ddof=1) / np.sqrt(40)
    np.testing.assert_allclose(error, expected, rtol=1e-3, atol=1e-7)
    assert (error < session.point.metric_errors.numpy()).all()


def test_a_saved_navigation_goes_on_bit_for_bit(session, toy, tmp_path):
    session.step(IMPROVE)
    session.name("half way")
    session.step(IMPROVE)
    session.go(1)
    session.save(tmp_path / "saved")
    shutil.move(tmp_path / "saved", tmp_path / "elsewhere")
    renamed = dataclasses.replace(toy("relevance", "click"), name="renamed")
    again = Session.resume(renamed, tmp_path / "elsewhere")
    assert again.point.id == 1
    assert again.point.name == "half way"
    for old, new in zip(session.points, again.points, strict=True):
        assert torch.equal(parameters(session, old), parameters(again, new))
    session.step(IMPROVE)
    again.step(IMPROVE)
    assert torch.equal(parameters(session), parameters(again))


def test_a_navigation_of_something_else_is_refused(session, toy, tmp_path):
    session.save(tmp_path / "saved")
    with pytest.raises(ValueError, match="another tasks"):
        Session.resume(toy("relevance", "quality"), tmp_path / "saved")
    with pytest.raises(FileNotFoundError, match="no saved navigation"):
        Session.resume(toy("relevance", "click"), tmp_path / "nowhere")
    (tmp_path / "saved" / "session.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        Session.resume(toy("relevance", "click"), tmp_path / "saved")


def test_forks_do_not_see_one_another(session):
    session.step(IMPROVE)
    one, other = session.fork(), session.fork()
    before = parameters(session)
    one.step(IMPROVE)
    other.undo()
    other.step(Wish(improve="relevance", give={"click": 0.01}))
    assert torch.equal(parameters(session), before)
    assert [len(s.points) for s in (session, one, other)] == [2, 3, 3]
    assert one.point.parent == 1
    assert other.point.parent == 0


def test_the_exported_ranker_is_the_point(session, tmp_path):
    session.step(IMPROVE)
    folder = session.export(tmp_path / "new" / "ranker")
    ranker = Ranker.load(folder)
    exported = torch.cat([p.detach().reshape(-1) for p in ranker.model.parameters()])
    assert torch.equal(exported, parameters(session))
    assert ranker.metadata["navigation"]["point"] == 1
    assert ranker.tasks == ("relevance", "click")
    with pytest.raises(ValueError, match="exists"):
        session.export(folder)
    assert session.export(tmp_path / "start", session.points[0]) == tmp_path / "start"


# Sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("improve click", {"improve": "click"}),
        ("Improve click by 0.02", {"improve": "click", "by": 0.02}),
        (
            "improve click, give up at most relevance 0.01 and protect quality",
            {"improve": "click", "give": {"relevance": 0.01}, "protect": ("quality",)},
        ),
        (
            "improve click give relevance=0.01 quality=.02 in metric",
            {"improve": "click", "give": {"relevance": 0.01, "quality": 0.02}, "unit": "metric"},
        ),
        ("move click -0.02 quality +1e-2", {"change": {"click": -0.02, "quality": 0.01}}),
        ("move click -0.02 in losses", {"change": {"click": -0.02}}),
        (
            "towards relevance 1, click 2, quality 3",
            {"toward": {"relevance": 1.0, "click": 2.0, "quality": 3.0}},
        ),
    ],
)
def test_sentences(text, expected):
    assert parse_wish(text, TASKS) == Wish(**expected)


def test_names_of_tasks_may_be_words_of_the_language():
    tasks = ("give", "time on page")
    assert parse_wish("improve most", ("most", "to")) == Wish(improve="most")
    said = parse_wish('improve give give "time on page" 0.1', tasks)
    assert said == Wish(improve="give", give={"time on page": 0.1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("improve klick", "did you mean 'click'"),
        ("improve", "takes one task"),
        ("improve click quality", "takes one task"),
        ("improve click give relevance", "`give relevance` needs a number"),
        ("improve click give relevance -0.01", "`give.relevance`.*greater than 0, got -0.01"),
        ("improve click give relevance nan", "`give.relevance`.*finite number"),
        ("improve click protect quality 0.1", "takes no amount"),
        ("improve click give click 0.1", "named twice"),
        ("improve 0.1 click", "name of a task before 0.1"),
        ("move click 0.1 click 0.2", "named twice"),
        ("toward click 1 relevance 1 quality 1 in metric", "proportions of the losses"),
        ("improve click in metrc", "did you mean 'metric'"),
        ("move click", "needs a number"),
        ("move", "needs tasks and numbers"),
        ("toward click 1", "every task|has none"),
        ("toward click 1 relevance 0 quality 1", "`toward.relevance`.*greater than 0"),
        ('improve "click', "quotation mark"),
        ("stepp", "did you mean 'step'"),
        ("go", "needs a point"),
        ("undo 3", "takes nothing"),
        ("export", "needs a folder"),
    ],
)
def test_mistakes_get_a_message(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text, TASKS)


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(
            [
                "improve",
                "give",
                "protect",
                "move",
                "toward",
                "step",
                "go",
                "in",
                "metric",
                "click",
                "relevance",
                "0.1",
                "-1",
                "nan",
                "'",
                ",",
                "=",
            ]
        ),
        max_size=8,
    ).map(" ".join)
)
@settings(max_examples=100)
def test_whatever_is_typed_is_a_command_or_a_message(text):
    if not text.strip():
        return
    found = ""
    try:
        found = parse(text, TASKS)["command"]
    except ValueError as error:
        found = str(error)
    assert found
    assert "validation error" not in found  # pydantic's own words


def test_help_has_every_command():
    words = {usage.split()[0] for usage, _ in HELP}
    for word in ("improve", "move", "toward", "step", "undo", "points", "go", "export", "save"):
        assert word in words


# Commands as JSON


def test_a_walk_in_json(session, places, tmp_path):
    lines = [
        {"command": "local"},
        {"command": "preview", "improve": "click", "give": {"relevance": 0.02}},
        {"command": "step"},
        {"command": "step", "change": {"click": -0.01}},
        {"command": "undo"},
        {"command": "go", "point": 2},
        {"command": "name", "name": "far"},
        {"command": "points"},
        {"command": "front"},
        {"command": "export", "folder": str(tmp_path / "ranker")},
        {"command": "save"},
        {"command": "quit"},
        {"command": "local"},
    ]
    out = io.StringIO()
    assert serve(session, places, (json.dumps(line) + "\n" for line in lines), out) == 0
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [a["command"] for a in answers] == [line["command"] for line in lines[:-1]]
    local, preview, step = answers[:3]
    # At equal losses of the toy α = (1/2, 1/2): one loss costs the other as much.
    assert local["exchange"]["relevance"]["click"] == pytest.approx(-1, abs=1e-3)
    assert preview["predicted"]["loss_change"]["relevance"] == pytest.approx(0.02, rel=0.05)
    assert step["predicted"] == preview["predicted"]
    assert step["realised"]["loss_change"]["click"] == pytest.approx(
        preview["predicted"]["loss_change"]["click"], rel=0.1
    )
    assert [p["parent"] for p in answers[7]["points"]] == [None, 0, 1]
    assert answers[7]["current"] == 2
    assert (tmp_path / "ranker" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ("{}", "`command` must be a name, got None"),
        ('{"command": "setp"}', "did you mean 'step'"),
        ('{"command": "undo", "point": 1}', "undo: unknown key `point`"),
        ('{"command": "preview"}', "needs a wish"),
        ('{"command": "step"}', "nothing to step to"),
        ('{"command": "preview", "improve": "klick"}', "did you mean 'click'"),
        ('{"command": "preview", "imporve": "click"}', "did you mean 'improve'"),
        ('{"command": "preview", "improve": "click", "by": -1}', "`by`"),
        ('{"command": "preview", "improve": "click", "by": NaN}', "`by`"),
        ('{"command": "preview", "improve": ["click"]}', "`improve`"),
        ('{"command": "preview", "improve": "click", "change": {"click": 1}}', "one of"),
        ('{"command": "preview", "give": {"click": 1}}', "need a task to `improve`"),
        ('{"command": "preview", "change": {}}', "`change` needs tasks and numbers"),
        ('{"command": "preview", "change": {"click": 1e999}}', "`change.click`"),
        ('{"command": "preview", "toward": {"click": 1}}', "has none"),
        ('{"command": "go", "point": 99}', "99"),
        ('{"command": "go"}', "`point` is missing"),
        ('{"command": "export", "folder": ""}', "`folder`"),
        ('{"command": "undo"}', ""),
    ],
)
def test_a_mistake_in_json_is_answered_and_changes_nothing(session, places, line, message):
    before = parameters(session)
    found = answer(session, places, line)
    assert not found["ok"]
    assert message in found["error"]
    assert "Traceback" not in found["error"]
    assert torch.equal(parameters(session), before)
    assert len(session.points) == 1


def test_files_are_not_overwritten(session, places, tmp_path):
    run_command(session, places, {"command": "save", "folder": "mine"})
    run_command(session, places, {"command": "save"})  # again, where it is
    assert places.saved == tmp_path / "navigations" / "mine"
    other = Places(places.home)
    with pytest.raises(ValueError, match="needs a new name"):
        run_command(session, other, {"command": "save", "folder": "mine"})
    first = run_command(session, Places(places.home), {"command": "save"})
    second = run_command(session, Places(places.home), {"command": "save"})
    assert first["folder"] != second["folder"]


def test_a_page_writes_under_its_folders_alone(session, tmp_path):
    page = Places(tmp_path / "navigations", exports=tmp_path / "rankers")
    for name in ("../out", "/out", "a/b", "..", "~", ".hidden"):
        for command in ("export", "save"):
            with pytest.raises(ValueError, match="expected a name"):
                run_command(session, page, {"command": command, "folder": name})
    run_command(session, page, {"command": "export", "folder": "more clicks"})
    assert (tmp_path / "rankers" / "more clicks" / "config.json").is_file()


# The terminal


def at_terminal(session, places, *lines):
    """What is printed for lines that are typed."""
    console = Console(file=io.StringIO(), width=160)
    given = iter(lines)

    def read(_):
        line = next(given, EOFError)
        if isinstance(line, str):
            return line
        raise line

    talk(session, places, console, Spinner(console), read)
    return console.file.getvalue()


def test_a_walk_at_the_terminal(session, places, tmp_path):
    text = at_terminal(
        session,
        places,
        "",
        "help",
        "improve click give relevance 0.02",
        "step",
        "undo",
        "step improve relevance give click 0.01",
        "name other",
        "points",
        "go 1",
        "look",
        f"export {tmp_path / 'ranker'}",
        "save",
        "quit",
    )
    for expected in ("Exchange along the front", "would give", "realised", "other", "→", "Saved 3"):
        assert expected in text
    assert text.count("Saved") == 1
    assert session.point.id == 1
    assert (tmp_path / "ranker" / "config.json").is_file()


def test_mistakes_at_the_terminal_get_a_message(session, places):
    text = at_terminal(
        session, places, "stepp", "go 9", "step", "improve klick", "export /proc/no/where", "[/red]"
    )
    assert "did you mean 'step'" in text
    assert "nothing to step to" in text
    assert "did you mean 'click'" in text
    assert "/proc/no" in text
    assert "Traceback" not in text
    assert not places.home.exists()


def test_what_is_new_is_saved_on_leaving(session, places, toy):
    at_terminal(session, places, "step improve click give relevance 0.02")
    assert places.saved is not None
    again = Session.resume(toy("relevance", "click"), places.saved)
    assert len(again.points) == 2
    # Nothing is written for a look.
    elsewhere = Places(places.home / "other")
    at_terminal(again, elsewhere, "points", KeyboardInterrupt)
    assert elsewhere.saved is None


def test_an_interrupted_step_leaves_everything_as_it_was(session, places, monkeypatch):
    before = parameters(session)
    step = session.navigator.step

    def interrupted(preview):
        step(preview)
        raise KeyboardInterrupt

    monkeypatch.setattr(session.navigator, "step", interrupted)
    text = at_terminal(session, places, "step improve click give relevance 0.02")
    assert "nothing has changed" in text
    assert torch.equal(parameters(session), before)


# A trained run


def test_the_problem_of_a_run(run, run_config):
    problem = open_run(run)
    assert problem.loss == "listnet"
    assert "lambda" in problem.notes[0]
    assert problem.tasks == ("relevance", "quality")
    # Means over all lists at once, whatever the batches and their padding.
    config = run_config("ls", preference=(0.5, 0.5), train={"epochs": 1})
    splits = load_splits(config.data, config.evaluation)
    batch = splits.train.batch(range(len(splits.train)))
    for name in ("listnet", "ranknet", "softmax"):
        found = open_run(run, loss=name).losses(problem.ranker.model).mean(dim=-1)
        scores = problem.ranker(batch.features, batch.mask)
        expected = LOSSES[name].function(scores, batch.labels, mask=task_mask(batch))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    # The metric is the one of the record.
    record = json.loads((run / "record.json").read_text())
    measured = np.nanmean(problem.measure(problem.ranker.model), axis=-1)
    for task, value in zip(problem.tasks, measured, strict=True):
        assert record["metrics"]["validation"]["ndcg@10"][task] == pytest.approx(value, abs=1e-6)
    assert [other.own for other in problem.neighbours] == [True]


@pytest.mark.parametrize("name", sorted(name for name, row in LOSSES.items() if row.smooth))
def test_smooth_losses_have_second_derivatives(name):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    along = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    labels = torch.tensor([[1.0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0]])

    def gradient(at):
        at = at.clone().requires_grad_()
        (found,) = torch.autograd.grad(LOSSES[name].function(at, labels), at, create_graph=True)
        return at, found

    at, first = gradient(scores)
    (product,) = torch.autograd.grad(first, at, along)
    step = 1e-5
    difference = (gradient(scores + step * along)[1] - gradient(scores - step * along)[1]) / 2
    torch.testing.assert_close(product, difference.detach() / step, rtol=1e-4, atol=1e-7)
    assert product.abs().max() > 1e-4


def test_the_sample_is_of_whole_lists_and_always_the_same(run):
    whole = open_run(run)
    small = open_run(run, documents=40)
    assert small.documents <= 40 < whole.documents
    assert "training lists" in small.notes[-1]
    model = whole.ranker.model
    torch.testing.assert_close(small.losses(model), open_run(run, documents=40).losses(model))
    assert open_run(run, documents=1).losses(model).shape == (2, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "lambda"}, "unknown smooth loss 'lambda'"),
        ({"loss": "listnett"}, "did you mean 'listnet'"),
        ({"documents": 0}, "`documents`"),
    ],
)
def test_what_a_run_cannot_be_opened_with(run, options, message):
    with pytest.raises(ValueError, match=message):
        open_run(run, **options)


def test_what_is_no_run(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="is a study; choose one"):
        open_run(run.parent.parent)
    with pytest.raises(FileNotFoundError, match="no finished run"):
        open_run(tmp_path / "nowhere")
    record = json.loads((run / "record.json").read_text())
    record["data"]["train"] = "0" * 64
    (run / "record.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="train split is not the one"):
        open_run(run)


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs `mtl2r-bench` with what is typed at it: exit code, output, errors."""

    def run(*arguments, given=""):
        monkeypatch.setattr(sys, "argv", ["mtl2r-bench", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code or 0, captured.out, captured.err

    return run


def test_from_a_run_to_the_scores_of_the_exported_ranker(run, tmp_path, letor, command):
    lines = [
        {"command": "local"},
        {"command": "step", "improve": "quality", "give": {"relevance": 0.01}},
        {"command": "export", "folder": str(tmp_path / "ranker")},
        {"command": "save", "folder": "mine"},
        {"command": "nonsense"},
    ]
    given = "".join(json.dumps(line) + "\n" for line in lines)
    code, out, err = command("navigate", run, "--json", given=given)
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [True] * 4 + [False]
    assert (code, err) == (1, "")
    features = " ".join(f"{i}:{i % 7}" for i in range(1, 137))
    data = letor(train=[f"1 qid:1 {features}", f"0 qid:1 {features}"]) / "train.txt"
    scores = tmp_path / "scores"
    code, _, _ = command("predict", "--model", tmp_path / "ranker", "--data", data, "--out", scores)
    assert code == 0
    assert len(scores.read_text().split()) == 2
    code, out, _ = command("navigate", run, "--resume", "mine", given="points\nquit\n")
    assert code == 0
    assert "→" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "`RUN` is missing"),
        (["nowhere"], "no finished run"),
        (["nowhere", "--json", "--web"], "exclude one another"),
        (["nowhere", "--resume", "never"], "no saved navigation"),
    ],
)
def test_mistakes_in_the_command_end_with_one_message(command, arguments, message):
    code, _, err = command("navigate", *arguments)
    assert code == 1
    assert message in err
    assert "Traceback" not in err


def test_the_schema_has_every_command(command):
    code, out, _ = command("navigate", "--schema")
    assert code == 0
    schema = json.loads(out)
    assert set(schema) == set(COMMANDS)
    assert "give" in schema["preview"]["properties"]
