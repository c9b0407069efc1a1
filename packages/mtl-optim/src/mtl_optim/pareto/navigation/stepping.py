"""A step along the front: predictor, step-size control, gain test, corrector."""

import torch
from torch import Tensor

from ._points import NavigationError, Preview
from .context import Context
from .corrector import Aim, Corrected, correct
from .local_model import LocalModel
from .objective import Expansion, Objective
from .tangent import frame

_HALVINGS = 6


Taken = tuple[Corrected, str]  # where a step ended, and what there is to know


def take(
    context: Context, model: LocalModel, preview: Preview, tolerance: float, radius: float
) -> Taken:
    """Take a previewed move.

    The target is the predicted place, inside the caps by as much as the corrector may miss them,
    since the second-order drift of the predictor breaks them.

    Raises:
        NavigationError: Less than a tenth of the move could be realised.
    """
    settings = context.settings
    change = preview.change / model.scales
    size = float(change.abs().max())
    miss = settings.accuracy * size / 2
    start = model.place.at.losses
    target = start + change - miss * (preview.free == 0).to(change)
    predicted, first_order = predict(context.objective, model, preview, target, tolerance)
    aim = Aim(target, preview.free, miss, tolerance, settings.corrections)
    found = correct(context, predicted, aim, radius)
    realised = found.at.losses - start
    if float(realised @ change) < 0.1 * float(change @ change):
        raise NavigationError(
            f"the move could not be realised: for {_percent(change)} of their scale the losses "
            f"changed by {_percent(realised)}; ask for less"
        )
    messages = list(preview.messages)
    if first_order:
        messages.append("the first-order step ended nearer the front")
    if found.ended:
        messages.append("the front ended on the way")
    if not found.reached:
        messages.append(
            f"the target was missed by {found.missed / size:.1%} of the step, "
            f"with a KKT residual of {found.at.kkt:.2g}"
        )
    return found, "; ".join(messages)


def descend(context: Context, theta: Tensor, corrections: int, radius: float) -> Taken:
    """Descend to the front where it is far, at constant differences of the losses."""
    settings, here = context.settings, context.objective.expand(theta)
    before, target = frame(here).kkt, here.losses.means
    far = before > settings.correct_above
    aim = Aim(
        target,
        torch.ones_like(target),
        accuracy=settings.largest_step,
        tolerance=settings.correct_above,
        corrections=corrections if far else 0,
    )
    found = correct(context, here, aim, radius)
    if not far:
        return found, ""
    if not corrections:
        together = f"with a KKT residual of {before:.2g} all losses could fall together"
        return found, f"not on the front: {together}"
    after = found.at.kkt
    return found, f"corrected first: the KKT residual went from {before:.2g} to {after:.2g}"


def predict(
    objective: Objective, model: LocalModel, preview: Preview, target: Tensor, tolerance: float
) -> tuple[Expansion, bool]:
    """Move along the tangent V z, or along the first-order step J⁺d if that ends nearer the front.

    The step is halved until the losses change as they should, to half of that change; what the
    second order makes of it is then taken back to the target along the front. The first-order step
    is tried where the tangent leaves a KKT residual above the tolerance.
    Return the place, and whether the first-order step led there.
    """
    theta, at, z = model.place.here.theta, model.place.at, preview.coordinates
    aimed, wanted = frame(model.place.here, preview.free), model.front.B @ z
    half = float(wanted.abs().max()) / 2

    def end(move: Tensor, share: float, found: Tensor) -> Tensor:
        missed = (target - at.losses) * share - found
        return theta + share * move + aimed.Q @ (aimed.inverse @ missed).to(theta)

    v, first = model.front.V @ z.to(theta), at.Q @ z.to(theta)
    for halvings in range(_HALVINGS):
        share = 0.5**halvings
        found = objective.losses(theta + share * v, finite=False).means - at.losses
        if float((found - share * wanted).abs().max()) <= share * half:
            break
    else:
        return objective.expand(theta), False  # the corrector goes all the way
    tangent = objective.expand(end(v, share, found))
    kkt = frame(tangent).kkt
    if kkt > tolerance and not torch.equal(v, first):
        found = objective.losses(theta + share * first, finite=False).means - at.losses
        if bool(torch.isfinite(found).all()):
            other = objective.expand(end(first, share, found))
            if frame(other).kkt < kkt:
                return other, True
    return tangent, False


def _percent(change: Tensor) -> str:
    return "(" + ", ".join(f"{x:+.2%}" for x in change.tolist()) + ")"
