r"""Ranking data of MSLR-WEB30K's shape, of any size, whose tasks conflict by a stated amount.

**Tasks.** Five utilities u of a document, in the order of `TASKS`, have unit variance and the
correlation matrix R (`CORRELATION` unless given):

    u = R^½ (√(1 − noise) g + √noise e),   e ~ N(0, I)

g is what the features can explain: five independent functions of three factors z ~ N(0, 1) each,
g_k = .7 z_1 + .5 z_2 + .4 (z_3² − 1)/√2 + √.1 z_1 z_2, mostly linear, of unit variance. Positive
entries of R are tasks that agree, negative ones conflict: relevance and quality at −.6 strongly,
relevance and click at +.5 agree in part.

**Labels** are rising functions of a utility's quantile p. Relevance has grades 0 to 4 in WEB30K's
shares (.515 .325 .134 .018 .008). The other labels are the last five columns, 132 to 136 of 136, as
in MSLR, so that `ltr_data.datasets.mslr.tasks` reads them: quality and quality2 inverted, as
1 + 253 (1 − p)⁴; clicks, zero for 96 %, heavy-tailed; url clicks, zero for 73 %, from the mean of
the utilities of click and dwell plus noise; dwell times, zero for 73.5 %, heavy-tailed.

**Features.** Column j shows factor (j − 1) mod 15, blurred by noise and a shift of the whole query:
x = .75 z + .4 query + .527 noise, the noise of triangular density. The factor's task is (factor
div 3). What is stored is a function of x, by (j − 1) mod 8 of `FAMILIES`: small counts, ratios in
(0, 1), lengths in the hundreds, heavy tails, flags, BM25-like and negative log-likelihood-like
numbers, and an IDF that is the query's shift alone. Every 40th column is constant.

**List lengths** are gamma-distributed with shape 2.6 (mean 120, standard deviation 74, 99th
percentile about 350), at least 1.

The functions are the same for all seeds; a seed chooses queries and documents. Each two thousand
documents have a random generator of their own, so that processors share the work; the data do not
depend on how many there are.
"""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from .._checks import check_at_least
from .._table import RankingTable
from ._synthetic_model import (
    CORRELATION,
    FAMILIES,
    NUM_FACTORS,
    NUM_LABEL_COLUMNS,
    RELEVANCE_SHARES,
    TASKS,
    draw_documents,
    feature_columns,
    label_columns,
    square_root,
    utility_quantiles,
)

__all__ = ["CORRELATION", "FAMILIES", "RELEVANCE_SHARES", "TASKS", "generate", "splits"]

_MIN_FEATURES = 2 * NUM_FACTORS + NUM_LABEL_COLUMNS
_LENGTH_SHAPE = 2.6
_CHUNK_ROWS = 2_048  # the arrays of more rows do not fit the processor's cache
_MOST_THREADS = 16


def generate(
    num_queries: int,
    *,
    seed: int | np.random.SeedSequence,
    num_features: int = 136,
    mean_length: float = 120.0,
    correlation: npt.ArrayLike = CORRELATION,
    noise: float = 0.2,
) -> RankingTable:
    """Generate queries with documents, features and five tasks, as the module describes.

    Args:
        num_queries: Number of lists.
        seed: Chooses the data; equal arguments give equal data.
        num_features: Number of columns, at least 35; the last five hold the labels.
        mean_length: Mean number of documents of a list, at least 1.
        correlation: (task, task) correlations of the utilities.
        noise: Share of a utility's variance that the features do not explain, in [0, 1].

    Returns:
        The table, as `read_svmrank` would read it from a file.

    Raises:
        ValueError: An argument is out of its range, or `correlation` is no correlation matrix
            (symmetric, unit diagonal, positive semi-definite).

    Examples:
        >>> table = generate(20, seed=0)
        >>> table.features.shape[1], table.num_queries
        (136, 20)
        >>> sorted(set(table.labels.tolist()))
        [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    check_at_least(1, num_queries=num_queries, mean_length=mean_length)
    check_at_least(_MIN_FEATURES, num_features=num_features)
    if not 0 <= noise <= 1:
        raise ValueError(f"`noise` must be in [0, 1], got {noise}")
    mixing = square_root(correlation)
    quantiles = utility_quantiles(tuple(map(tuple, mixing.tolist())), noise)

    seeds = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    generator = np.random.default_rng(seeds)
    gamma = generator.gamma(_LENGTH_SHAPE, mean_length / _LENGTH_SHAPE, num_queries)
    lengths = np.maximum(np.rint(gamma), 1).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    num_inputs = num_features - NUM_LABEL_COLUMNS
    shifts = generator.standard_normal((num_queries, num_inputs), dtype=np.float32)
    queries = np.repeat(np.arange(num_queries), lengths)
    features = np.empty((len(queries), num_features), dtype=np.float32)
    labels = np.empty(len(queries), dtype=np.float32)

    def fill(start: int, chunk_seed: np.random.SeedSequence) -> None:
        own = np.random.Generator(np.random.SFC64(chunk_seed))  # the fastest
        rows = slice(start, start + _CHUNK_ROWS)
        shift = shifts[queries[rows]]
        factors, utilities = draw_documents(own, len(shift), mixing, noise)
        features[rows, :num_inputs] = feature_columns(own, factors, shift)
        labels[rows], features[rows, num_inputs:] = label_columns(utilities, quantiles)

    starts = range(0, len(queries), _CHUNK_ROWS)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as executor:
        list(
            executor.map(fill, starts, seeds.spawn(len(starts)))
        )  # the list raises the threads' errors
    return RankingTable(
        features=features,
        feature_ids=tuple(range(1, num_features + 1)),
        labels=labels,
        offsets=offsets,
        query_ids=tuple(map(str, range(1, num_queries + 1))),
    )


def splits(
    num_queries: Sequence[int],
    *,
    seed: int,
    num_features: int = 136,
    mean_length: float = 120.0,
    correlation: npt.ArrayLike = CORRELATION,
    noise: float = 0.2,
) -> dict[str, RankingTable]:
    """Generate train, vali and test from the same functions, with queries of their own.

    Args:
        num_queries: Numbers of lists of train, vali and test.
        seed: As in `generate`.
        num_features: As in `generate`.
        mean_length: As in `generate`.
        correlation: As in `generate`.
        noise: As in `generate`.

    Returns:
        Split to table; a query id is in one split only.

    Raises:
        ValueError: `num_queries` are not three numbers, or another argument is wrong.

    Examples:
        >>> {name: table.num_queries for name, table in splits((6, 2, 2), seed=0).items()}
        {'train': 6, 'vali': 2, 'test': 2}
    """
    names = ("train", "vali", "test")
    if len(num_queries) != len(names):
        raise ValueError(f"`num_queries` must be three numbers, for {names}, got {num_queries}")
    tables, first_id = {}, 1
    for split, (name, count) in enumerate(zip(names, num_queries, strict=True)):
        table = generate(
            count,
            seed=np.random.SeedSequence([seed, split]),
            num_features=num_features,
            mean_length=mean_length,
            correlation=correlation,
            noise=noise,
        )
        query_ids = tuple(map(str, range(first_id, first_id + count)))
        tables[name] = dataclasses.replace(table, query_ids=query_ids)
        first_id += count
    return tables
