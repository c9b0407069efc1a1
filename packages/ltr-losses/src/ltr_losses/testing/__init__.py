"""The contracts of losses and metrics, as checks that any of them can join by one line.

    from ltr_losses import testing

    @pytest.mark.parametrize("check", testing.LOSS_CHECKS, ids=lambda check: check.__name__)
    def test_my_loss_keeps_the_contract(check):
        check(my_loss)

A loss is a callable `loss(scores, labels, *, mask=None, weights=None, reduction="mean")`; pass a
`functools.partial` for one with other arguments. A check raises AssertionError. METRIC_CHECKS
and `check_metric` are the same for metrics. Nothing here needs pytest, and the random numbers come
from a generator of their own.
"""

from ._losses import (
    LOSS_CHECKS,
    check_bad_values_show,
    check_batch_is_its_lists,
    check_compile,
    check_degenerate_lists,
    check_empty_lists,
    check_errors,
    check_extreme_scores,
    check_gradient,
    check_half_precision,
    check_inputs_unchanged,
    check_inversion,
    check_loss,
    check_padding,
    check_padding_between_documents,
    check_permutation,
    check_reductions,
    check_shapes,
    check_task_jacobian,
    check_task_masks,
    check_weights,
)
from ._metrics import (
    METRIC_CHECKS,
    check_metric,
    check_metric_batch_is_its_lists,
    check_metric_compile,
    check_metric_half_precision,
    check_metric_order,
    check_metric_padding,
    check_metric_shapes,
    check_metric_task_masks,
    check_metric_values,
    check_metric_weights,
)
from ._problems import Loss

__all__ = [
    "LOSS_CHECKS",
    "METRIC_CHECKS",
    "Loss",
    "check_bad_values_show",
    "check_batch_is_its_lists",
    "check_compile",
    "check_degenerate_lists",
    "check_empty_lists",
    "check_errors",
    "check_extreme_scores",
    "check_gradient",
    "check_half_precision",
    "check_inputs_unchanged",
    "check_inversion",
    "check_loss",
    "check_metric",
    "check_metric_batch_is_its_lists",
    "check_metric_compile",
    "check_metric_half_precision",
    "check_metric_order",
    "check_metric_padding",
    "check_metric_shapes",
    "check_metric_task_masks",
    "check_metric_values",
    "check_metric_weights",
    "check_padding",
    "check_padding_between_documents",
    "check_permutation",
    "check_reductions",
    "check_shapes",
    "check_task_jacobian",
    "check_task_masks",
    "check_weights",
]
