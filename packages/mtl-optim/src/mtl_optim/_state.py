"""State in buffers, as methods keep it."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from torch import Tensor, nn


class State(nn.Module):
    """A module whose buffers keep their precision, and may start empty.

    Cast with a model that holds it, `model.bfloat16()`, it goes to the model's device but stays in
    float64. A buffer whose length is the number of tasks starts empty, since the constructor need
    not know that number; `load_state_dict` gives it the length it was saved with.
    """

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
