"""The start of a walk: kept, interrupted, or left as it was trained; and what is seen meanwhile."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from mtl2r_bench.navigate import opening
from mtl2r_bench.navigate.problem import Neighbour
from mtl2r_bench.navigate.session import Session
from mtl2r_bench.navigate.waiting import Lines, Spinner


@pytest.fixture
def far(toy, tmp_path):
    """A ranker beside the front: all of its losses can fall together."""
    found = toy("relevance", "click", path=tmp_path)
    with torch.no_grad():
        for parameter in found.ranker.model.parameters():
            parameter += 0.3
    own = Neighbour("one", "ls", tmp_path, np.array([0.5, 0.25]), np.zeros(2), own=True)
    return replace(found, neighbours=(own,))


def parameters(session):
    return session.navigator.parameters(session.points[0])


def same(session, problem):
    trained = dict(problem.ranker.model.named_parameters())
    return all(torch.equal(value, trained[name]) for name, value in parameters(session).items())


def test_a_start_on_the_front_is_found_once(far, monkeypatch):
    first = opening.begin(far)
    assert first.moved
    assert "corrected first" in first.point.message
    assert "ndcg@10 0.5000, 0.2500; `--as-trained`" in first.notes[-1]
    monkeypatch.setattr(Session, "start", None)  # not called again
    again = opening.begin(far)
    found = parameters(again)
    assert all(torch.equal(value, found[name]) for name, value in parameters(first).items())
    assert again.notes == first.notes
    assert again.point.message == first.point.message


def test_a_kept_start_of_another_ranker_is_found_anew(far):
    opening.begin(far)
    with torch.no_grad():
        next(far.ranker.model.parameters()).add_(0.1)
    begun = opening.begin(far)
    assert begun.moved
    assert same(Session.start(far, correct=False), far)
    kept = list((far.path / opening.START).iterdir())
    assert [path.name for path in kept] == ["quadratic-40"]
    resumed = Session.resume(far, kept[0])
    assert resumed.point.losses.tolist() == begun.point.losses.tolist()


def test_as_trained_begins_at_the_ranker_and_says_how_far_it_is(far):
    session = opening.begin(far, as_trained=True)
    assert same(session, far)
    assert not session.moved
    assert "all losses could fall together" in session.point.message
    assert session.notes == ()
    assert list(far.path.iterdir()) == []


def test_a_near_start_is_neither_moved_nor_kept(toy, tmp_path):
    problem = toy("relevance", "click", path=tmp_path)
    assert same(opening.begin(problem), problem)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_begins_at_the_ranker_where_that_is_wanted(far):
    def interrupted(what):
        if "correcting" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opening.begin(far, interrupted)
    assert same(opening.begin(far, interrupted, interruptible=True), far)


def test_what_is_done_is_told_with_its_number(far):
    told = []
    Session.start(far, told.append).local()
    assert any("step 1 of at most 20, KKT residual" in what for what in told)
    assert any("product 1 of at most 10" in what for what in told)
    assert any("solving for tangent 1 of 1: product 1 of at most 11" in what for what in told)


def test_lines_are_few_where_there_is_no_terminal():
    out = io.StringIO()
    lines = Lines(Console(file=out), every=1000.0)
    for number in range(5):
        lines.tell(f"product {number} of [5]")
    assert out.getvalue() == "0 s: product 0 of [5]\n"
    Lines(Console(file=out), first=1000.0).tell("soon done")
    assert "soon" not in out.getvalue()


def test_a_spinner_shows_what_is_told_and_leaves_nothing():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    spinner = Spinner(console)
    spinner.tell("nothing is shown outside")
    with spinner("opening", "a hint"):
        spinner.tell("product 3 [of 9]")
        console.file.flush()
    assert "outside" not in out.getvalue()
    assert "product 3 [of 9]" in out.getvalue()
    assert "a hint" in out.getvalue()
