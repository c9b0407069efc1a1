"""The direction of a method that combines the gradients themselves."""

import torch
from torch import Tensor

from ._bases import JacobianAggregator
from ._checks import check_finite
from ._gradients import Block, Rows, columns, finite_rows, stacked


def aggregate(
    method: JacobianAggregator, rows: Rows, features: list[Tensor] | None, *, overflow: bool
) -> Block:
    """The direction, block by block: one block per parameter, or per feature tensor."""
    direction: Block = []
    if not overflow:
        nan = torch.full((len(rows),), torch.nan)
        check_finite(torch.where(finite_rows(rows), 0.0, nan), "`losses`: the gradient")
    for b, block in enumerate(columns(rows)):
        like = next((g for g in block if g is not None), None)
        if like is None:
            direction.append(None)
            continue
        jacobian = stacked([torch.zeros_like(like) if g is None else g for g in block])
        if features is None:
            direction.append(method.direction(jacobian))
        else:
            direction.append(method.at_features(jacobian, features[b]))
    return direction
