"""The metrics of this package for torchmetrics: sums over batches and processes.

It needs `pip install 'ltr-losses[torchmetrics]'`.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import metrics
from ._module import FunctionModule

try:
    from torchmetrics import Metric
except ImportError as error:
    raise ImportError(
        "`RankingMetric` needs torchmetrics: pip install 'ltr-losses[torchmetrics]'"
    ) from error

_HIGHER_IS_BETTER: dict[Callable[..., Tensor], bool | None] = {
    **{getattr(metrics, name): True for name in metrics.__all__},
    metrics.arp: False,
    metrics.exposure_gap: None,  # 0 is parity
}


class RankingMetric(FunctionModule, Metric):
    """The mean of a metric over all lists that were seen, as a `torchmetrics.Metric`.

        compute() = Σ over the lists that have a value of v / (how many have one)

    It is what the function gives for all lists at once, however they fell into batches and
    processes: sums and counts are kept, in float64. Leading axes stay, so the labels of several
    tasks give a value for each. NaN where no list had a value, or one was NaN.

    Every process needs a batch before the first `compute` if there are leading axes: torchmetrics
    gathers states of one shape.

    Args:
        function: A metric of this package, or any with its arguments; a loss, too.
        **options: Its keyword arguments but `mask`, `weights`, `offsets`, `ranks` and `reduction`.

    Attributes:
        higher_is_better: False for `arp`, None for `exposure_gap` and functions of your own.

    Raises:
        TypeError: A `function` that cannot be called.
        ValueError: An option that the function does not have.

    Examples:
        >>> from ltr_losses import ndcg
        >>> metric = RankingMetric(ndcg, k=10)
        >>> metric
        RankingMetric(ndcg, k=10)
        >>> metric.update(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
        >>> metric.update(torch.tensor([[2.0, 1.0]]), torch.tensor([[0.0, 1.0]]))
        >>> metric.compute()
        tensor(0.8155, dtype=torch.float64)

        Several at once, as in torchmetrics:

        >>> from torchmetrics import MetricCollection
        >>> from ltr_losses import mrr
        >>> both = MetricCollection({"ndcg": metric.clone(), "mrr": RankingMetric(mrr)})
        >>> both(torch.tensor([[2.0, 1.0]]), torch.tensor([[0.0, 1.0]]))["mrr"]
        tensor(0.5000, dtype=torch.float64)
    """

    of_a_batch = (*FunctionModule.of_a_batch, "ranks", "reduction")
    total: Tensor
    count: Tensor
    full_state_update = False  # `forward` adds a batch to the sums

    def __init__(self, function: Callable[..., Tensor], **options: Any) -> None:
        super().__init__("metric", function, **options)
        # A MetricCollection takes metrics whose states (old ones: the first) are equal for one.
        digest = hashlib.sha256(repr((function, options)).encode()).digest()
        self.add_state("identity", torch.tensor(list(digest)), dist_reduce_fx="max")
        zero = torch.zeros((), dtype=torch.float64)
        self.add_state("total", zero, dist_reduce_fx="sum")
        self.add_state("count", zero.clone(), dist_reduce_fx="sum")

    @property  # torchmetrics asks for no more than to read it
    def higher_is_better(self) -> bool | None:  # type: ignore[override]
        """Whether more is better; None: neither is."""
        return _HIGHER_IS_BETTER.get(self.function)

    def update(
        self,
        scores: Tensor,
        labels: Tensor,
        *,
        mask: Tensor | None = None,
        weights: Tensor | None = None,
        offsets: Tensor | None = None,
    ) -> None:
        """Add the lists of a batch; the arguments are those of the function."""
        total, count = self.call(
            scores, labels, offsets, mask=mask, weights=weights, reduction=_sum_and_count
        )
        self.total = self.total + total
        self.count = self.count + count

    def compute(self) -> Tensor:
        """Compute the mean: the leading axes without the batch."""
        mean: Tensor = self.total / self.count
        return mean


def _sum_and_count(values: Tensor, counts: Tensor) -> Tensor:
    """Sum over the batch axis, of which a single list has none: (2, ...)."""
    both = torch.stack([values.double(), counts.double()])
    return both.sum(-1) if values.dim() else both
