"""`mtl2r-bench navigate`: moves along the Pareto front from a finished run."""

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..navigate import Session, open_run
from ..navigate.commands import Places, schema
from ..navigate.jsonl import serve
from ..navigate.opening import begin
from ..navigate.problem import DOCUMENTS
from ..navigate.session import about
from ..navigate.terminal import talk
from ..navigate.waiting import Lines, Spinner
from ..runs.disk import writable
from .options import console

app = typer.Typer()

_HINT = "Ctrl-C begins at the ranker as it was trained, however far from the front"


@app.command()
def navigate(
    run: Annotated[Path | None, typer.Argument(help="The folder of a finished run.")] = None,
    resume: Annotated[
        str | None, typer.Option(help="A saved navigation: its name, or its folder.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="The smooth loss whose front is followed; the run's own, or listnet."),
    ] = None,
    documents: Annotated[
        int, typer.Option(min=1, help="Training documents that losses and curvature are taken on.")
    ] = DOCUMENTS,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
    as_trained: Annotated[
        bool,
        typer.Option(
            "--as-trained", help="Begin at the ranker as it is, however far from the front."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON command per line in, an answer per line out.")
    ] = False,
    web: Annotated[bool, typer.Option("--web", help="A page in the browser.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: any.")] = 0,
    show_schema: Annotated[
        bool, typer.Option("--schema", help="Print the commands that --json takes, and end.")
    ] = False,
) -> None:
    """Moves along the front from a finished run: wishes, previews, steps, a new ranker."""
    if show_schema:
        typer.echo(json.dumps(schema(), indent=2))
        return
    if run is None:
        raise ValueError("`RUN` is missing: the folder of a finished run")
    if as_json and web:
        raise ValueError("`--json` and `--web` exclude one another")
    if web:
        _need_page()
    places = Places(run / "navigations")
    saved = None if resume is None else places.navigation(resume)
    if saved is not None:
        kept = about(saved)
        loss, documents = loss or kept["loss"], kept["documents"]
    if resume is not None and as_trained:
        raise ValueError("`--resume` and `--as-trained` exclude one another")
    seen = Console(stderr=True) if as_json else console
    spinner = Spinner(seen)
    tell = spinner.tell if seen.is_terminal else Lines(seen, first=5.0 if as_json else 0.0).tell
    hint = "" if saved is not None or as_trained else _HINT
    with spinner(f"opening {run}", hint):
        tell(f"opening {run}")
        problem = open_run(run, loss=loss, documents=documents, device=device)
        if saved is not None:
            session = Session.resume(problem, saved, tell)
        else:
            can_stop = seen.is_terminal and not as_json
            session = begin(problem, tell, as_trained=as_trained, interruptible=can_stop)
    if as_json:
        sys.exit(1 if serve(session, places, sys.stdin, sys.stdout) else 0)
    places.saved = saved
    _warn_where_nothing_can_be_saved(places)
    if web:
        _serve_page(session, run, port)
    else:
        talk(session, places, console, spinner)


def _need_page() -> None:
    """Raises ImportError where the extra is missing, before anything is computed."""
    try:
        import dash  # noqa: F401 - whether it is there
    except ImportError as error:
        raise ImportError(
            f"`--web` needs the extra `ui`: pip install 'mtl2r-bench[ui]' ({error})"
        ) from error


def _serve_page(session: Session, run: Path, port: int) -> None:
    from ..navigate.web import Page

    page = Page(session, run, port=port)
    console.print(
        f"The page is at {page.address}\nOnly who has this address can use it. Ctrl-C ends it; "
        f"from elsewhere, kill {os.getpid()}.",
        soft_wrap=True,
        highlight=False,
    )
    with _ended_by_signals() as signals:
        saved = [*page.run()]
    for name in signals:
        console.print(f"The page has ended ({name}).", highlight=False)
    for folder in saved:
        console.print(
            f"Saved: {folder}\nTo go on: mtl2r-bench navigate {shlex.quote(str(run))} --resume "
            f"{shlex.quote(folder.name)} --web",
            soft_wrap=True,
            highlight=False,
        )


@contextmanager
def _ended_by_signals() -> Iterator[list[str]]:
    """Lets the first signal to end raise `KeyboardInterrupt`, and no other disturb what follows.

    SIGINT is taken also where it was ignored, as shells have it for what runs in the background: a
    page has nothing else to do, and its walks are saved. A hang-up is not, as for `nohup`.

    Yields:
        The name of the signal that came.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        numbers.append(hangup)
    came: list[str] = []

    def end(number: int, _: object) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        came.append(signal.Signals(number).name)
        raise KeyboardInterrupt

    before = [signal.signal(number, end) for number in numbers]
    try:
        yield came
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _warn_where_nothing_can_be_saved(places: Places) -> None:
    try:
        writable(places.home, "RUN", folder=True)
    except OSError as error:
        console.print(
            f"note: {error}; this walk will not be saved there",
            style="yellow",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )
