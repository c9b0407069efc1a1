"""A function of this package with its options, as a module."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ._check import check_choice, check_function


class FunctionModule(nn.Module):
    """What `RankingLoss` and `torchmetrics.RankingMetric` share: a function and its options."""

    of_a_batch: tuple[str, ...] = ("mask", "weights", "offsets")
    """Arguments that are no options."""

    def __init__(self, what: str, function: Callable[..., Tensor], **options: Any) -> None:
        super().__init__()
        check_function("function", function, what)
        # The first two are the scores and the labels, by whatever name.
        _, _, *known = inspect.signature(function).parameters
        for name in options:
            check_choice("options", name, [name for name in known if name not in self.of_a_batch])
        self.function = function
        self.names = tuple(options)
        for name, value in options.items():
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def call(
        self, scores: Tensor, labels: Tensor, offsets: Tensor | None, **arguments: Any
    ) -> Tensor:
        """Call the function with its options; `offsets` only where there are any."""
        options = {name: getattr(self, name) for name in self.names}
        if offsets is not None:
            options["offsets"] = offsets
        return self.function(scores, labels, **arguments, **options)

    def __repr__(self) -> str:
        options = "".join(f", {name}={getattr(self, name)!r}" for name in self.names)
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{type(self).__name__}({name}{options})"


class RankingLoss(FunctionModule):
    """A function of this package with its options, for code that wants modules.

    Args:
        function: Any loss.
        **options: Its keyword arguments but `mask`, `weights` and `offsets`. An option that is a
            `torch.nn.Parameter` (the `thresholds` of `ordinal_loss`) is a parameter of the module,
            and one that is a tensor a buffer.

    Raises:
        TypeError: A `function` that cannot be called.
        ValueError: An option that the function does not have.

    Examples:
        >>> import torch
        >>> from ltr_losses import lambda_loss
        >>> loss = RankingLoss(lambda_loss, scheme="lambdarank", k=30)
        >>> loss
        RankingLoss(lambda_loss, scheme='lambdarank', k=30)
        >>> loss(torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.0]])).shape
        torch.Size([])
    """

    def __init__(self, function: Callable[..., Tensor], **options: Any) -> None:
        super().__init__("loss", function, **options)

    def forward(
        self,
        scores: Tensor,
        labels: Tensor,
        *,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
        offsets: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss; `offsets` only for functions that take them."""
        return self.call(scores, labels, offsets, mask=mask, weights=weights)
