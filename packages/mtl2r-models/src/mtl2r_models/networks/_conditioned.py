"""One ranker for a whole Pareto front: its weights are a function of the preference."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..checks import as_options, check_number, check_sizes, nearest
from . import CLASSES
from ._network import Network
from ._scorer import Scorer

_SUM_TOLERANCE = 1e-4


class _Modulation(nn.Module):
    """A linear layer's dependence on the preference: FiLM on its outputs, a low-rank adapter."""

    def __init__(self, layer: nn.Module, code: int, rank: int) -> None:
        super().__init__()
        assert isinstance(layer, nn.Linear)  # noqa: S101 - chosen so
        out, into = layer.weight.shape
        self.scale = nn.Parameter(torch.empty(out, code))
        self.shift = nn.Parameter(torch.empty(out, code))
        self.gate = nn.Parameter(torch.empty(rank, code))
        self.up = nn.Parameter(torch.empty(out, rank))
        self.down = nn.Parameter(torch.empty(rank, into))

    def reset_parameters(self, generator: torch.Generator | None) -> None:
        """Draw what need not be 0; the preference changes nothing yet."""
        for parameter in (self.scale, self.shift, self.up):
            nn.init.zeros_(parameter)
        for parameter in (self.gate, self.down):
            if parameter.numel():
                nn.init.xavier_uniform_(parameter, generator=generator)

    def forward(self, weight: Tensor, bias: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's weight and bias at a code of the preference."""
        scale = 1 + self.scale @ code
        adapted = weight + (self.up * (self.gate @ code)) @ self.down
        return scale[:, None] * adapted, scale * bias + self.shift @ code


class PreferenceConditioned(Scorer):
    r"""A ranker whose linear layers, except the tasks' own heads, depend on the preference.

        W(r) = diag(γ) (W + U diag(A c) V),   b(r) = γ ⊙ b + B c,   γ = 1 + Γ c

    with the code c = tanh(P r + p) − tanh(P r̄ + p) of the preference r, which is 0
    at the equal preference r̄: there the ranker is its trunk. γ and Bc are feature-wise linear
    modulation (FiLM, Perez et al., 2018), as in conditioned Pareto models (Dosovitskiy and
    Djolonga, 2020, "You Only Train Once"); U, V and A are low-rank adapters on the preference, as
    in PaLoRA (Dimitriadis et al., 2024). Both fold into the weights, so that `at` gives an ordinary
    ranker of the trunk's architecture, as fast as any.

    It scores at its `preference`, a buffer that `prefer` sets and that is saved with it. Train it
    at a new preference every step (`stratified_preferences`), with a scalarisation at that
    preference such as `mtl_optim.SmoothChebyshev`. The losses must have like units (its
    ``average``), and μ must be above the noise of a batch's losses: otherwise most preferences
    train one task alone.

    Args:
        num_features: Inputs per document.
        trunk: The ranker to be conditioned: its ``architecture``, the name of a class in
            `ARCHITECTURES`, and the options of its constructor.
        preferences: Number of entries of a preference.
        code: Width of the code c.
        rank: Rank of the adapters; 0 leaves FiLM alone.
        num_tasks: This many scores, one per task; None for one score that all tasks share.
        generator: Draws the initial weights; None takes torch's default generator.

    Attributes:
        preference: (preferences,) at which it scores; equal at the start.

    Raises:
        ValueError: For an unknown architecture or a size that is too small.
        TypeError: For a size that is not an int, or an unknown argument.

    Examples:
        >>> trunk = {"architecture": "MLPScorer", "hidden": [8]}
        >>> model = PreferenceConditioned(5, trunk=trunk, preferences=2).eval()
        >>> features = torch.ones(1, 3, 5)
        >>> ranker = model.at((0.3, 0.7))
        >>> type(ranker).__name__
        'MLPScorer'
        >>> model.prefer((0.3, 0.7))
        >>> bool(torch.equal(ranker(features), model(features)))
        True
    """

    preference: Tensor

    def __init__(
        self,
        num_features: int,
        *,
        trunk: Mapping[str, Any],
        preferences: int,
        code: int = 8,
        rank: int = 1,
        num_tasks: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        check_sizes(preferences=preferences, code=code)
        check_sizes(0, rank=rank)
        options = as_options("trunk", trunk)
        super().__init__(num_features, num_tasks)
        architecture = options.pop("architecture", None)
        if not isinstance(architecture, str) or architecture not in CLASSES:
            raise ValueError(
                f"`trunk` must have an `architecture` of {', '.join(CLASSES)}, "
                f"got {architecture!r}{nearest(architecture, CLASSES)}"
            )
        for name in ("num_features", "num_tasks", "generator"):
            if name in options:
                raise TypeError(
                    f"`{name}` must be an argument beside `trunk`, got {options[name]!r} in `trunk`"
                )
        self.trunk = CLASSES[architecture](
            num_features, num_tasks=num_tasks, generator=generator, **options
        )
        self.register_buffer("preference", torch.full((preferences,), 1 / preferences))
        self.code = nn.Linear(preferences, code)
        own = {id(parameter) for parameter in self.trunk.task_parameters()}
        self.names = [
            name
            for name, layer in self.trunk.named_modules()
            if isinstance(layer, nn.Linear) and layer.bias is not None and id(layer.bias) not in own
        ]
        layers = [self.trunk.get_submodule(name) for name in self.names]
        self.modulations = nn.ModuleList(_Modulation(layer, code, rank) for layer in layers)
        self._caller = [_Caller(self.trunk)]  # in a list: the trunk is this module's child already

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the trunk's weights, the codes and the adapters; the preference changes nothing."""
        self.trunk.reset_parameters(generator)
        nn.init.normal_(self.code.weight, generator=generator)
        nn.init.zeros_(self.code.bias)
        for modulation in self.modulations:
            assert isinstance(modulation, _Modulation)  # noqa: S101 - made above
            modulation.reset_parameters(generator)

    def fit_features(self, features: Tensor) -> None:
        """Fit the trunk's feature layers to training documents, before the training."""
        self.trunk.fit_features(features)

    @torch.no_grad()
    def prefer(self, preference: Sequence[float] | Tensor) -> None:
        """Score at this preference from now on.

        Raises:
            ValueError: For a preference of another length or not on the simplex.
            TypeError: For one that is not numbers.
        """
        try:
            r = torch.as_tensor(preference, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"`preference` must be numbers, got {preference!r}") from error
        if r.shape != self.preference.shape:
            raise ValueError(
                f"`preference` must have {len(self.preference)} entries, got shape {tuple(r.shape)}"
            )
        if not bool((r >= 0).all()) or abs(float(r.sum()) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"`preference` must be non-negative and sum to 1, got {r.tolist()}")
        self.preference.copy_(r)

    @torch.no_grad()
    def at(self, preference: Sequence[float] | Tensor) -> Network:
        """Return the ranker of one preference: the trunk's architecture, without conditioning.

        It raises what `prefer` raises.
        """
        before = self.preference.clone()
        self.prefer(preference)
        ranker = copy.deepcopy(self.trunk)
        ranker.load_state_dict(self._weights(), strict=False)
        self.preference.copy_(before)
        return ranker

    def encode(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the trunk's hidden states at the preference, see `Scorer.encode`."""
        return self._call("encode", features, mask)

    def score(self, hidden: Tensor) -> Tensor:
        """Return the trunk's scores at the preference, see `Scorer.score`."""
        return self._call("score", hidden)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return scores (batch, list) or (task, batch, list) at the preference."""
        return self._call("forward", features, mask)

    def task_parameters(self, task: int | None = None) -> Iterator[nn.Parameter]:
        """Return the parameters of the trunk's heads, where each task has one."""
        return self.trunk.task_parameters(task)

    def _call(self, method: str, *arguments: Tensor | None) -> Tensor:
        weights = {f"scorer.{name}": tensor for name, tensor in self._weights().items()}
        result: Tensor = functional_call(self._caller[0], weights, (method, *arguments))
        return result

    def _weights(self) -> dict[str, Tensor]:
        """Return the parameters of the trunk's linear layers at the preference, by name."""
        equal = torch.full_like(self.preference, 1 / len(self.preference))
        code = self.code(self.preference).tanh() - self.code(equal).tanh()
        weights: dict[str, Tensor] = {}
        for name, modulation in zip(self.names, self.modulations, strict=True):
            layer: Any = self.trunk.get_submodule(name)
            weight, bias = modulation(layer.weight, layer.bias, code)
            weights |= {f"{name}.weight": weight, f"{name}.bias": bias}
        return weights


class _Caller(nn.Module):
    """A scorer's methods as one `forward`, which `functional_call` needs."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, method: str, *arguments: Tensor | None) -> Tensor:
        result: Tensor = getattr(self.scorer, method)(*arguments)
        return result


def stratified_preferences(
    count: int, num_tasks: int, *, margin: float = 0.0, generator: torch.Generator | None = None
) -> Tensor:
    """Return random preferences that cover the simplex evenly, in random order.

    For two tasks the first entry is drawn once from each of `count` equal parts of
    [margin, 1 − margin]. For more, each entry's share of the remainder is drawn like that, so that
    the preferences are uniform on the simplex and each marginal is stratified.

    Args:
        count: Number of preferences.
        num_tasks: Number of entries of each.
        margin: Smallest entry.
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
    check_number("margin", margin)
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
