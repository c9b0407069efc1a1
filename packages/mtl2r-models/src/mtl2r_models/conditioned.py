"""One ranker for a whole Pareto front: its weights are a function of the preference."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .checks import check_sizes
from .scorer import Scorer

__all__ = ["PreferenceConditioned", "stratified_preferences"]

_SUM_TOLERANCE = 1e-4


class _Modulation(nn.Module):
    """What the preference does to one linear layer: FiLM on its outputs, and a low-rank adapter."""

    def __init__(self, layer: nn.Linear, code: int, rank: int) -> None:
        super().__init__()
        out, into = layer.weight.shape
        self.scale = nn.Parameter(torch.zeros(out, code))
        self.shift = nn.Parameter(torch.zeros(out, code))
        self.gate = nn.Parameter(torch.empty(rank, code))
        self.up = nn.Parameter(torch.zeros(out, rank))
        self.down = nn.Parameter(torch.empty(rank, into))

    def reset_parameters(self, generator: torch.Generator | None) -> None:
        """Draws what need not be 0: at the start the preference changes nothing."""
        for parameter in (self.gate, self.down):
            if parameter.numel():
                nn.init.xavier_uniform_(parameter, generator=generator)

    def forward(self, weight: Tensor, bias: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's weight and bias at a code of the preference."""
        scale = 1 + self.scale @ code
        adapted = weight + (self.up * (self.gate @ code)) @ self.down
        return scale[:, None] * adapted, scale * bias + self.shift @ code


