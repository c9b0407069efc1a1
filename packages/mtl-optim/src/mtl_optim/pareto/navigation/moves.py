"""Moves along the front that answer a wish: algebra in K − 1 numbers.

A move z changes the scaled losses by B z, α by A z and all that can be wished for by a linear
function of z, so that a wish is a small linear program or a least squares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from ..._checks import Array
from .tangent import Tangents, to_the_end

_NOTHING = 1e-6  # a gain, in units of what is at stake, that the solver can leave of none
_NEAR_END = 0.9  # of the way to where α would leave the simplex
_HERE = 0.01  # of a move: not worth a step


@dataclass(frozen=True, eq=False)
class Move:
    """A move along the front."""

    z: Tensor  # coordinates (direction,) in the tangents
    share: float  # of the wish, in [0, 1]
    free: Tensor  # (task,): the direction in loss space that stays free when the move is corrected
    messages: tuple[str, ...] = ()  # what there is to know


@dataclass(frozen=True, eq=False)
class Terms:
    """What wishes may name, and how it changes along the front."""

    names: tuple[str, ...]  # one per row: the tasks, then the metrics
    slopes: Tensor  # (row, direction): change per unit of z, in the row's own unit
    signs: Tensor  # (row,): 1 where larger is worse, −1 where it is better
    scales: Tensor  # (row,): a unit to compare rows by

    def worse(self) -> Array:
        """Return how much worse each row becomes (row, direction), in its own unit."""
        return np.asarray((self.signs[:, None] * self.slopes).numpy())


@dataclass(frozen=True, eq=False)
class Ahead:
    """The front that lies ahead of a point."""

    front: Tangents  # the tangents
    alpha: Tensor  # α (task,)
    largest: float  # most change of a scaled loss in one move

    def limited(self, move: Move) -> Move:
        """Limit a move to the largest step, and to where the front ends."""
        size = float((self.front.B @ move.z).abs().max()) if len(move.z) else 0.0
        cut = min(1.0, self.largest / size) if size > 0 else 1.0
        messages = (f"limited to the largest step, {cut:.0%} of the way",) if cut < 1 else ()
        share, z, end = self.before_the_end(cut * move.z)
        return Move(z, move.share * cut * share, move.free, (*move.messages, *messages, *end))

    def before_the_end(self, z: Tensor) -> tuple[float, Tensor, Sequence[str]]:
        """Cut a move where the front ends; return the share that is left, the move, a message."""
        allowed = _NEAR_END * to_the_end(self.alpha, self.front.dalpha @ z)
        if allowed >= 1:
            return 1.0, z, ()
        if allowed <= _HERE:
            return 0.0, torch.zeros_like(z), ("the front ends here",)
        return allowed, allowed * z, (f"the front ends near: {allowed:.0%} of the way is taken",)


def trade(
    terms: Terms, ahead: Ahead, improve: Mapping[int, float | None], caps: Mapping[int, float]
) -> Move:
    """Improve some rows as far as the caps on others allow.

        max σ  with  gain_j(z) ≥ σ a_j on the improved rows, loss_k(z) ≤ x_k under the caps

    where a_j is the wanted amount and then σ ≤ 1, or the row's scale and σ is free. Among the moves
    that reach the best σ, the one is taken by which the other tasks lose least.
    A cap of 0 protects its row.
    """
    front, largest = ahead.front, ahead.largest
    tasks, directions = front.B.shape
    scale, j, k = terms.scales.numpy(), list(improve), list(caps)
    worse, B = terms.worse() / scale[:, None], front.B.numpy()
    bounded = all(a is not None for a in improve.values())
    wanted = np.array([1.0 if a is None else a for a in improve.values()])
    wanted = wanted / scale[j] if bounded else np.ones(len(j))
    allowed = np.array(list(caps.values())) / scale[k]
    # In units of what is at stake, since the solver's tolerances are not relative.
    stake = min(largest, max([*allowed, *(wanted if bounded else [])], default=0.0)) or largest
    if bounded:
        wanted = wanted / stake
    limits = np.concatenate([np.zeros(len(j)), allowed, np.full(2 * tasks, largest)]) / stake
    # Unknowns z / stake and σ.
    rows = np.vstack([worse[j] / wanted[:, None], worse[k], B, -B])
    shares = np.concatenate([np.ones(len(j)), np.zeros(len(k) + 2 * tasks)])
    box: list[tuple[float | None, float | None]] = [(None, None)] * directions
    best = linprog(
        np.append(np.zeros(directions), -1.0),
        A_ub=np.column_stack([rows, shares]),
        b_ub=limits,
        bounds=[*box, (0, 1 if bounded else None)],
        method="highs",
    )
    free = _free(tasks, improve, caps)
    sigma = 0.0 if best.x is None else float(best.x[-1])
    if best.x is None or sigma * wanted.max() <= _NOTHING:
        none = torch.zeros(directions, dtype=torch.float64)
        names = ", ".join(terms.names[row] for row in j)
        message = f"along the front {names} improves only where more is given up"
        return Move(none, 0.0, free, (message,))
    # Among those of the same σ: least Σ max(0, loss), with one unknown more per other task.
    others = [task for task in range(tasks) if task not in improve]
    count = len(others)
    gentle = linprog(
        np.concatenate([np.zeros(directions), np.ones(count)]),
        A_ub=np.block([[rows, np.zeros((len(rows), count))], [worse[others], -np.eye(count)]]),
        b_ub=np.concatenate([limits - sigma * (1 - 1e-9) * shares, np.zeros(count)]),
        bounds=[*box, *[(0, None)] * count],
        method="highs",
    )
    found = best.x if gentle.x is None else gentle.x
    z = stake * torch.from_numpy(np.array(found[:directions], dtype=np.float64))
    messages = []
    if float((front.B @ z).abs().max()) >= largest * (1 - 1e-6):
        messages.append("limited to the largest step")
    share, z, end = ahead.before_the_end(z)
    if bounded and sigma < 1 - 1e-6:
        messages.append(f"the caps allow {sigma:.0%} of the wish")
    return Move(z, share * (sigma if bounded else 1.0), free, (*messages, *end))


def exactly(terms: Terms, ahead: Ahead, changes: Mapping[int, float]) -> Move:
    """Find the smallest move with these changes of some rows, or the nearest to them."""
    tasks = ahead.front.B.shape[0]
    rows = list(changes)
    wanted = torch.tensor(list(changes.values()), dtype=torch.float64) / terms.scales[rows]
    slopes = terms.slopes[rows] / terms.scales[rows, None]
    # With B = Q R and x = R z, ‖x‖ = ‖B z‖ is what the least norm is taken of.
    R = torch.linalg.qr(ahead.front.B)[1]
    x = torch.linalg.pinv(slopes @ torch.linalg.inv(R), rtol=1e-9) @ wanted
    z = torch.linalg.solve(R, x)
    share = 1 - float((slopes @ z - wanted).norm()) / float(wanted.norm())
    messages = () if share > 1 - 1e-6 else ("no move along the front has all these changes",)
    free = _free(tasks, {}, dict.fromkeys((k for k in rows if k < tasks), 0.0))
    return ahead.limited(Move(z, share, free, messages))


def along(ahead: Ahead, direction: Tensor) -> Move:
    """Project a change (task,) of the scaled losses onto the front."""
    B = ahead.front.B
    z = torch.linalg.pinv(B) @ direction
    share = min(1.0, float((B @ z).norm() / direction.norm()))
    messages: tuple[str, ...] = ()
    if share < _NOTHING:
        messages = ("the front is at right angles to the direction: nothing can be gained there",)
        z = torch.zeros_like(z)
    return ahead.limited(Move(z, share, torch.ones_like(direction), messages))


def toward(ahead: Ahead, losses: Tensor, ray: Tensor, ideal: Tensor) -> Move:
    """Move to where the front's tangent plane meets a ray: αᵀ(z + τ q − ℓ) = 0.

    Losses ℓ, ray q and ideal point z are (task,), scaled; the share is of the way to the ray.
    """
    tau = (ahead.alpha @ (losses - ideal)) / (ahead.alpha @ ray)
    wanted = ideal + tau * ray - losses
    z = torch.linalg.pinv(ahead.front.B) @ wanted
    return ahead.limited(Move(z, 1.0, torch.ones_like(ray)))


def _free(tasks: int, improve: Mapping[int, float | None], caps: Mapping[int, float]) -> Tensor:
    """Find what floats: tasks with no amount and no cap; else the improved ones; else all alike."""
    floating = [
        k for k in range(tasks) if k not in caps and (k not in improve or improve[k] is None)
    ]
    improved = [k for k in improve if k < tasks and improve[k] is None]
    free = torch.zeros(tasks, dtype=torch.float64)
    free[improved or floating or [k for k in improve if k < tasks] or list(range(tasks))] = 1.0
    return free
