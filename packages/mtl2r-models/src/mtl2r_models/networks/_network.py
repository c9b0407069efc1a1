"""The base class of architectures: feature layers, an encoder of the documents, and a head."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from ..checks import as_options, check_mask, check_tensor
from ..feature_layers import FeatureLayer, FeatureLayers, WordEmbeddings
from ..layers import Head, MemberHead, Members, make_head
from ._arguments import arguments
from ._scorer import Scorer


class NetworkOptions(TypedDict, total=False):
    """The options of `Network`, which every architecture takes beside its own."""

    feature_layers: Sequence[Mapping[str, Any]]
    members: int
    experts: Mapping[str, int] | None
    words: Sequence[int]
    num_tasks: int | None
    generator: torch.Generator | None


class Network(Scorer):
    """A ranker that is one network: feature layers, an architecture's encoder, a head.

    An architecture is its constructor and `_hidden`. The constructor has the architecture's own
    arguments and ``**options: Unpack[NetworkOptions]``. It hands the options to this one, sets
    `width`, and makes layers, the first for inputs of the width ``self.inputs.width``. Then the
    head is added and the weights are drawn. A row in the table of architectures does the rest.

    Args:
        num_features: Inputs per document.
        feature_layers: Layers before the network's first, see `mtl2r_models.feature_layers`.
        members: Members of an ensemble that share the network, see `mtl2r_models.layers.Members`.
        experts: Options of a `mtl2r_models.layers.MixtureOfExperts`; None for a linear score.
        words: Numbers of codes of the last inputs, which are codes of words and are embedded; see
            `ltr_data.TableTransform`.
        num_tasks: This many scores, one per task; None for one score that all tasks share.
        generator: Draws the initial weights; None takes torch's default generator.

    Attributes:
        width: Width of the hidden states.

    Raises:
        ValueError: For a value that is out of its range.
        TypeError: For an unknown option, or a size that is not an int.
    """

    width: int
    inputs: FeatureLayers
    members: Members | None
    head: Head | MemberHead

    def __init__(
        self,
        num_features: int,
        *,
        feature_layers: Sequence[Mapping[str, Any]] = (),
        members: int = 1,
        experts: Mapping[str, int] | None = None,
        words: Sequence[int] = (),
        num_tasks: int | None = None,
        generator: torch.Generator | None = None,  # taken where the weights are drawn
    ) -> None:
        for name, argument in arguments(type(self)).items():
            argument.check(name, self._config[name])
        if experts is not None:
            as_options("experts", experts)
        super().__init__(num_features, num_tasks)
        self.inputs = FeatureLayers(num_features, feature_layers, words)
        self.members = Members(self.inputs.width, members) if members > 1 else None

    def _complete(self) -> None:
        """Add the head."""
        members, experts = self._config["members"], self._config["experts"]
        if self.members is None:
            self.head = make_head(self.width, self.num_tasks, experts)
        else:
            self.head = MemberHead(self.width, self.num_tasks, members, experts)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all matrices Xavier-uniform (as allRank and DeepMTL2R) and zero the biases.

        All that was trained is lost; what was fitted to documents stays.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
            elif isinstance(module, FeatureLayer | Members | WordEmbeddings):
                module.reset_parameters(generator)

    def fit_features(self, features: Tensor) -> None:
        """Fit the feature layers to training documents, see `Scorer.fit_features`."""
        self._check_shape(features, "document")
        self._check_type(features)
        self.inputs.fit(features)

    def _check_shape(self, features: Tensor, *axes: str) -> None:
        check_tensor("features", features)
        if features.dim() != len(axes) + 1 or features.shape[-1] != self.num_features:
            shape = f"({', '.join(axes)}, {self.num_features})"
            raise ValueError(f"`features` must be {shape}, got {tuple(features.shape)}")

    def _check_type(self, features: Tensor) -> None:
        wanted = next(self.parameters()).dtype
        if features.dtype != wanted:
            raise TypeError(f"`features` must be {wanted}, as the ranker is, got {features.dtype}")

    @abstractmethod
    def _hidden(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """Map inputs (batch, list, inputs.width) and a mask to hidden states (batch, list, width).

        They must be finite everywhere, padded positions included.
        """

    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return hidden states of the documents in their list, see `Scorer.encode`."""
        self._check_shape(features, "batch", "list")
        if not torch.is_autocast_enabled(features.device.type):
            self._check_type(features)
        if mask is not None:
            check_tensor("mask", mask)
            check_mask(mask, features)
            if _all_documents(mask):
                mask = None
            else:
                # A masked key has the weight 0, but 0 times NaN is NaN.
                features = features.masked_fill(~mask[..., None], 0.0)
        inputs = self.inputs(features)
        if self.members is None:
            return self._hidden(inputs, mask)
        spread, repeated = self.members.spread(inputs), self.members.repeat(mask)
        return self.members.gather(self._hidden(spread, repeated))

    def score(self, hidden: Tensor) -> Tensor:
        """Return scores of hidden states, see `Scorer.score`."""
        scores: Tensor = self.head(hidden)
        return scores

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """Return the parameters of one task, or of all tasks, see `Scorer.task_parameters`."""
        return self.head.task_parameters(task)


def _all_documents(mask: Tensor) -> bool:
    # The look is cheap on the CPU; it would wait for a GPU, and break a compiled graph.
    if mask.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return bool(mask.all())
