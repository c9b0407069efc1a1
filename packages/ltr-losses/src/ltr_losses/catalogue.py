"""The tables of losses and metrics, from docstrings: `python -m ltr_losses.catalogue README.md`."""

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

import ltr_losses

_COMMON = {"scores", "labels", "group", "mask", "weights", "offsets", "reduction"}
_COMMON |= {"empty", "ranks", "cutoff"}
_BLOCK = r"(?<=<!-- {0} -->\n).*?(?=<!-- end of {0} -->)"


def _summary(function: Callable[..., Tensor]) -> str:
    """Return the first line of the docstring, without its full stop."""
    first = (inspect.getdoc(function) or "").partition("\n")[0]
    return first.removesuffix(".").replace("|", "\\|")


def _own(function: Callable[..., Tensor]) -> str:
    """Return the arguments beside the common ones, as `name=default`."""
    own = [p for p in inspect.signature(function).parameters.values() if p.name not in _COMMON]
    return ", ".join(f"`{p.name}={p.default!r}`" for p in own)


def losses() -> str:
    """Make the table of losses.

    Examples:
        >>> print(losses().splitlines()[2])
        | `approx_mrr_loss` | 1 − the reciprocal rank ... | `temperature=1.0` |  | yes | list |
    """
    rows = [
        "| function | of a list | arguments | `offsets` | twice differentiable | memory |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in ltr_losses.__all__:
        if name.endswith("_loss"):
            loss = getattr(ltr_losses, name)
            doc = " ".join((inspect.getdoc(loss) or "").split())
            memory = re.search(r"Memory is O\(batch · (.*?)\)", doc)
            jagged = "yes" if "offsets" in inspect.signature(loss).parameters else ""
            twice = "yes" if "may be differentiated twice" in doc else "no (it raises)"
            rows.append(
                f"| `{name}` | {_summary(loss)} | {_own(loss)} | {jagged} | {twice} "
                f"| {memory[1] if memory else 'list'} |"
            )
    return "\n".join(rows) + "\n"


def metrics() -> str:
    """Make the table of metrics.

    Examples:
        >>> print(metrics().splitlines()[2])
        | `arp` | Average position of the relevant documents, ... | `ties='stable'` | yes |
    """
    rows = ["| function | of a list | arguments | `empty` |", "| --- | --- | --- | --- |"]
    for name in ltr_losses.metrics.__all__:
        metric = getattr(ltr_losses, name)
        empty = "yes" if "empty" in inspect.signature(metric).parameters else ""
        rows.append(f"| `{name}` | {_summary(metric)} | {_own(metric)} | {empty} |")
    return "\n".join(rows) + "\n"


def written(text: str) -> str:
    """Replace what stands between the marks of the tables, `<!-- losses -->` for instance."""
    for name, table in (("losses", losses()), ("metrics", metrics())):
        block = _BLOCK.format(name)
        text = re.sub(block, lambda _, table=table: table, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        page.write_text(written(page.read_text("utf-8")), "utf-8")
