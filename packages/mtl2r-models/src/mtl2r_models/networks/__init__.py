"""The rankers: one architecture per file, and the table of them. A new one is a file and a row."""

from collections.abc import Mapping

from ._arguments import Argument, arguments
from ._latent_cross import LatentCross
from ._mlp import MLPScorer
from ._network import Network, NetworkOptions
from ._scorer import Scorer
from ._set_transformer import SetTransformer
from ._transformer import ListTransformer

ARCHITECTURES: Mapping[str, type[Network]] = {
    "transformer": ListTransformer,
    "latent_cross": LatentCross,
    "mlp": MLPScorer,
    "set_transformer": SetTransformer,
}
"""The architectures by the names that configs use."""

CLASSES: Mapping[str, type[Network]] = {kind.__name__: kind for kind in ARCHITECTURES.values()}
"""The same by the names of their classes, which saved rankers have."""

from ._conditioned import PreferenceConditioned, stratified_preferences  # noqa: E402  it looks into the table

__all__ = [
    "ARCHITECTURES",
    "CLASSES",
    "Argument",
    "LatentCross",
    "ListTransformer",
    "MLPScorer",
    "Network",
    "NetworkOptions",
    "PreferenceConditioned",
    "Scorer",
    "SetTransformer",
    "arguments",
    "stratified_preferences",
]
