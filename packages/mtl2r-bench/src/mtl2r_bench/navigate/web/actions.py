"""What the page asks of its tab's navigation: every press of a button or key is a command."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dash import no_update
from flask import request

from ...runs.files import explain
from ..problem import Problem
from ..sentences import parse
from .browsers import Browsers, Seat
from .reach import reach

COOKIE = "mtl2r"

Answer: TypeAlias = tuple[Any, Any, Any]
"""The new state, forecast and message of the page."""


class Actions:
    """The actions of a page; mistakes are returned as messages.

    Args:
        problem: The problem of the page.
        browsers: The tabs' navigations.
    """

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


def seat_key(browser: str, tab: str) -> str:
    """Return the key of a tab's seat.

    Raises:
        ValueError: For an invalid name of a tab; only the page's script gives names.
    """
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