class PreferenceConditioned(nn.Module):
    r"""A ranker whose every linear layer depends on the preference.

    .. math:: W(r) = \mathrm{diag}(\gamma) \, (W + U \, \mathrm{diag}(A c) \, V), \quad
        b(r) = \gamma \odot b + B c, \quad \gamma = 1 + \Gamma c

    with the code :math:`c = \tanh(P r + p) - \tanh(P \bar r + p)` of the preference r, which is 0
    at the equal preference r̄: there the ranker is its trunk. γ and Bc are feature-wise linear
    modulation (FiLM, Perez et al., 2018), as in conditioned Pareto models (Dosovitskiy and
    Djolonga, 2020, "You Only Train Once"); U, V and A are low-rank adapters on the preference, as
    in PaLoRA (Dimitriadis et al., 2024). Both fold into the weights, so that `at` gives an ordinary
    ranker of the trunk's architecture, as fast as any.

    Train it on a new preference a step (`stratified_preferences`), with a scalarisation at that
    preference, such as `mtl_optim.SmoothChebyshev`.

    Args:
        trunk: The ranker; it is made part of this one, and trained with it.
        num_tasks: Entries of a preference.
        code: Width of c.
        rank: Of the adapters; 0 leaves FiLM alone.
        generator: Draws the initial weights; None takes torch's default generator.

    Raises:
        ValueError: For a size that is too small, or a trunk without linear layers.
        TypeError: For a size that is no int.

    Examples:
        >>> from mtl2r_models import MLPScorer
        >>> model = PreferenceConditioned(MLPScorer(5, hidden=(8,)), num_tasks=2).eval()
        >>> features = torch.ones(1, 3, 5)
        >>> model(features, preference=(0.3, 0.7)).shape
        torch.Size([1, 3])
        >>> ranker = model.at((0.3, 0.7))
        >>> type(ranker).__name__
        'MLPScorer'
        >>> bool(torch.equal(ranker(features), model(features, preference=(0.3, 0.7))))
        True
    """

    def __init__(
        self,
        trunk: Scorer,
        num_tasks: int,
        *,
        code: int = 8,
        rank: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_sizes(num_tasks=num_tasks, code=code, rank=rank or 1)
        layers = {name: m for name, m in trunk.named_modules() if isinstance(m, nn.Linear)}
        layers = {name: layer for name, layer in layers.items() if layer.bias is not None}
        if not layers:
            raise ValueError("`trunk` must have linear layers with biases, got none")
        self.num_tasks = num_tasks
        self.trunk = trunk
        self.code = nn.Linear(num_tasks, code)
        self.names = list(layers)
        self.modulations = nn.ModuleList(_Modulation(m, code, rank) for m in layers.values())
        nn.init.normal_(self.code.weight, generator=generator)
        nn.init.zeros_(self.code.bias)
        for modulation in self.modulations:
            assert isinstance(modulation, _Modulation)  # noqa: S101 - made above
            modulation.reset_parameters(generator)

    def forward(
        self,
        features: Tensor,
        mask: Tensor | None = None,
        *,
        preference: Sequence[float] | Tensor,
    ) -> Tensor:
        """Scores at a preference.

        Args:
            features: (batch, list, feature).
            mask: (batch, list) bool, True at a document; None where there is no padding.
            preference: (task,), on the simplex.

        Raises:
            ValueError: For a preference of another length or not on the simplex.
        """
        weights = self._weights(preference)
        scores: Tensor = functional_call(self.trunk, weights, (features, mask))
        return scores

    @torch.no_grad()
    def at(self, preference: Sequence[float] | Tensor) -> Scorer:
        """The ranker of one preference, by itself: same architecture, no conditioning left.

        Raises:
            ValueError: For a preference of another length or not on the simplex.
        """
        ranker = copy.deepcopy(self.trunk)
        ranker.load_state_dict(self._weights(preference), strict=False)
        return ranker

    def _weights(self, preference: Sequence[float] | Tensor) -> dict[str, Tensor]:
        """The parameters of the trunk's linear layers at a preference, by name."""
        like = self.code.weight
        r = torch.as_tensor(preference, dtype=like.dtype, device=like.device)
        if r.shape != (self.num_tasks,):
            raise ValueError(
                f"`preference` must have {self.num_tasks} entries, got shape {tuple(r.shape)}"
            )
        if not bool((r >= 0).all()) or abs(float(r.sum()) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"`preference` must be from 0 and sum to 1, got {r.tolist()}")
        equal = torch.full_like(r, 1 / self.num_tasks)
        code = self.code(r).tanh() - self.code(equal).tanh()
        weights: dict[str, Tensor] = {}
        for name, modulation in zip(self.names, self.modulations, strict=True):
            layer: Any = self.trunk.get_submodule(name)
            weight, bias = modulation(layer.weight, layer.bias, code)
            weights |= {f"{name}.weight": weight, f"{name}.bias": bias}
        return weights


def stratified_preferences(
    count: int, num_tasks: int, *, margin: float = 0.0, generator: torch.Generator | None = None
) -> Tensor:
    """Random preferences that cover the simplex evenly, in random order.

    For two tasks the first entry is drawn once from each of `count` equal parts of
    [margin, 1 − margin]. For more, each entry's share of what is left is drawn in that way, so that
    the preferences are uniform on the simplex and each marginal is stratified.

    Args:
        count: How many.
        num_tasks: Entries of each.
        margin: The least entry.
        generator: Draws them; None takes torch's default generator.

    Returns:
        (count, task), each row on the simplex.

    Raises:
        ValueError: For a size below 1, or a margin outside [0, 1 / num_tasks).

    Examples:
        >>> rays = stratified_preferences(4, 2, generator=torch.Generator().manual_seed(0))
        >>> sorted((4 * rays[:, 0]).long().tolist())
        [0, 1, 2, 3]
    """
    check_sizes(count=count, num_tasks=num_tasks)
    if not 0 <= margin < 1 / num_tasks:
        raise ValueError(f"`margin` must be in [0, {1 / num_tasks:g}), got {margin}")
    left, columns = torch.ones(count), []
    for k in range(num_tasks - 1):
        strata = torch.randperm(count, generator=generator)
        levels = (strata + torch.rand(count, generator=generator)) / count
        # The share of the first of n entries, uniform on the simplex, is Beta(1, n - 1).
        share = 1 - (1 - levels) ** (1 / (num_tasks - 1 - k))
        columns.append(left * share)
        left = left - columns[-1]
    rays = torch.stack([*columns, left], dim=1)
    return margin + (1 - num_tasks * margin) * rays
