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
from ._protocols import EpochEnd, Learnable, SecondLook
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

_INTRODUCTION = """\
The letters are those of the papers: losses L (task,), gradients g_k, the rows of J (task, param),
their Gramian G = J Jᵀ, weights w, the direction d = Jᵀ w, and a preference r on the simplex. A
method that needs the losses alone costs one backward; the Gramian comes by the exact route
(`shared=`), the feature route (`features=`), or from one place (`measure=`).
"""


def methods() -> list[type[Method]]:
    """List the public methods by name, wrappers included."""
    public = [getattr(mtl_optim, name) for name in mtl_optim.__all__]
    kinds = (Weighting, JacobianAggregator)
    found = [c for c in public if inspect.isclass(c) and issubclass(c, kinds)]
    return sorted((c for c in found if not inspect.isabstract(c)), key=lambda c: c.__name__)


def entry(method: type[Method]) -> str:
    """Write one method's section: needs, what it does and promises, scale, cost, references.

    Examples:
        >>> print(entry(mtl_optim.MGDA).splitlines()[0])
        ## MGDA
    """
    text = inspect.getdoc(method) or ""
    blocks = text.split("\n\n")
    promise = [b for b in blocks if re.match(r"(Weights|Direction): ", b)]
    until = text.index(promise[0]) if promise else len(text)
    lines = [
        f"## {method.__name__}",
        "",
        f"`{method.__name__}{_signature(method)}`",
        "",
        text[:until].strip(),
        "",
        f"* Needs: {_needs(method)}.",
        f"* Cost: {_kind(method)[1]}.",
        *(f"* {_one_line(b)}" for b in promise),
    ]
    for title in ("References", "Note"):
        section = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", text, flags=re.MULTILINE)
        if section:
            lines.append(f"* {title}: {_one_line(section.group(1))}")
    return "\n".join(lines) + "\n"


def catalogue() -> str:
    """Write all methods as one Markdown page, an overview first."""
    links = [f"[{method.__name__}](#{method.__name__.lower()})" for method in methods()]
    rows = [
        f"| {link} | {_needs(method)} | {_purpose(method)} |"
        for link, method in zip(links, methods(), strict=True)
    ]
    return "\n".join(
        [
            "# Methods",
            "",
            _INTRODUCTION,
            "| method | needs | what it does |",
            "| --- | --- | --- |",
            *rows,
            "",
            *(entry(method) for method in methods()),
        ]
    )


def _kind(method: type[Method]) -> tuple[str, str]:
    """Return what the method looks at, and what a step costs."""
    return next((looks, cost) for kind, looks, cost in _KINDS if issubclass(method, kind))


def _needs(method: type[Method]) -> str:
    needs = [_kind(method)[0]]
    preference = inspect.signature(method).parameters.get("preference")
    if preference is not None and preference.default is preference.empty:
        needs.append("a preference")
    if issubclass(method, SecondLook):
        needs.append("the losses after the step")
    if issubclass(method, EpochEnd):
        needs.append("a call at the end of each epoch")
    if issubclass(method, TrackedGradients):
        needs.append("memory for K gradients from step to step")
    if issubclass(method, Learnable):
        needs.append("an optimizer for its parameters")
    return ", ".join(needs)


def _purpose(method: type[Method]) -> str:
    """Return the first line of the docstring, with bars escaped: they would end the cell."""
    first = (inspect.getdoc(method) or "").split("\n\n")[0]
    return _one_line(first).replace("|", "\\|")


def _signature(method: type[Method]) -> str:
    """Write the arguments with their defaults, without types."""
    signature = inspect.signature(method)
    collected = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.kind not in collected  # of a method without arguments: those of nn.Module
    ]
    return str(inspect.Signature(parameters))


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(catalogue())
