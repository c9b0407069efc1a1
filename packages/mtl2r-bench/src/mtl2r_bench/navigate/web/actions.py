"""What the page asks of its tab's navigation: every press of a button or key is a command."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from dash import no_update
from flask import request

from ...runs.disk import explain
from ..problem import Problem
from ..sentences import parse
from .browsers import Browsers, Seat

COOKIE = "mtl2r"

SHARE_OF_LOSS = 0.03
"""A slider's end is this share of its task's loss: a few steps of a walk."""

Answer: TypeAlias = tuple[Any, Any, Any]
"""The new state, forecast and message of the page."""


class Actions:
    """The actions of a page on its tabs' navigations; mistakes are returned as messages."""

    def __init__(self, problem: Problem, browsers: Browsers) -> None:
        self._problem = problem
        self._browsers = browsers

    def seat(self, tab: str) -> Seat:
        """Return the navigation of a tab of the browser that asks."""
        browser = request.cookies.get(COOKIE)
        if not browser:
            raise ValueError("this page needs its cookie: allow it, and reload the page")
        return self._browsers.seat(seat_key(browser, tab))

    def open(self, tab: str) -> Answer:
        """Return the state of a navigation, and what a user should know."""

        def act() -> Answer:
            seat = self.seat(tab)
            with seat.alone():
                state = self._state(seat)
            said = [*self._problem.notes, seat.session.point.message]
            sentences = [f"{text[0].upper()}{text[1:].removesuffix('.')}." for text in said if text]
            return state, None, " ".join(sentences)

        return _attempt(act)

    def run(self, tab: str, command: Mapping[str, Any]) -> Answer:
        """Run a command; a forecast is shown until there is another."""

        def act() -> Answer:
            seat = self.seat(tab)
            with seat.alone():
                answer = seat.run(command)
                if answer["command"] == "preview":
                    return no_update, answer, ""
                if answer["command"] in ("export", "save"):
                    return no_update, no_update, f"Written: {answer['folder']}"
                taken = answer if answer["command"] == "step" else None
                return self._state(seat), taken, _said(answer)

        return _attempt(act)

    def say(self, tab: str, text: str) -> Answer:
        """Run what is typed."""
        tasks = self._problem.tasks

        def act() -> Answer:
            command = parse(text, tasks)
            if command["command"] in ("help", "quit"):
                raise ValueError(
                    f"the buttons do that here; type a wish, such as: improve {tasks[0]}"
                )
            return self.run(tab, command)

        return _attempt(act)

    def front(self, tab: str, *, losses: bool) -> Answer:
        """Return the study's runs as the first of three."""

        def act() -> Answer:
            seat = self.seat(tab)
            with seat.computing:  # not `alone`: another command of this tab may run
                return seat.run({"command": "front", "losses": losses}), None, no_update

        return _attempt(act)

    def _state(self, seat: Seat) -> dict[str, Any]:
        """Return what the page shows of a point; computes unknown trade-offs."""
        local = seat.run({"command": "local"})
        tree = seat.run({"command": "points"})
        return {"local": local, "tree": tree, **reach(local, self._problem.tasks)}


def reach(local: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, Any]:
    """Compute the largest weighted change of a loss that the sliders offer, and the weights.

    With the weights α, a slider at the share s of its way lets its loss fall by s · reach / α_k, so
    that the sliders are on the front, Σ α_k dL_k = 0, where their shares sum to 0; and no loss
    changes by more than its own range.

    Examples:
        >>> point = {"loss": {"a": 1.0, "b": 1.0}, "weights": {"a": 0.25, "b": 0.75}}
        >>> reach({"point": point}, ["a", "b"])
        {'reach': 0.0075, 'weights': [0.25, 0.75]}
    """
    losses = np.array([local["point"]["loss"][task] for task in tasks])
    weights = np.maximum([local["point"]["weights"][task] for task in tasks], 1e-3)
    return {
        "reach": float(np.min(weights * SHARE_OF_LOSS * np.abs(losses))),
        "weights": weights.tolist(),
    }


def seat_key(browser: str, tab: str) -> str:
    """Return the key of a tab's seat; only the page's script gives names to tabs."""
    if not re.fullmatch(r"[0-9a-f]{32}", tab):
        raise ValueError("invalid name of a tab; reload the page")
    return f"{browser}/{tab}"


def _attempt(act: Callable[[], Answer]) -> Answer:
    """Return the outputs of an action, or its mistake as a message."""
    try:
        return act()
    except (ValueError, OSError) as error:
        said = explain(error) if isinstance(error, OSError) else error
        return no_update, no_update, f"⚠ {said}"


def _said(answer: Mapping[str, Any]) -> str:
    """Say what was done."""
    if "point" not in answer:
        return ""
    point = answer["point"]["name"] or answer["point"]["id"]
    if answer["command"] == "step":
        return f"Step taken, to point {point}, in {answer['seconds']:.1f} s."
    return f"At point {point}."
