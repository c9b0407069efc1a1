"""The checks of preference vectors and ideal points."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ._bases import Method
from ._checks import Array, as_numbers, check_finite, check_length
from ._per_task import Given

_SLACK = 1e-3  # room for a preference typed with four digits, as (0.3333, 0.3333, 0.3333)


def as_preference(preference: Sequence[float] | Tensor) -> Tensor:
    """Read a preference as a float64 vector (task,) on the simplex.

    A sum within 1e-3 of 1 is taken for rounding and divided out; anything else is an error, since
    a vector of another sum is more often a mistake than a wish.
    """
    vector = as_vector("preference", preference)
    if not bool(torch.isfinite(vector).all()) or bool((vector < 0).any()):
        raise ValueError(f"`preference` must be finite and non-negative, got {vector.tolist()}")
    total = float(vector.sum())
    if abs(total - 1) > _SLACK:
        raise ValueError(f"`preference` must sum to 1, got a sum of {total:g}: {vector.tolist()}")
    return vector / total


def as_ray(preference: Sequence[float] | Tensor) -> Tensor:
    """Read a preference with a ray 1/r in loss space, as a float64 vector (task,)."""
    vector = as_preference(preference)
    if bool((vector == 0).any()):
        raise ValueError(
            "`preference` must be positive in each entry, since the ray 1/r has no end where one "
            f"is 0, got {vector.tolist()}"
        )
    return vector


def as_ideal(ideal: Sequence[float] | Tensor | None, tasks: int, *, name: str = "ideal") -> Tensor:
    """Read the ideal point, or another lower bound, as a float64 vector (task,); None is 0."""
    if ideal is None:
        return torch.zeros(tasks, dtype=torch.float64, device="cpu")
    point = as_vector(name, ideal)
    check_length(name, len(point), tasks)
    check_finite(point, f"`{name}`: the entry")
    return point


def as_vector(name: str, numbers: object) -> Tensor:
    """Copy numbers into a float64 tensor (task,) on the CPU."""
    vector = torch.from_numpy(as_numbers(name, numbers))
    if vector.ndim != 1 or vector.numel() == 0:
        raise ValueError(f"`{name}` must have shape (task,), got {tuple(vector.shape)}")
    return vector


class HoldsPreference(Method):
    """Mixin of a method that holds a preference r (task,). Name it before the kind."""

    preference: Tensor
    per_task: ClassVar = {"preference": Given(torch.sum)}
    read = staticmethod(as_preference)

    def __init__(self, preference: Sequence[float] | Tensor) -> None:
        super().__init__()
        self.register_buffer("preference", self.read(preference))

    def preference_for(self, losses: Tensor) -> Tensor:
        """Return r as a vector like the losses (task,)."""
        check_length("preference", len(self.preference), len(losses))
        return self.preference.to(losses)


class MayHoldPreference(Method):
    """Mixin of a method that weighs the tasks alike unless it is given a preference r (task,)."""

    preference: Tensor | None
    per_task: ClassVar = {"preference": Given(torch.sum)}

    def __init__(self, *, preference: Sequence[float] | Tensor | None = None) -> None:
        super().__init__()
        r = None if preference is None else as_preference(preference)
        self.register_buffer("preference", r)

    def shares(self, tasks: int) -> Array:
        """Return r (task,), or 1/K each."""
        if self.preference is None:
            return np.full(tasks, 1 / tasks)
        check_length("preference", len(self.preference), tasks)
        return self.preference.cpu().numpy()
