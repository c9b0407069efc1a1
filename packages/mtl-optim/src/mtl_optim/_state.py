"""What a method keeps from step to step, in buffers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ._checks import check_length
from ._per_task import Given, Kept


class State(nn.Module):
    """A module whose buffers keep their precision, and may start empty.

    Cast with a model that holds it, `model.bfloat16()`, it goes to the model's device but stays in
    float64. A buffer whose length is the number of tasks starts empty, since the constructor need
    not know that number; `load_state_dict` gives it the length it was saved with.

    Attributes:
        per_task: The buffers, parameters and other tensors with an entry per task, by name, with
            the rule for steps in which some of the tasks are absent.
    """

    per_task: ClassVar[Mapping[str, Kept | Given]] = {}

    @contextmanager
    def among(self, present: Sequence[int], tasks: int) -> Iterator[None]:
        """Show the method the tasks that are present alone: its own part of `among_tasks`.

        What it keeps of them is put back at the end; an error leaves everything as it was.
        """
        at, rules = torch.tensor(present, device="cpu"), self._rules()
        found = {name: getattr(self, name, None) for name in rules}
        wholes: dict[str, Tensor] = {k: whole for k, whole in found.items() if whole is not None}
        try:
            for name, whole in wholes.items():
                if whole.numel() > 0:
                    check_length(name, len(whole), tasks)
                self._show(name, rules[name].seen(whole, at.to(whole.device)))
            yield
            for name in wholes.keys() - self._parameters.keys():
                wholes[name] = rules[name].put_back(wholes[name], getattr(self, name), at, tasks)
        finally:
            for name, whole in wholes.items():
                self._show(name, whole)

    @classmethod
    def _rules(cls) -> dict[str, Kept | Given]:
        """Gather `per_task` over the base classes."""
        rules: dict[str, Kept | Given] = {}
        for kind in reversed(cls.__mro__):
            rules |= kind.__dict__.get("per_task", {})
        return rules

    def _show(self, name: str, value: Tensor) -> None:
        """Set an attribute; a parameter stays behind it, where optimizers find it."""
        if name not in self._parameters:
            setattr(self, name, value)
        elif value is self._parameters[name]:
            self.__dict__.pop(name, None)
        else:
            self.__dict__[name] = value

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch does not annotate it
        for name, buffer in before.items():
            moved = self._buffers[name]
            if buffer is not None and moved is not None and moved.dtype != buffer.dtype:
                self._buffers[name] = buffer.to(moved.device)
        return self

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name, buffer in self._buffers.items():
            saved = state_dict.get(prefix + name)
            if buffer is not None and buffer.numel() == 0 and isinstance(saved, Tensor):
                self._buffers[name] = buffer.new_empty(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


@contextmanager
def among_tasks(method: nn.Module, present: Sequence[int], tasks: int) -> Iterator[None]:
    """Show a method, and those inside, the tasks that are present alone.

    Within, it is the method of those tasks: preferences are renormalised over them, and its state
    is theirs. Afterwards the state of absent tasks is as before.

    Args:
        method: A method or wrapper.
        present: The tasks that are present, ascending.
        tasks: How many there are in all.

    Raises:
        ValueError: The method was made for another number of tasks, or its preference is 0 for all
            tasks present. An error within says which tasks were present.
    """
    if len(present) == tasks:  # nothing to do, at no cost
        yield
        return
    with ExitStack() as stack:
        for part in method.modules():
            if isinstance(part, State):
                stack.enter_context(part.among(present, tasks))
        try:
            yield
        except ValueError as error:
            error.add_note(f"tasks are counted among those present, {list(present)}")
            raise
