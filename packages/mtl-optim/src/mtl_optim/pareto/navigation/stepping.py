"""A step along the front: predictor, step-size control, gain test, corrector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .around import Surroundings
from .corrector import Corrected, correct
from .objective import Objective, Values
from .points import NavigationError, Preview, Settings
from .tangent import frame

_HALVINGS = 6


@dataclass(frozen=True, eq=False)
class Taken:
    """Where a step ended.

    Attributes:
        found: What the corrector found.
        message: What there is to know, or "".
    """

    found: Corrected
    message: str


def take(
    objective: Objective,
    around: Surroundings,
    preview: Preview,
    settings: Settings,
    tolerance: float,
    radius: float,
    tell: Callable[[str], None],
) -> Taken:
    """Takes a previewed move.

    The target is the predicted place, inside the caps by as much as the corrector may miss them,
    since the second-order drift of the predictor breaks them.

    Raises:
        NavigationError: Less than a tenth of the move could be realised.
    """
    change = preview.change / around.scales
    size = float(change.abs().max())
    miss = settings.accuracy * size / 2
    held = (preview.free == 0).to(change)
    start = around.place.at.losses
    target = start + change - miss * held
    predicted = predict(objective, around, preview, target, tolerance)
    found = correct(
        objective,
        predicted.theta,
        target,
        preview.free,
        settings=settings,
        corrections=settings.corrections,
        tolerance=tolerance,
        accuracy=miss,
        radius=radius,
        known=predicted.known,
        tell=tell,
    )
    realised = found.at.losses - start
    if float(realised @ change) < 0.1 * float(change @ change):
        raise NavigationError(
            f"the move could not be realised: for {_percent(change)} of their scale the losses "
            f"changed by {_percent(realised)}; ask for less"
        )
    messages = list(preview.messages)
    if predicted.first_order:
        messages.append("the first-order step ended nearer the front")
    if found.ended:
        messages.append("the front ended on the way")
    if not found.reached:
        messages.append(
            f"the target was missed by {found.missed / size:.1%} of the step, "
            f"with a KKT residual of {found.at.kkt:.2g}"
        )
    return Taken(found, "; ".join(messages))


def descend(
    objective: Objective,
    theta: Tensor,
    settings: Settings,
    corrections: int,
    radius: float,
    tell: Callable[[str], None],
) -> Taken:
    """Down to the front where it is far, at constant differences of the losses."""
    values, J = objective.jacobian(theta)
    before = frame(values.means, J).kkt
    far = before > settings.correct_above
    found = correct(
        objective,
        theta,
        values.means,
        torch.ones_like(values.means),
        settings=settings,
        corrections=corrections if far else 0,
        tolerance=settings.correct_above,
        accuracy=settings.largest_step,
        radius=radius,
        known=(values, J),
        tell=tell,
    )
    if not far:
        return Taken(found, "")
    if not corrections:
        return Taken(
            found,
            f"not on the front: with a KKT residual of {before:.2g} all losses could fall together",
        )
    after = found.at.kkt
    return Taken(found, f"corrected first: the KKT residual went from {before:.2g} to {after:.2g}")


@dataclass(frozen=True, eq=False)
class Predicted:
    """Where a predictor ended.

    Attributes:
        theta: θ (param,).
        known: Losses and Jacobian there, where the gain test took them.
        first_order: Whether it was J⁺d that was taken, of both.
    """

    theta: Tensor
    known: tuple[Values, Tensor] | None = None
    first_order: bool = False


def predict(
    objective: Objective, around: Surroundings, preview: Preview, target: Tensor, tolerance: float
) -> Predicted:
    """Along the tangent V z, or along the first-order step J⁺d where that ends nearer the front.

    The step is halved until the losses change as they should, to half of that change; what the
    second order makes of it is then taken back to the target along the front. The first-order step
    is tried where the tangent leaves a KKT residual above the tolerance.
    """
    theta, at, z = around.place.theta, around.place.at, preview.coordinates
    aimed, wanted = frame(at.losses, at.J, preview.free), around.front.B @ z
    half = float(wanted.abs().max()) / 2

    def end(move: Tensor, share: float, found: Tensor) -> Tensor:
        missed = (target - at.losses) * share - found
        return theta + share * move + aimed.Q @ (aimed.inverse @ missed).to(theta)

    v, first = around.front.V @ z.to(theta), at.Q @ z.to(theta)
    for halvings in range(_HALVINGS):
        share = 0.5**halvings
        found = objective.losses(theta + share * v, finite=False).means - at.losses
        if float((found - share * wanted).abs().max()) <= share * half:
            break
    else:
        return Predicted(theta)  # the corrector goes all the way
    tangent = end(v, share, found)
    known = objective.jacobian(tangent)
    kkt = frame(known[0].means, known[1]).kkt
    if kkt > tolerance and not torch.equal(v, first):
        found = objective.losses(theta + share * first, finite=False).means - at.losses
        if bool(torch.isfinite(found).all()):
            other = end(first, share, found)
            instead = objective.jacobian(other)
            if frame(instead[0].means, instead[1]).kkt < kkt:
                return Predicted(other, instead, first_order=True)
    return Predicted(tangent, known)


def _percent(change: Tensor) -> str:
    return "(" + ", ".join(f"{x:+.2%}" for x in change.tolist()) + ")"
