"""What a person wants of the next step, as data and as a sentence."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, get_args

import torch
from pydantic import Field

from ..config import Config, validate
from ..table import lookup

Unit: TypeAlias = Literal["loss", "metric"]
"""The unit of amounts: the smooth loss, or the validation metric."""

VERBS: Mapping[str, str] = {"improve": "improve", "move": "change", "toward": "toward"}
"""The first word of a wish, and the field of `Wish` that it sets."""

FILLERS = frozenset({"and", "up", "at", "most", "by", "the", "=", "to", "towards"})
"""Words without a meaning of their own."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Wish(Config):
    """What a step should do; at most one of `improve`, `change` and `toward`.

    Attributes:
        improve: The task to improve.
        by: By how much; None for as much as one step and `give` allow.
        give: The largest loss allowed by task. If there is one, the other tasks lose nothing,
            unless `protect` names those that lose nothing.
        protect: Tasks that lose nothing.
        change: The change of the loss (negative is better) or the metric by task; other tasks are
            free.
        toward: The share of the losses by task: the ray that the step aims at.
        unit: The unit of the amounts.
    """

    improve: str | None = None
    by: Amount | None = None
    give: dict[str, Amount] = Field(default={})
    protect: tuple[str, ...] = ()
    change: dict[str, Finite] | None = None
    toward: dict[str, Amount] | None = None
    unit: Unit = "loss"

    @property
    def empty(self) -> bool:
        """Whether the wish says nothing."""
        return not self.model_dump(exclude_defaults=True, exclude={"unit"})

    def check(self, tasks: Sequence[str]) -> None:
        """Raise ValueError where the wish contradicts itself or names an unknown task."""
        said = [name for name in VERBS.values() if getattr(self, name) is not None]
        if len(said) > 1:
            raise ValueError(
                f"expected one of improve, change and toward, got {' and '.join(said)}"
            )
        if self.improve is None and (self.by is not None or self.give or self.protect):
            raise ValueError("`by`, `give` and `protect` need a task to `improve`")
        parts = [[self.improve] if self.improve else [], self.give, self.protect]
        named = [name for part in parts for name in part]
        for name in (*named, *(self.change or {}), *(self.toward or {})):
            lookup(dict.fromkeys(tasks), name, "task")
        for name in named:
            if sum(name in part for part in parts) > 1:
                raise ValueError(f"task {name!r} is named twice, with different wishes")
        if self.change is not None and not self.change:
            raise ValueError("`change` needs tasks and numbers")
        if self.toward is not None:
            missing = [task for task in tasks if task not in self.toward]
            if missing:
                raise ValueError(f"`toward` needs a share of every task, {missing[0]!r} has none")
            if self.unit == "metric":
                raise ValueError("`toward` is in proportions of the losses, not of the metric")

    def arguments(self, tasks: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
        """Return the arguments of `mtl_optim.pareto.ParetoNavigator.preview`.

        `names` are the navigator's names of the tasks' losses or metrics, whichever is the unit.
        """
        self.check(tasks)
        name = dict(zip(tasks, names, strict=True))
        if self.toward is not None:
            shares = [self.toward[task] for task in tasks]
            return {"toward": torch.tensor(shares, dtype=torch.float64)}
        if self.change is not None:
            return {"change": {name[task]: by for task, by in self.change.items()}}
        if self.improve is None:
            raise ValueError("the wish is empty: expected improve, change or toward")
        kept = self.protect or (tasks if self.give else ())
        return {
            "improve": name[self.improve] if self.by is None else {name[self.improve]: self.by},
            "give_up": {name[task]: by for task, by in self.give.items()} or None,
            "protect": [name[t] for t in kept if t != self.improve and t not in self.give],
        }


def parse_wish(text: str, tasks: Sequence[str]) -> Wish:
    """Parse a wish from a sentence.

    Args:
        text: ``improve TASK [AMOUNT] give TASK AMOUNT ... protect TASK ...``, or
            ``move TASK CHANGE ...``, or ``toward TASK SHARE ...``.
        tasks: Names of the tasks; quote one with a space in it.

    Raises:
        ValueError: For an unknown word, with the nearest known one; or an amount that is not a
            positive number.

    Examples:
        >>> tasks = ("relevance", "click", "quality")
        >>> said = parse_wish("improve click, give up at most relevance 0.01", tasks)
        >>> said.improve, said.give
        ('click', {'relevance': 0.01})
        >>> parse_wish("move click -0.02 relevance +0.01", tasks).change
        {'click': -0.02, 'relevance': 0.01}
        >>> parse_wish("improve klick", tasks)
        Traceback (most recent call last):
        ValueError: unknown task 'klick'; did you mean 'click'? Known: relevance, click, quality
    """
    words, unit = _unit(_words(text, tasks))
    if not words:
        raise ValueError(f"expected a wish, like: improve {tasks[0]}")
    verb, *rest = words
    field = lookup(VERBS, verb, "wish")
    if verb == "improve":
        fields = _improve(rest, tasks)
    else:
        fields = {field: _amounts(rest, tasks, verb, number=True)}
    wish = validate(Wish, {**fields, "unit": unit}, verb)
    wish.check(tasks)
    return wish


def _unit(words: list[str]) -> tuple[list[str], str]:
    """Split an ending like "in metric" off."""
    if len(words) < 2 or words[-2].lower() != "in":
        return words, "loss"
    plurals = {word: unit for unit in get_args(Unit) for word in (unit, f"{unit}s", f"{unit}es")}
    return words[:-2], lookup(plurals, words[-1].lower(), "unit")


def _words(text: str, tasks: Sequence[str]) -> list[str]:
    """Split a text into words and quoted words, without commas and fillers."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace += ",="
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        first, *others = [*lexer] or [""]
    except ValueError as error:
        raise ValueError(f"a quotation mark is open in {text!r}") from error
    verb = "toward" if first.lower() == "towards" else first.lower()  # elsewhere it is a filler
    kept = [word for word in others if word in tasks or word.lower() not in FILLERS]
    return [verb, *kept] if verb else []


def _improve(words: Sequence[str], tasks: Sequence[str]) -> dict[str, Any]:
    """Parse what follows "improve"."""
    parts: dict[str, list[str]] = {"improve": [], "give": [], "protect": []}
    part, due = "improve", True
    for word in words:
        # Where a task is due, one of that name is meant.
        if word.lower() in ("give", "protect") and not (due and word in tasks):
            part, due = word.lower(), True
        else:
            parts[part].append(word)
            due = False
    aims = _amounts(parts["improve"], tasks, "improve")
    if len(aims) != 1:
        raise ValueError(f"`improve` takes one task, got {len(aims)} in {' '.join(words)!r}")
    ((task, by),) = aims.items()
    return {
        "improve": task,
        "by": by,
        "give": _amounts(parts["give"], tasks, "give", number=True),
        "protect": (*_amounts(parts["protect"], tasks, "protect", number=False),),
    }


def _amounts(
    words: Sequence[str], tasks: Sequence[str], verb: str, *, number: bool | None = None
) -> dict[str, float | None]:
    """Parse tasks, each with the number that follows it, None where none does.

    Whether each task needs a number is `number`; None leaves it open.
    """
    found: dict[str, float | None] = {}
    name: str | None = None
    for word in words:
        amount = None if word in tasks else _number(word)
        if amount is None:
            lookup(dict.fromkeys(tasks), word, "task")
            if word in found:
                raise ValueError(f"task {word!r} is named twice")
            name, found[word] = word, None
        elif name is None:
            raise ValueError(f"expected the name of a task before {word}")
        else:
            found[name], name = amount, None
    for name, amount in found.items():
        if number is True and amount is None:
            raise ValueError(f"`{verb} {name}` needs a number, like: {verb} {name} 0.01")
        if number is False and amount is not None:
            raise ValueError(f"`{verb} {name}` takes no amount, got {amount:g}")
    return found


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
