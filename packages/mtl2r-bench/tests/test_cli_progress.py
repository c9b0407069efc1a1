"""What a training shows while it lasts."""

import io
from itertools import product

import pytest
from rich.console import Console

from mtl2r_bench.cli import progress as cli_progress
from mtl2r_bench.cli.progress import TrainingProgress
from mtl2r_bench.progress import Progress, TreeProgress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(cli_progress.time, "monotonic", lambda: now[0])
    return now


def steps(epochs, batches):
    for epoch, batch in product(range(1, epochs + 1), range(1, batches + 1)):
        yield Progress(epoch, epochs, batch, batches, (1.0, 2.0))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.1, ["1/2, step 1/4", "1/2, step 4/4", "2/2, step 4/4"]),
        (
            40.0,
            ["1/2, step 1/4", "1/2, step 3/4", "1/2, step 4/4", "2/2, step 2/4", "2/2, step 4/4"],
        ),
    ],
)
def test_a_log_has_a_line_for_the_start_every_minute_and_every_epoch(clock, seconds, expected):
    stream = io.StringIO()
    with TrainingProgress(Console(file=stream, width=40)) as progress:
        for at in steps(2, 4):
            progress(at)
            clock[0] += seconds
    lines = stream.getvalue().splitlines()
    assert lines == [f"epoch {place}, losses 1.0000 2.0000" for place in expected]


def test_a_terminal_has_a_bar():
    stream = io.StringIO()
    with TrainingProgress(Console(file=stream, force_terminal=True, width=80)) as progress:
        for at in steps(2, 4):
            progress(at)
    assert "epoch 2/2" in stream.getvalue()
    assert "8/8" in stream.getvalue()
    assert "step" not in stream.getvalue()


@pytest.mark.parametrize("what", ["", "teacher of relevance"])
def test_trees_have_lines_too(clock, what):
    stream = io.StringIO()
    with TrainingProgress(Console(file=stream, width=40)) as progress:
        for tree in range(1, 4):
            progress(TreeProgress(what, tree, 100, "ndcg@10", 0.5))
            clock[0] += 40.0
    name = what or "trees"
    assert stream.getvalue().splitlines() == [
        f"{name}, tree {tree}/100, ndcg@10 0.5000" for tree in (1, 3)
    ]
