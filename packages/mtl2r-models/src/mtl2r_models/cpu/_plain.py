"""When the kernels of this folder apply, and the switch that shuts them all."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from ..torch_internals import is_transformed

_SHUT = ContextVar("shut", default=False)


@contextmanager
def plain() -> Iterator[None]:
    """Compute with torch's own operations inside the block.

    Examples:
        >>> from mtl2r_models import cpu
        >>> x, weight = torch.ones(2, 3), torch.ones(4, 3)
        >>> with cpu.plain():
        ...     cpu.linear(x, weight).shape
        torch.Size([2, 4])
    """
    token = _SHUT.set(True)
    try:
        yield
    finally:
        _SHUT.reset(token)


def is_plain(x: Tensor) -> bool:
    """Whether x is an ordinary tensor on the CPU, which needs nothing but values and gradients."""
    return (
        x.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not _SHUT.get()
        and not is_transformed(x)
    )


def apply(function: Any, *arguments: Any) -> Tensor:
    """`torch.autograd.Function.apply`, with a type."""
    result: Tensor = function.apply(*arguments)
    return result
