"""`mtl2r-bench navigate`: move along the Pareto front from a finished run."""

import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..navigate import Session, open_run
from ..navigate.commands import Places, schema
from ..navigate.jsonl import serve
from ..navigate.opening import begin
from ..navigate.problem import DOCUMENTS
from ..navigate.saved import about
from ..navigate.terminal import talk
from ..navigate.waiting import Spinner
from ..runs.disk import writable
from .options import console

app = typer.Typer()

_PLAIN: dict[str, Any] = {"soft_wrap": True, "highlight": False}

_HINT = "Ctrl-C begins at the ranker as it was trained, without moving it onto the front"


@app.command()
def navigate(
    run: Annotated[Path | None, typer.Argument(help="The folder of a finished run.")] = None,
    resume: Annotated[
        str | None, typer.Option(help="The name or folder of a saved navigation.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="The smooth loss to follow; by default the run's own, or listnet."),
    ] = None,
    documents: Annotated[
        int, typer.Option(min=1, help="Largest number of documents for losses and curvature.")
    ] = DOCUMENTS,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:n.")] = "cpu",
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Begin at the ranker without moving it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Read a JSON command per line, write an answer per line.")
    ] = False,
    web: Annotated[bool, typer.Option("--web", help="Serve a page for the browser.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any.")] = 0,
    show_schema: Annotated[
        bool, typer.Option("--schema", help="Print the commands of --json, and exit.")
    ] = False,
) -> None:
    """Move along the front from a finished run: wishes, previews, steps, a new ranker."""
    if show_schema:
        typer.echo(json.dumps(schema(), indent=2))
        return
    if run is None:
        raise ValueError("`RUN` is missing: the folder of a finished run")
    if as_json and web:
        raise ValueError("`--json` and `--web` exclude one another")
    if resume is not None and as_trained:
        raise ValueError("`--resume` and `--as-trained` exclude one another")
    if web:
        _need_page()
    places = Places(run / "navigations")
    saved = None if resume is None else places.navigation(resume)
    if saved is not None:
        kept = about(saved)
        loss, documents = loss or kept["loss"], kept["documents"]
    seen = Console(stderr=True) if as_json else console
    spinner = Spinner(seen)
    with spinner(f"opening {run}", "" if saved is not None or as_trained else _HINT):
        tell = spinner.teller(first=5.0 if as_json else 0.0)
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
    """Raise ImportError if the extra is missing, before anything is computed."""
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
        f"The page is at {page.address}\nOnly this address opens it. Ctrl-C ends it; from another "
        f"terminal, kill {os.getpid()}.",
        **_PLAIN,
    )
    with _ended_by_signals() as signals:
        saved = [*page.run()]
    for name in signals:
        console.print(f"The page has ended ({name}).", highlight=False)
    for folder in saved:
        console.print(
            f"Saved: {folder}\nTo go on: mtl2r-bench navigate {shlex.quote(str(run))} --resume "
            f"{shlex.quote(folder.name)} --web",
            **_PLAIN,
        )


@contextmanager
def _ended_by_signals() -> Iterator[list[str]]:
    """Let the first signal raise `KeyboardInterrupt`, with its name in the list; ignore later ones.

    SIGINT is handled even if it was ignored, as it is in background jobs of a shell: a page has
    nothing else to do, and its walks are saved. An ignored hang-up stays ignored, as for `nohup`.
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
        note = f"note: {error}; this walk will not be saved there"
        console.print(note, style="yellow", markup=False, **_PLAIN)
