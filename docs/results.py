"""Writes docs/results.md and its pictures from the folders of finished studies.

python docs/results.py runs/synthetic-small runs/mslr-sample runs/mslr-rankers runs/mq2008

A folder has the name of the study that comes with the package; what the page says of other studies
stays. Nothing is said here that the studies' reports do not say: the tables are theirs, and the
sentences are counted from them. The quality of rankers against trees is
benchmarks/ranker_quality.py's.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ltr_data.files import atomic_write
from mtl2r_bench.analysis.analyse import Analysis
from mtl2r_bench.config import STUDIES, StudyConfig, load_study, validate
from mtl2r_bench.report import StudyReport, write_report
from mtl2r_bench.report.text.markdown import box_text
from mtl2r_bench.report.text.table import Table, to_markdown

DOCS = Path(__file__).parent
PAGE = DOCS / "results.md"
QUALITY = DOCS.parent / "benchmarks" / "results" / "ranker_quality.md"

HEAD = """\
# Results of the studies

<!-- Written by docs/results.py from the studies' folders: change that, not this. -->

What the small studies that come with mtl2r-bench measured, each with the command that repeats it.
`mtl2r-bench report` writes all of this and more (every point with its interval, all p-values,
certificates, a page to look around in) into the study's folder.

They say how the methods differ on these lists, with these small rankers and budgets. They do not
say which method is best elsewhere. The studies of MSLR-WEB30K (`web30k-bi`, `web30k-five`,
`web30k-figures`) have not been run: the data are not at hand.

Methods have the names of `mtl2r-bench list methods`, which says what each computes: `ls` is
[`LinearScalarization`](methods.md#linearscalarization), `wc` and `soft_wc` are weighted and smooth
Chebyshev, `ec` is [`EpsilonConstraint`](methods.md#epsilonconstraint).

How to read the numbers: brackets are 95% intervals by the bootstrap over lists, which do not
contain the spread over seeds; that follows as ±, where a study has several seeds. **HVI** is the
hypervolume that a method's points add to that of the single-task baselines, in a box spanned by the
baselines; larger is better; it has no mean over label sets where a box is as narrow as the noise.
**Δm %** is the mean relative loss against the single-task baselines; lower is better. A
difference between methods is named only where a test that is paired over lists puts it below 5 %,
corrected for the number of pairs (Holm)."""


def results(folders: Sequence[Path]) -> str:
    """The page's Markdown; pictures are copied beside it."""
    sections = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        if (name := section.partition("\n")[0]) in STUDIES:
            sections[name] = f"## {section.strip()}"
    for folder in folders:
        sections[folder.name] = "\n\n".join(_study(folder.name, write_report(folder)))
    parts = [HEAD, *sections.values()]
    # A benchmark's table, one level down.
    parts.append(QUALITY.read_text(encoding="utf-8").replace("# ", "## ", 1).strip())
    return "\n\n".join(parts) + "\n"


def _study(name: str, report: StudyReport) -> list[str]:
    minutes = sum(run.record["seconds"] for run in report.results) / 60
    versions = report.results[0].record["environment"]["versions"]
    parts = [
        f"## {name}",
        f"```\n{_command(name, report.study)}\n```",
        *report.overview.sentences,
        (
            f"{len(report.results)} runs, {minutes:.0f} minutes of training in all, each in one "
            f"thread of a CPU; torch {versions['torch']}, numpy {versions['numpy']}."
        ),
    ]
    failed = [run for run in report.overview.unfinished if run.reason != "not begun"]
    if failed:
        parts.append("\n".join(f"- `{run.name}`: {run.reason}" for run in failed))
    if report.paper is not None:
        parts.append(to_markdown(report.paper))
    for section in report.sections:
        analysis = section.analysis
        if not analysis.methods:
            continue
        prefix = "" if report.study.task_sets is None else "+".join(analysis.tasks) + "-"
        picture = f"results-{name}-{'-'.join(analysis.tasks)}.png"
        shutil.copyfile(report.folder.figures / f"{prefix}front.png", DOCS / "images" / picture)
        title = " and ".join(analysis.tasks)
        parts += [
            f"### {name}: {title}",
            f"![The points of every method, {title}](images/{picture})",
            _order(analysis),
            box_text(analysis),
        ]
        tables = {table.name: table for table in section.tables}
        if "differences" in tables:
            parts += _differences(tables["differences"])
    return parts


def _differences(table: Table) -> list[str]:
    if any(cell not in ("", "–") for row in table.rows for cell in row[1:]):
        return [to_markdown(table), table.note]
    return [
        "No difference between two methods passes the tests, in hypervolume or in Δm. " + table.note
    ]


def _command(name: str, study: StudyConfig) -> str:
    """The command at the head of the study's config, with what was asked for otherwise."""
    command = STUDIES[name].read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    planned = validate(StudyConfig, load_study(name), name)
    if study.seeds != planned.seeds:
        command += f" --seeds {','.join(map(str, study.seeds))}"
    if study.preferences != planned.preferences:
        command += f" --preferences {study.preferences}"
    if study.train.epochs != planned.train.epochs:
        command += f" --epochs {study.train.epochs}"
    if study.methods != planned.methods:
        command += f" --methods {','.join(map(str, study.methods))}"
    return command


def _order(analysis: Analysis) -> str:
    """Which sweeps are ordered along their preferences."""
    lowest: dict[str, float] = {}
    broken = []
    for trade in analysis.trades:
        rho = trade.rank_correlation
        lowest[trade.method] = min(rho, lowest.get(trade.method, 1.0))
        if not trade.is_monotone:
            broken.append(f"{trade.method} in {trade.task}")
    if not lowest:
        return ""
    shown = ", ".join(f"{method} {rho:.2f}" for method, rho in sorted(lowest.items())).replace(
        "-", "−"
    )
    drops = (
        f"A drop from one preference to the next that is larger than two standard errors: "
        f"{', '.join(broken)}."
        if broken
        else "No drop from one preference to the next is larger than two standard errors."
    )
    return (
        "Spearman's ρ between the preference for a task and its "
        f"{analysis.metric} on {analysis.split}, the smaller of the tasks': {shown}. {drops}"
    )


if __name__ == "__main__":
    page = results([Path(name) for name in sys.argv[1:]])
    with atomic_write(PAGE) as file:
        file.write(page.encode())
