"""The catalogue of methods as Markdown, from their docstrings: `python -m mtl_optim.catalogue`."""

import inspect
import re
import sys

import mtl_optim

from ._bases import (
    CrossGramianWeighting,
    GramianWeighting,
    JacobianAggregator,
    LossWeighting,
    Method,
    Weighting,
)
from ._protocols import Learnable, SecondLook
from ._tracking import TrackedGradients
from .wrappers import Wrapper

# What a step costs, by the kind of the method.
_KINDS: tuple[tuple[type[Method], str, str], ...] = (
    (CrossGramianWeighting, "the Gramian between two batches", "2K backwards (K with one batch)"),
    (GramianWeighting, "the Gramian", "exact route K backwards, feature route 1"),
    (JacobianAggregator, "the Jacobian", "exact route K backwards, feature route 1"),
    (LossWeighting, "the losses", "1 backward"),
    (Wrapper, "what the inner method looks at", "that of the inner method"),
)


def methods() -> list[type[Method]]:
    """The public methods, wrappers included, by name."""
    public = [getattr(mtl_optim, name) for name in mtl_optim.__all__]
    kinds = (Weighting, JacobianAggregator)
    found = [c for c in public if inspect.isclass(c) and issubclass(c, kinds)]
    return sorted((c for c in found if not inspect.isabstract(c)), key=lambda c: c.__name__)


def entry(method: type[Method]) -> str:
    """One method's section: needs, what it does and promises, scale, cost, reference.

    Examples:
        >>> print(entry(mtl_optim.MGDA).splitlines()[0])
        ## MGDA
    """
    text = inspect.getdoc(method) or ""
    blocks = text.split("\n\n")
    promise = [b for b in blocks if re.match(r"(Weights|Direction): ", b)]
    until = text.index(promise[0]) if promise else len(text)
    looks, cost = next((looks, cost) for kind, looks, cost in _KINDS if issubclass(method, kind))
    needs = [looks]
    signature = inspect.signature(method)
    if "preference" in signature.parameters:
        needs.append("a preference")
    if issubclass(method, SecondLook):
        needs.append("the losses after the step")
    if issubclass(method, TrackedGradients):
        needs.append("memory for K gradients from step to step")
    if issubclass(method, Learnable):
        needs.append("an optimizer for its parameters")
    arguments = ", ".join(
        name if p.default is p.empty else f"{name}={p.default!r}"
        for name, p in signature.parameters.items()
    )
    lines = [
        f"## {method.__name__}",
        "",
        f"`{method.__name__}({arguments})`",
        "",
        text[:until].strip(),
        "",
        f"* Needs: {', '.join(needs)}.",
        f"* Cost: {cost}.",
        *(f"* {_one_line(b)}" for b in promise),
    ]
    for title in ("Reference", "Note"):
        section = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)
        if section:
            lines.append(f"* {title}: {_one_line(section.group(1))}")
    return "\n".join(lines) + "\n"


def catalogue() -> str:
    """All methods as one Markdown page."""
    return "\n".join(["# Methods", "", *(entry(method) for method in methods())])


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(catalogue())
