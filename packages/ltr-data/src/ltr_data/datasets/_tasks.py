"""Label specifications and inputs from the names of tasks."""

from collections.abc import Collection, Sequence
from types import MappingProxyType

from .._checks import did_you_mean
from ..labels._spec import LabelSpec
from . import mslr

_FEATURE = "feature:"


def resolve_tasks(
    names: Sequence[str], feature_ids: Collection[int], *, preset: str = "paper"
) -> tuple[LabelSpec, ...]:
    """Make label specifications of task names.

    With MSLR's 136 features the names are relevance, quality, quality2, click, url_click, dwell,
    and the paper's 131, 132, 133, 135 as aliases (`ltr_data.datasets.mslr` says why they need
    care). Other data have relevance. In all data ``feature:<id>`` is the value of a column.

    Args:
        names: One or more, all different.
        feature_ids: The columns of the data.
        preset: Which columns are removed from the inputs of MSLR-shaped data: "paper", "strict" or
            "all".

    Returns:
        One specification per name, in the same order, named by the true name.

    Raises:
        ValueError: A name is unknown, occurs twice, or names a column that the data do not have;
            there are no names; the preset is unknown.

    Examples:
        >>> [(s.name, s.source) for s in resolve_tasks(["relevance", "133"], range(1, 137))]
        [('relevance', 'label'), ('click', 134)]
        >>> resolve_tasks(["clicks"], range(1, 137))
        Traceback (most recent call last):
        ValueError: `names` has the unknown task 'clicks', did you mean 'click'? Known are
        relevance, quality, quality2, click, url_click, dwell, 131, 132, 133, 135, feature:<id>
    """
    if not names:
        raise ValueError("`names` must hold at least one task, got none")
    known, aliases = mslr.tasks(preset), mslr.ALIASES
    if not is_mslr(feature_ids):
        known, aliases = {"relevance": LabelSpec("relevance")}, MappingProxyType({})
    specs = []
    for name in names:
        true_name = aliases.get(name, name)
        if true_name in known:
            specs.append(known[true_name])
        elif name.startswith(_FEATURE):
            specs.append(_feature_task(name, feature_ids, preset))
        else:
            choices = [*known, *aliases]
            hint = did_you_mean(name, choices, cutoff=0.5)
            raise ValueError(
                f"`names` has the unknown task {name!r}{hint or '.'} "
                f"Known are {', '.join(choices)}, {_FEATURE}<id>"
            )
    for position, spec in enumerate(specs):
        if any(other.name == spec.name for other in specs[:position]):
            raise ValueError(f"`names` must be different tasks, got {spec.name!r} twice")
    return tuple(specs)


def resolve_inputs(
    preset: str, labels: Collection[LabelSpec], feature_ids: Collection[int]
) -> tuple[int, ...]:
    """Select the features to rank by: none of the tasks or, in MSLR-shaped data, of the preset.

    Args:
        preset: "paper", "strict" or "all"; without effect on data of another shape.
        labels: The tasks' specifications.
        feature_ids: The columns of the data.

    Returns:
        Feature numbers, in the order of `feature_ids`.

    Raises:
        ValueError: The preset is unknown.

    Examples:
        >>> len(resolve_inputs("paper", resolve_tasks(["click"], range(1, 137)), range(1, 137)))
        132
        >>> resolve_inputs("paper", [LabelSpec("feature:2", source=2)], [1, 2, 3])
        (1, 3)
    """
    kept = set(mslr.inputs(labels, preset))
    if is_mslr(feature_ids):
        return tuple(f for f in feature_ids if f in kept)
    excluded = {feature_id for spec in labels for feature_id in spec.excluded}
    return tuple(f for f in feature_ids if f not in excluded)


def is_mslr(feature_ids: Collection[int]) -> bool:
    """Return whether the columns are those of MSLR, by their number."""
    return set(feature_ids) == set(range(1, mslr.NUM_FEATURES + 1))


def _feature_task(name: str, feature_ids: Collection[int], preset: str) -> LabelSpec:
    text = name.removeprefix(_FEATURE)
    if not (text.isascii() and text.isdigit() and int(text) in feature_ids):
        raise ValueError(
            f"`names` must have feature:<id> with one of the data's {len(feature_ids)} features, "
            f"got {name!r}"
        )
    dropped = mslr.PRESETS[preset] if is_mslr(feature_ids) else ()
    source = int(text)
    return LabelSpec(
        f"{_FEATURE}{source}", source, correlates=tuple(f for f in dropped if f != source)
    )
