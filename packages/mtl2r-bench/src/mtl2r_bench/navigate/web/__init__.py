"""The page of `mtl2r-bench navigate --web`; needs the extra `ui`."""

from .page import Page

__all__ = ["Page"]
