"""One objective per sample: the Gramian of all samples' gradients, from one walk or a few."""

from ._engine import check_modules, objectives, sample_gramian
from ._record import forget, watch

__all__ = ["check_modules", "forget", "objectives", "sample_gramian", "watch"]
