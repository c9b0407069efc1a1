"""Gradients that meet one another in turn, each in an order of its own."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .._checks import Array

_BLOCK = 48  # meetings between two full products: K³ / 48 for these, 24 K² for what lies between


def meet(
    gramian: Array,
    orders: NDArray[np.int64],
    gain: Callable[[int, NDArray[np.int64], Array], Array],
) -> Array:
    """Find the V (task, task) whose V_i J is g_i after g_i ← g_i + a_ij g_j for all j in turn.

    All tasks take their t-th meeting at once. A block of meetings looks at the inner products
    among its own tasks alone; those with the others follow from one matrix product per block.

    Args:
        gramian: G (task, task).
        orders: j by task and meeting (task, meeting).
        gain: Gives a (task,) for a meeting, the j (task,) met there and the ⟨g_i, g_j⟩ of now.
    """
    tasks = len(gramian)
    rows, flat, V = np.arange(tasks), gramian.ravel(), np.eye(tasks)
    turns = np.ascontiguousarray(orders.T)
    for start in range(0, len(turns), _BLOCK):
        met = turns[start : start + _BLOCK]
        inner = (V @ gramian if start else gramian)[rows, met]
        for turn, j in enumerate(met):
            a = V[rows, j] = gain(start + turn, j, inner[turn])
            if turn + 1 < len(met):
                inner[turn + 1 :] += flat.take(j * tasks + met[turn + 1 :]) * a
    return V
