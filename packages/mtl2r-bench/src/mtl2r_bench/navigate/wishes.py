"""What a person wants of the next step, as data and as a sentence."""

import math
import shlex
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from ..table import did_you_mean

Unit: TypeAlias = Literal["loss", "metric"]
"""What amounts are counted in: the smooth loss, or the validation metric."""

VERBS = ("improve", "move", "toward")
"""What a wish begins with."""

FILLERS = frozenset({"and", "up", "at", "most", "by", "the", "=", "to", "towards"})
"""Words that make a sentence of a wish and mean nothing."""


Finite = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Wish(BaseModel):
    """What is wanted; at most one of `improve`, `change` and `toward`.

    Attributes:
        improve: The task that shall improve.
        by: By how much; None for as much as one step and `give` allow.
        give: Per task the most that it may lose. Where there is one, tasks that are not named lose
            nothing, unless `protect` says which these are.
        protect: Tasks that shall lose nothing.
        change: Per task the change of its loss (negative is better), or of its metric; the tasks
            left out are free.
        toward: Per task its share of the losses: the ray whose point of the front is aimed at.
        unit: What the amounts are counted in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    improve: str | None = None
    by: Amount | None = None
    give: dict[str, Amount] = {}
    protect: tuple[str, ...] = ()
    change: dict[str, Finite] | None = None
    toward: dict[str, Amount] | None = None
    unit: Unit = "loss"

    @property
    def empty(self) -> bool:
        """Whether nothing is said."""
        return not self.model_dump(exclude_defaults=True, exclude={"unit"})

    def check(self, tasks: Sequence[str]) -> None:
        """Raises ValueError where it contradicts itself or names what is not among the tasks."""
        kinds = {"improve": self.improve, "change": self.change, "toward": self.toward}
        said = [name for name, value in kinds.items() if value is not None]
        if len(said) > 1:
            named = " and ".join(said)
            raise ValueError(f"expected one of improve, change and toward, got {named}")
        if self.improve is None and (self.by is not None or self.give or self.protect):
            raise ValueError("`by`, `give` and `protect` need a task to `improve`")
        aims = [] if self.improve is None else [self.improve]
        for name in (*aims, *self.give, *self.protect, *(self.change or {}), *(self.toward or {})):
            if name not in tasks:
                raise ValueError(f"unknown task {name!r}; {did_you_mean(name, list(tasks))}")
        both = [name for name in aims if name in self.give or name in self.protect]
        both += [name for name in self.give if name in self.protect]
        if both:
            raise ValueError(f"task {both[0]!r} is named twice, with different wishes")
        if self.change is not None and not self.change:
            raise ValueError("`change` needs a task and a number")
        missing = [task for task in tasks if self.toward is not None and task not in self.toward]
        if missing:
            raise ValueError(f"`toward` needs a share of every task, {missing[0]!r} has none")
        if self.toward is not None and self.unit == "metric":
            raise ValueError("`toward` is in proportions of the losses, not of the metric")


def parse_wish(text: str, tasks: Sequence[str]) -> Wish:
    """A wish from a sentence.

    Args:
        text: ``improve TASK [AMOUNT] give TASK AMOUNT ... protect TASK ...``, or
            ``move TASK CHANGE ...``, or ``toward TASK SHARE ...``.
        tasks: Their names; one with a space in it is quoted.

    Raises:
        ValueError: For a word that is none of these or of `tasks`, with the nearest; or an amount
            that is no number above 0.

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
    head, rest = words[0], words[1:]
    if head == "improve":
        wish = _improve(rest, tasks, unit)
    elif head == "move":
        wish = Wish(change=_numbers(rest, tasks, head), unit=unit)
    elif head == "toward":
        shares = _numbers(rest, tasks, head)
        for task, share in shares.items():
            if share <= 0:
                raise ValueError(f"the share of {task} must be above 0, got {share:g}")
        wish = Wish(toward=shares, unit=unit)
    else:
        raise ValueError(f"unknown wish {head!r}; {did_you_mean(head, list(VERBS))}")
    wish.check(tasks)
    return wish


def _unit(words: list[str]) -> tuple[list[str], Unit]:
    """The words without an ending like "in metric", and what it says."""
    if len(words) < 2 or words[-2].lower() != "in":
        return words, "loss"
    unit = words[-1].lower()
    for known in get_args(Unit):
        if unit in (known, f"{known}s", f"{known}es"):
            return words[:-2], known
    raise ValueError(f"unknown unit {unit!r}; {did_you_mean(unit, list(get_args(Unit)))}")


def _words(text: str, tasks: Sequence[str]) -> list[str]:
    """Words and quoted words; commas and fillers fall away."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace += ",="
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise ValueError(f"a quotation mark is open in {text!r}") from error
    # "towards" where it begins the wish is the verb.
    if words and words[0].lower() == "towards":
        words[0] = "toward"
    heard = [word for word in words[1:] if word in tasks or word.lower() not in FILLERS]
    kept = [*words[:1], *heard]
    return [kept[0].lower(), *kept[1:]] if kept else []


def _improve(words: Sequence[str], tasks: Sequence[str], unit: Unit) -> Wish:
    """What follows "improve"."""
    parts: dict[str, list[str]] = {"improve": [], "give": [], "protect": []}
    part, due = "improve", True
    for word in words:
        # Where a task is due, one of that name is meant.
        if word.lower() in ("give", "protect") and not (due and word in tasks):
            part, due = word.lower(), True
        else:
            parts[part].append(word)
            due = False
    aims, given, protected = (_amounts(parts[name], tasks) for name in parts)
    if len(aims) != 1:
        raise ValueError(f"`improve` takes one task, got {len(aims)} in {' '.join(words)!r}")
    for name, amount in [*aims.items(), *given.items()]:
        if amount is not None and amount <= 0:
            raise ValueError(f"the amount of {name} must be above 0, got {amount:g}")
    for name, amount in protected.items():
        if amount is not None:
            raise ValueError(f"`protect {name}` takes no amount, got {amount:g}")
    give: dict[str, float] = {}
    for name, amount in given.items():
        if amount is None:
            raise ValueError(f"`give {name}` needs the most it may lose, like: give {name} 0.01")
        give[name] = amount
    ((task, by),) = aims.items()
    return Wish(improve=task, by=by, give=give, protect=tuple(protected), unit=unit)


def _numbers(words: Sequence[str], tasks: Sequence[str], verb: str) -> dict[str, float]:
    """Tasks, each with a number."""
    found: dict[str, float] = {}
    for name, amount in _amounts(words, tasks).items():
        if amount is None:
            raise ValueError(f"`{verb} {name}` needs a number, like: {verb} {name} 0.01")
        found[name] = amount
    if not found:
        raise ValueError(f"`{verb}` needs tasks and numbers, like: {verb} {tasks[0]} 0.01")
    return found


def _amounts(words: Sequence[str], tasks: Sequence[str]) -> dict[str, float | None]:
    """Tasks, each with the number that follows it, None where none does."""
    found: dict[str, float | None] = {}
    name: str | None = None
    for word in words:
        number = None if word in tasks else _number(word)
        if number is None:
            if word not in tasks:
                raise ValueError(f"unknown task {word!r}; {did_you_mean(word, list(tasks))}")
            if word in found:
                raise ValueError(f"task {word!r} is named twice")
            name, found[word] = word, None
        elif name is None:
            raise ValueError(f"expected the name of a task before {word}")
        else:
            found[name], name = number, None
    return found


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, got {word}")
    return number
