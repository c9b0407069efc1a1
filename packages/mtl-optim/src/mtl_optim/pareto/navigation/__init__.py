"""Interactive navigation along a Pareto front."""

from ._navigator import ParetoNavigator
from ._points import Cost, Local, Metrics, NavigationError, Point, Preview, Settings

__all__ = [
    "Cost",
    "Local",
    "Metrics",
    "NavigationError",
    "ParetoNavigator",
    "Point",
    "Preview",
    "Settings",
]
