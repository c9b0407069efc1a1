"""Public data sets, LETOR's folders, MSLR's columns, and a generator of synthetic data."""

from . import letor, mslr, synthetic
from ._catalogue import (
    MANIFESTS,
    Manifest,
    find,
    istella,
    istella_s,
    istella_x,
    manifest,
    mq2007,
    mq2008,
    mslr_web10k,
    mslr_web30k,
    yahoo,
)
from ._download import download
from ._tasks import resolve_inputs, resolve_tasks

__all__ = [
    "MANIFESTS",
    "Manifest",
    "download",
    "find",
    "istella",
    "istella_s",
    "istella_x",
    "letor",
    "manifest",
    "mq2007",
    "mq2008",
    "mslr",
    "mslr_web10k",
    "mslr_web30k",
    "resolve_inputs",
    "resolve_tasks",
    "synthetic",
    "yahoo",
]
