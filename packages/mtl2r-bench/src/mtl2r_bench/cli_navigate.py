"""`mtl2r-bench navigate`: moves along the Pareto front from a finished run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from .cli_options import console
from .navigate import Session, open_run
from .navigate.commands import Places, schema
from .navigate.jsonl import serve
from .navigate.problem import DOCUMENTS
from .navigate.session import about
from .navigate.terminal import Spinner, talk

__all__ = ["app"]

app = typer.Typer()


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
    spinner = Spinner(console)
    progress = None if as_json else spinner.tell
    if as_json:
        session = _begin(run, saved, loss, documents, device, progress)
        sys.exit(1 if serve(session, places, sys.stdin, sys.stdout) else 0)
    with spinner(f"opening {run}"):
        session = _begin(run, saved, loss, documents, device, progress)
    places.saved = saved
    if web:
        _serve_page(session, run, port)
    else:
        talk(session, places, console, spinner)


def _begin(
    run: Path,
    saved: Path | None,
    loss: str | None,
    documents: int,
    device: str,
    progress: Callable[[str], None] | None,
) -> Session:
    problem = open_run(run, loss=loss, documents=documents, device=device)
    if saved is not None:
        return Session.resume(problem, saved, progress)
    return Session.start(problem, progress)


def _need_page() -> None:
    """Raises ImportError where the extra is missing, before anything is computed."""
    try:
        import dash  # noqa: F401 - whether it is there
    except ImportError as error:
        raise ImportError(
            f"`--web` needs the extra `ui`: pip install 'mtl2r-bench[ui]' ({error})"
        ) from error


def _serve_page(session: Session, run: Path, port: int) -> None:
    from .navigate.web import Page

    page = Page(session, run, port=port)
    console.print(
        f"The page is at {page.address}\nOnly who has this address can use it. Ctrl-C ends it.",
        soft_wrap=True,
        highlight=False,
    )
    for folder in page.run():
        console.print(f"Saved: {folder}", soft_wrap=True, highlight=False)
