"""What is known around a point, once its tangents are solved for; previews are algebra on it."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ._points import Cost, Local, Point, Preview
from .context import Context
from .moves import Ahead, Move, Terms, along, exactly, toward, trade
from .objective import Expansion, Values
from .sampling import Slopes, measure_slopes, standard_errors
from .tangent import Frame, Tangents, frame, tangents, to_the_end
from .wishes import Wish

_LEVEL = 1e-6  # αᵀ u below which the front is not met along u


@dataclass(frozen=True, eq=False)
class Place:
    """What was measured at a point."""

    here: Expansion  # θ, the scaled losses and their gradients
    metrics: Values | None  # the metrics, with their samples, or None
    at: Frame  # the frame


@dataclass(frozen=True, eq=False)
class LocalModel:
    """A place, its tangents, and how losses and metrics change along them."""

    context: Context  # what every computation needs
    place: Place  # what was measured
    front: Tangents  # the tangents
    losses: Slopes | None  # slopes of the scaled losses, for their noise; None without samples
    metrics: Slopes | None  # slopes of the metrics, or None
    scales: Tensor  # s (task,), units of the scaled losses
    cost: Cost  # what solving took

    @classmethod
    def explore(cls, context: Context, place: Place, near: Tensor | None) -> Self:
        """Solve for the tangents at a place, starting from `near`, and measure along them."""
        objective, settings = context.objective, context.settings
        before, theta = objective.cost, place.here.theta
        at = frame(place.here)
        near = near if settings.second_order else None
        product = objective.curvature(theta, at.alpha)
        front = tangents(at, product, settings, near=near, tell=context.tell)
        losses = metrics = None
        if place.here.losses.samples is not None:
            here = place.here.losses
            losses = measure_slopes(objective.losses, theta, here, front, settings.probe)
        if context.measure is not None and place.metrics is not None:
            context.tell("measuring metrics along the front")
            metrics = measure_slopes(context.measure, theta, place.metrics, front, settings.probe)
        objective.write(theta)
        cost = objective.cost - before
        place = replace(place, at=at)
        return cls(context, place, front, losses, metrics, objective.scales, cost)

    def _unscaled(self, alpha: Tensor) -> Tensor:
        normal = alpha.clamp_min(0) / self.scales
        return normal / normal.sum()

    def local(self) -> Local:
        """Return the public record of this model."""
        normal, names = self._unscaled(self.place.at.alpha), self.context.names
        along_task = [self._fall(k) for k in range(len(normal))]
        ends = [to_the_end(self.place.at.alpha, self.front.dalpha @ z) for z in along_task]
        unit = (self.place.at.alpha / self.scales).sum()
        curvature = [z @ self.front.M @ z / unit for z in along_task]
        slopes = None
        if self.metrics is not None:
            slopes = self.metrics.slopes @ torch.stack(along_task, dim=1)
        errors = standard_errors(self.place.here.losses)
        return Local(
            tasks=names.tasks,
            metric_names=names.metrics,
            alpha=normal,
            exchange=-normal / normal[:, None] + 2 * torch.eye(len(normal), dtype=torch.float64),
            kkt=self.place.at.kkt,
            ends=torch.tensor(ends, dtype=torch.float64),
            curvature=torch.stack(curvature),
            largest=self.context.settings.largest_step * self.scales,
            loss_errors=None if errors is None else errors * self.scales,
            metric_slopes=slopes,
        )

    def _fall(self, task: int) -> Tensor:
        """Return the smallest move z along which a loss falls by 1."""
        R = torch.linalg.qr(self.front.B)[1]
        row = (self.front.B[task] * self.scales[task])[None] @ torch.linalg.inv(R)
        move: Tensor = torch.linalg.solve(R, -torch.linalg.pinv(row, rtol=1e-9)[:, 0])
        return move

    def preview(self, wish: Wish, point: Point, ideal: Tensor) -> Preview:
        """Predict what a wish brings, at the place of this point; rays start at the ideal point."""
        move, names = self._foreseen(self._move(wish, ideal)), self.context.names
        change, error = self._change(move)
        metric_change = metric_error = None
        if self.metrics is not None:
            metric_change = self.metrics.slopes @ move.z
            noise = self.metrics.noise(move.z, jumps=True)
            metric_error = self.metrics.model_error(move.z) + 2 * noise
        return Preview(
            tasks=names.tasks,
            metric_names=names.metrics,
            point=point.id,
            wish=wish.given,
            share=move.share,
            change=change * self.scales,
            error=error * self.scales,
            alpha=self._unscaled(self.place.at.alpha + self.front.dalpha @ move.z),
            cost=self._expected_cost(),
            metric_change=metric_change,
            metric_error=metric_error,
            refused=self._refusal(wish, move, change),
            messages=move.messages,
            coordinates=move.z,
            free=move.free,
        )

    def _move(self, wish: Wish, ideal: Tensor) -> Move:
        front, alpha, scales = self.front, self.place.at.alpha, self.scales
        if not front.directions:
            none = torch.zeros(0, dtype=torch.float64)
            message = "the gradients of all losses are parallel: there is no direction to go"
            return Move(none, 0.0, torch.ones_like(alpha), (message,))
        ahead = Ahead(front, alpha, self.context.settings.largest_step)
        if wish.direction is not None:
            return along(ahead, wish.direction / scales)
        if wish.toward is not None:
            return toward(ahead, self.place.at.losses, wish.toward / scales, ideal / scales)
        slopes, units = front.B * scales[:, None], scales
        if self.metrics is not None:
            slopes = torch.cat([slopes, self.metrics.slopes])
            spans = self.metrics.slopes.abs().amax(dim=1) / front.B.abs().max()
            units = torch.cat([units, spans.clamp_min(1e-12)])
        terms = Terms(self.context.names.rows, slopes, self.context.names.signs, units)
        if wish.change is not None:
            return exactly(terms, ahead, wish.change)
        return trade(terms, ahead, wish.improve or {}, wish.caps or {})

    def _bend(self, move: Move) -> Tensor:
        """Return what the second order adds to B z (task,).

        On the front αᵀ Δℓ = ½ zᵀ M z, which the corrector finds along the free direction u:
        u ½ zᵀ M z / αᵀ u.
        """
        height = move.z @ self.front.M @ move.z / 2
        slope = self.place.at.alpha @ move.free
        return move.free * (height / slope if float(slope) > _LEVEL else 0 * height)

    def _foreseen(self, move: Move) -> Move:
        """Cut the move to where the second order is at most a quarter of the first."""
        first, bend = self.front.B @ move.z, self._bend(move)
        floats = move.free > 0
        most, found = float(first[floats].abs().max()) / 4, float(bend.abs().max())
        if found <= most or move.share == 0:
            return move
        cut = most / found
        message = f"limited to {cut:.0%} of the way, as far as the bend of the front is foreseen"
        return replace(
            move, z=cut * move.z, share=cut * move.share, messages=(*move.messages, message)
        )

    def _change(self, move: Move) -> tuple[Tensor, Tensor]:
        """Predict the change of the scaled losses to second order, and its band.

        The band has twice the second order, which a solve that was cut short knows no better, the
        accuracy of the corrector and 2 standard errors.
        """
        first, bend = self.front.B @ move.z, self._bend(move)
        error = 2 * bend.abs() + self.context.settings.accuracy * first.abs().max()
        if self.losses is not None:
            error = error + 2 * self.losses.noise(move.z, jumps=False)
        return first + bend, error

    def _expected_cost(self) -> Cost:
        tasks, products = len(self.place.at.losses), self.context.settings.iterations + 1
        correction = Cost(forwards=1, gradients=tasks + 1, products=products)
        return self.cost + Cost(forwards=1, gradients=2 * tasks) + correction

    def _refusal(self, wish: Wish, move: Move, change: Tensor) -> str | None:
        """Return why a move is too small to be told from noise, or None."""
        if move.share <= 0:
            return None
        rounding = 16 * torch.finfo(self.place.here.theta.dtype).eps
        if float(change.abs().max()) <= rounding * float(self.place.at.losses.abs().max()):
            return "the move is below the rounding of the losses: its effect could not be measured"
        names = self.context.names
        rows = list(wish.improve or wish.change or range(len(names.tasks)))
        if any(self._told_apart(row, move, change) is not False for row in rows):
            return None
        listed = ", ".join(names.rows[row] for row in rows)
        return (
            f"the move is below the sampling noise: the change of {listed} is less than "
            "2 standard errors; ask for more, or measure on more samples"
        )

    def _told_apart(self, row: int, move: Move, change: Tensor) -> bool | None:
        """Return whether a row's change exceeds 2 standard errors; None if these are unknown."""
        tasks = len(change)
        metric = row >= tasks
        slopes = self.metrics if metric else self.losses
        if slopes is None or slopes.covariance is None:
            return None
        noise = slopes.noise(move.z, jumps=metric)[row - tasks if metric else row]
        moved = (slopes.slopes @ move.z)[row - tasks] if metric else change[row]
        return bool(moved.abs() > 2 * noise)
