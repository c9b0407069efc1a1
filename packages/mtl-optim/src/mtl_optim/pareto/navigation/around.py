"""What is known around a point, once its tangents are solved for; previews are algebra on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .objective import Objective, Values
from .points import Cost, Local, Point, Preview, Settings
from .request import Names, Request
from .sampling import Meter, Slopes, measure_slopes, standard_errors
from .tangent import Frame, Tangents, frame, tangents, to_the_end
from .wish import Move, Terms, along, exactly, toward, trade

_LEVEL = 1e-6  # αᵀ u below which the front is not met along u


@dataclass(frozen=True, eq=False)
class Place:
    """Measured at a point: losses are scaled.

    Attributes:
        theta: θ (param,).
        losses: ℓ, with their samples.
        metrics: The metrics, with theirs, or None.
        at: The frame.
    """

    theta: Tensor
    losses: Values
    metrics: Values | None
    at: Frame


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A place, its tangents, and how losses and metrics change along them.

    Attributes:
        place: What was measured.
        front: The tangents.
        losses: Slopes of the scaled losses, for their noise; None without samples.
        metrics: Slopes of the metrics, or None.
        scales: s (task,), units of the scaled losses.
        cost: What solving took.
    """

    place: Place
    front: Tangents
    losses: Slopes | None
    metrics: Slopes | None
    scales: Tensor
    cost: Cost

    @classmethod
    def explore(
        cls,
        place: Place,
        objective: Objective,
        meter: Meter | None,
        settings: Settings,
        near: Tensor | None,
        tell: Callable[[str], None],
    ) -> Surroundings:
        """Solves for the tangents at a place, and measures along them."""
        before = objective.cost
        at = frame(place.at.losses, place.at.J)
        front = tangents(
            at,
            objective.curvature(place.theta, at.alpha),
            damping=settings.damping,
            iterations=settings.iterations,
            residual=settings.residual,
            step=settings.probe,
            near=near if settings.second_order else None,
            tell=tell,
        )
        losses = metrics = None
        if place.losses.samples is not None:
            losses = measure_slopes(
                objective.losses, place.theta, place.losses, front, settings.probe
            )
        if meter is not None and place.metrics is not None:
            tell("measuring metrics along the front")
            metrics = measure_slopes(
                meter.measure, place.theta, place.metrics, front, settings.probe
            )
        objective.write(place.theta)
        cost = objective.cost - before
        return cls(replace(place, at=at), front, losses, metrics, objective.scales, cost)

    @property
    def normal(self) -> Tensor:
        """α (task,) of the unscaled losses."""
        return self._unscaled(self.place.at.alpha)

    def _unscaled(self, alpha: Tensor) -> Tensor:
        normal = alpha.clamp_min(0) / self.scales
        return normal / normal.sum()

    def local(self, names: Names, settings: Settings) -> Local:
        """The record of what is around."""
        normal = self.normal
        along_task = [self._fall(k) for k in range(len(normal))]
        ends = [to_the_end(self.place.at.alpha, self.front.dalpha @ z) for z in along_task]
        unit = (self.place.at.alpha / self.scales).sum()
        curvature = [z @ self.front.M @ z / unit for z in along_task]
        slopes = None
        if self.metrics is not None:
            slopes = self.metrics.slopes @ torch.stack(along_task, dim=1)
        errors = standard_errors(self.place.losses)
        return Local(
            tasks=names.tasks,
            metric_names=names.metrics,
            alpha=normal,
            exchange=-normal / normal[:, None] + 2 * torch.eye(len(normal), dtype=torch.float64),
            kkt=self.place.at.kkt,
            ends=torch.tensor(ends, dtype=torch.float64),
            curvature=torch.stack(curvature),
            largest=settings.largest_step * self.scales,
            loss_errors=None if errors is None else errors * self.scales,
            metric_slopes=slopes,
        )

    def _fall(self, task: int) -> Tensor:
        """The smallest move z along which a loss falls by 1."""
        R = torch.linalg.qr(self.front.B)[1]
        row = (self.front.B[task] * self.scales[task])[None] @ torch.linalg.inv(R)
        move: Tensor = torch.linalg.solve(R, -torch.linalg.pinv(row, rtol=1e-9)[:, 0])
        return move

    def preview(
        self, request: Request, point: Point, names: Names, ideal: Tensor, settings: Settings
    ) -> Preview:
        """What a wish would bring."""
        move = self._foreseen(self._move(request, names, ideal, settings.largest_step))
        change, error = self._change(move, settings)
        metric_change = metric_error = None
        if self.metrics is not None:
            metric_change = self.metrics.slopes @ move.z
            noise = self.metrics.noise(move.z, jumps=True)
            metric_error = self.metrics.model_error(move.z) + 2 * noise
        return Preview(
            tasks=names.tasks,
            metric_names=names.metrics,
            point=point.id,
            wish=request.wish,
            share=move.share,
            change=change * self.scales,
            error=error * self.scales,
            alpha=self._unscaled(self.place.at.alpha + self.front.dalpha @ move.z),
            cost=self._expected_cost(settings),
            metric_change=metric_change,
            metric_error=metric_error,
            refused=self._refusal(request, move, change, names),
            messages=move.messages,
            coordinates=move.z,
            free=move.free,
        )

    def _move(self, request: Request, names: Names, ideal: Tensor, largest: float) -> Move:
        front, alpha, scales = self.front, self.place.at.alpha, self.scales
        if not front.directions:
            none = torch.zeros(0, dtype=torch.float64)
            message = "the gradients of all losses are parallel: there is no direction to go"
            return Move(none, 0.0, torch.ones_like(alpha), (message,))
        if request.direction is not None:
            return along(request.direction / scales, front, alpha, largest=largest)
        if request.toward is not None:
            losses, ray = self.place.at.losses, request.toward / scales
            return toward(losses, ray, ideal / scales, front, alpha, largest=largest)
        slopes, units = front.B * scales[:, None], scales
        if self.metrics is not None:
            slopes = torch.cat([slopes, self.metrics.slopes])
            spans = self.metrics.slopes.abs().amax(dim=1) / front.B.abs().max()
            units = torch.cat([units, spans.clamp_min(1e-12)])
        terms = Terms(names.rows, slopes, names.signs, units)
        if request.change is not None:
            return exactly(terms, front, alpha, changes=request.change, largest=largest)
        return trade(
            terms,
            front,
            alpha,
            improve=request.improve or {},
            caps=request.caps or {},
            largest=largest,
        )

    def _bend(self, move: Move) -> Tensor:
        """What the second order adds to B z (task,).

        On the front αᵀ Δℓ = ½ zᵀ M z, which the corrector finds along the free direction u:
        u ½ zᵀ M z / αᵀ u.
        """
        height = move.z @ self.front.M @ move.z / 2
        slope = self.place.at.alpha @ move.free
        return move.free * (height / slope if float(slope) > _LEVEL else 0 * height)

    def _foreseen(self, move: Move) -> Move:
        """The move as far as the second order is at most a quarter of the first."""
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

    def _change(self, move: Move, settings: Settings) -> tuple[Tensor, Tensor]:
        """The predicted change of the scaled losses to second order, and its band.

        The band has twice the second order, which a solve that was cut short knows no better, the
        accuracy of the corrector and 2 standard errors.
        """
        first, bend = self.front.B @ move.z, self._bend(move)
        error = 2 * bend.abs() + settings.accuracy * first.abs().max()
        if self.losses is not None:
            error = error + 2 * self.losses.noise(move.z, jumps=False)
        return first + bend, error

    def _expected_cost(self, settings: Settings) -> Cost:
        tasks, products = len(self.place.at.losses), settings.iterations + 1
        correction = Cost(forwards=1, gradients=tasks + 1, products=products)
        return self.cost + Cost(forwards=1, gradients=2 * tasks) + correction

    def _refusal(self, request: Request, move: Move, change: Tensor, names: Names) -> str | None:
        """Why a move is too small to be told from noise, or None."""
        if move.share <= 0:
            return None
        rounding = 16 * torch.finfo(self.place.theta.dtype).eps
        if float(change.abs().max()) <= rounding * float(self.place.at.losses.abs().max()):
            return "the move is below the rounding of the losses: nothing could be told from it"
        rows = list(request.improve or request.change or range(len(names.tasks)))
        told = [self._told_apart(row, move, change, names) for row in rows]
        if any(verdict is not False for verdict in told):
            return None
        listed = ", ".join(names.rows[row] for row in rows)
        return (
            f"the move is below the sampling noise: the change of {listed} is less than "
            "2 standard errors; ask for more, or measure on more samples"
        )

    def _told_apart(self, row: int, move: Move, change: Tensor, names: Names) -> bool | None:
        """Whether a row's change exceeds 2 standard errors; None where these are not known."""
        tasks = len(names.tasks)
        slopes = self.losses if row < tasks else self.metrics
        if slopes is None or slopes.covariance is None:
            return None
        metric = row >= tasks
        noise = slopes.noise(move.z, jumps=metric)[row - tasks if metric else row]
        moved = (slopes.slopes @ move.z)[row - tasks] if metric else change[row]
        return bool(moved.abs() > 2 * noise)
