"""The table of architectures. A new one is a file of this folder and a row here."""

from collections.abc import Mapping

from ._latent_cross import LatentCross
from ._mlp import MLPScorer
from ._network import Network
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
