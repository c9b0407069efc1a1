"""The columns of MSLR-WEB10K and MSLR-WEB30K that can be labels, by their true names.

Six columns are about the page and its visitors rather than the match of query and text, and serve
as labels of further tasks. Feature numbers are 1-based, as in the file and in the data set's own
list (Microsoft Research, https://www.microsoft.com/en-us/research/project/mslr/).

========= ============================ ========= ================================================
feature   name in the list             task      remark
========= ============================ ========= ================================================
(label)   relevance judgement          relevance grades 0 to 4
132       QualityScore                 quality   1 to 254, inverted: see below
133       QualityScore2                quality2  1 to 254, inverted: see below
134       query-url click count        click     zero for 96 % of the documents
135       url click count              url_click zero for 73 %
136       url dwell time               dwell     zero for 73 %; follows 135 (rank correlation .98)
========= ============================ ========= ================================================

**Quality is inverted.** The list calls both columns the output of a web page quality classifier and
says of 133 that it measures the badness of the page. In 71 queries of WEB10K/WEB30K (7,222
documents) the mean rank correlation within a query of 132 with 133 is +.47 (standard error .02), so
132 measures badness too; both fall as SiteRank rises (−.28 and −.43); with relevance 133 has −.06
(.02) and 132 has .00 (.02). Both are highly skewed, half of the pages at 7 or less, as the scores
of a detector of bad pages are. So both labels here are grades of 255 − value: more is better.

**Other numbers.** A paper on multi-task ranking (DeepMTL2R, arXiv 2602.14519) counts columns from 0
and calls its tasks 131 "Click", 132 "Dwell", 133 "QS" and 135 "QS2". By the list these are
`quality`, `quality2`, `click` and `dwell`. `ALIASES` takes the paper's numbers to the true columns.
"""

from collections.abc import Collection
from types import MappingProxyType

from .._checks import check_name
from ..labels._spec import LabelSpec
from ..labels._transforms import Compose, Identity, Invert, LabelTransform, QuantileGrades

NUM_FEATURES = 136

#: Names of the columns from 126; those before are five text streams × 25 statistics of the match.
COLUMN_NAMES = MappingProxyType(
    {
        126: "number of slashes in URL",
        127: "length of URL",
        128: "inlink number",
        129: "outlink number",
        130: "PageRank",
        131: "SiteRank",
        132: "QualityScore",
        133: "QualityScore2",
        134: "query-url click count",
        135: "url click count",
        136: "url dwell time",
    }
)

#: Features that the paper removes from the inputs for all tasks.
PAPER_DROPPED = (132, 133, 134, 136)
#: The same and the url click count, which leaks 134 and 136.
STRICT_DROPPED = (132, 133, 134, 135, 136)

#: The paper's task numbers (columns counted from 0) to true names.
ALIASES = MappingProxyType({"131": "quality", "132": "quality2", "133": "click", "135": "dwell"})

PRESETS = MappingProxyType({"paper": PAPER_DROPPED, "strict": STRICT_DROPPED, "all": ()})

# Grade 0 means "no click"; every page has a quality, so its grades are equally large.
_INVERTED_GRADES = Compose(Invert(255), QuantileGrades(levels=5, separate_minimum=False))
_COUNT_GRADES = QuantileGrades(levels=5)
_SOURCES: dict[str, tuple[int | None, LabelTransform]] = {
    "relevance": (None, Identity()),
    "quality": (132, _INVERTED_GRADES),
    "quality2": (133, _INVERTED_GRADES),
    "click": (134, _COUNT_GRADES),
    "url_click": (135, _COUNT_GRADES),
    "dwell": (136, _COUNT_GRADES),
}

TASKS = tuple(_SOURCES)


def tasks(preset: str = "paper") -> dict[str, LabelSpec]:
    """Make label specifications of all six tasks; each gives grades 0 to 4.

    Args:
        preset: Which features each task removes from the inputs besides its own source: "paper"
            132, 133, 134, 136; "strict" 135 too; "all" none.

    Returns:
        Name to specification. The preset's columns are the specification's correlates, so that
        ``RankingDataset.from_table(table, labels)`` has the right inputs and rejects others.

    Raises:
        ValueError: The preset is unknown.

    Examples:
        >>> tasks()["click"].source, tasks("strict")["click"].excluded
        (134, (132, 133, 134, 135, 136))
    """
    dropped = _dropped(preset)
    return {
        name: LabelSpec(
            name,
            source="label" if source is None else source,
            transform=transform,
            correlates=tuple(feature_id for feature_id in dropped if feature_id != source),
        )
        for name, (source, transform) in _SOURCES.items()
    }


def inputs(labels: Collection[LabelSpec] = (), preset: str = "paper") -> tuple[int, ...]:
    """Select the features to rank by: all but those of the preset and of the labels.

    Args:
        labels: The tasks' specifications.
        preset: As in `tasks`.

    Returns:
        Feature numbers, ascending.

    Raises:
        ValueError: The preset is unknown.

    Examples:
        >>> len(inputs()), len(inputs(preset="strict")), len(inputs(preset="all"))
        (132, 131, 136)
    """
    excluded = set(_dropped(preset)).union(*(spec.excluded for spec in labels))
    return tuple(f for f in range(1, NUM_FEATURES + 1) if f not in excluded)


def _dropped(preset: str) -> tuple[int, ...]:
    check_name("preset", preset, PRESETS)
    return PRESETS[preset]
