"""The functions of `synthetic`: utilities, columns and labels of documents."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Array32 = npt.NDArray[np.float32]

TASKS = ("relevance", "quality", "quality2", "click", "dwell")
RELEVANCE_SHARES = (0.515, 0.325, 0.134, 0.018, 0.008)

#: Default correlations of the utilities, in the order of `TASKS`.
CORRELATION = (
    (1.0, -0.6, -0.2, 0.5, 0.3),
    (-0.6, 1.0, 0.4, -0.3, -0.1),
    (-0.2, 0.4, 1.0, -0.1, 0.1),
    (0.5, -0.3, -0.1, 1.0, 0.6),
    (0.3, -0.1, 0.1, 0.6, 1.0),
)

#: What is stored of the columns of a family, by their hidden values and the queries' shifts.
_FUNCTIONS: dict[str, Callable[[Array32, Array32], Any]] = {
    "count": lambda x, shift: np.floor(np.exp(1 + 0.8 * x)),
    "ratio": lambda x, shift: 1 / (1 + np.exp(-1.2 * x)),
    "length": lambda x, shift: np.floor(np.exp(5 + 1.2 * x)),
    "heavy": lambda x, shift: np.exp(1.5 * x),
    "flag": lambda x, shift: x > 0,
    "bm25": lambda x, shift: 8 + 6 * x,
    "idf": lambda x, shift: 10 + 2 * shift,
    "loglikelihood": lambda x, shift: -14 + 4 * x,
}
FAMILIES = tuple(_FUNCTIONS)

NUM_LABEL_COLUMNS = 5
_FACTORS_PER_TASK = 3
NUM_FACTORS = len(TASKS) * _FACTORS_PER_TASK
_CONSTANT_EVERY = 40
_CALIBRATION_ROWS = 200_000


def square_root(correlation: npt.ArrayLike) -> Array:
    """Return the symmetric square root, which exists for a singular matrix too."""
    matrix = np.asarray(correlation, dtype=np.float64)
    shape = (len(TASKS), len(TASKS))
    if matrix.shape != shape or not np.isfinite(matrix).all():
        raise ValueError(
            f"`correlation` must be a finite matrix of shape {shape}, got {matrix.shape}"
        )
    if not np.allclose(matrix, matrix.T) or not np.allclose(np.diag(matrix), 1):
        raise ValueError("`correlation` must be symmetric with ones on its diagonal")
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -1e-9:
        raise ValueError(
            f"`correlation` must be positive semi-definite, got an eigenvalue of {values[0]:.3g}"
        )
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def draw_documents(
    generator: np.random.Generator, num_rows: int, mixing: Array, noise: float
) -> tuple[Array32, Array]:
    """Draw (document, factor) factors and (document, task + 1) utilities, url clicks last."""
    factors = generator.standard_normal((num_rows, NUM_FACTORS), dtype=np.float32)
    z1, z2, z3 = (factors[:, i::_FACTORS_PER_TASK] for i in range(_FACTORS_PER_TASK))
    known = 0.7 * z1 + 0.5 * z2 + 0.4 * (z3**2 - 1) / np.sqrt(2) + np.sqrt(0.1) * z1 * z2
    unknown = generator.standard_normal((num_rows, len(TASKS)))
    utilities = (np.sqrt(1 - noise) * known + np.sqrt(noise) * unknown) @ mixing
    url_click = utilities[:, 3:].mean(axis=1) + 0.2 * generator.standard_normal(num_rows)
    return factors, np.column_stack((utilities, url_click))


@functools.lru_cache(maxsize=8)
def utility_quantiles(mixing: tuple[tuple[float, ...], ...], noise: float) -> Array:
    """Estimate (task + 1, 1001) quantiles of the utilities from one sample, for all seeds."""
    generator = np.random.default_rng(0)
    _, utilities = draw_documents(generator, _CALIBRATION_ROWS, np.array(mixing), noise)
    quantiles: Array = np.quantile(utilities, np.linspace(0, 1, 1001), axis=0).T
    return quantiles


def feature_columns(generator: np.random.Generator, factors: Array32, shift: Array32) -> Array32:
    """Make (document, input) columns from factors and the queries' shifts."""
    x = _triangular(generator, shift.shape, deviation=np.sqrt(1 - 0.75**2 - 0.4**2))
    x += np.float32(0.4) * shift
    x += (np.float32(0.75) * factors).take(np.arange(x.shape[1]) % NUM_FACTORS, axis=1)
    for position, function in enumerate(_FUNCTIONS.values()):
        columns = (slice(None), slice(position, None, len(_FUNCTIONS)))
        x[columns] = function(x[columns], shift[columns])
    x[:, _CONSTANT_EVERY - 1 :: _CONSTANT_EVERY] = 0
    return x


def _triangular(
    generator: np.random.Generator, shape: tuple[int, ...], deviation: float
) -> Array32:
    """Draw centred numbers of triangular density: sums of two uniform numbers of 16 bits.

    A document has 131 of them; normal ones would take more time than the rest together.
    """
    count = int(np.prod(shape))
    words = generator.integers(0, 2**64, (count + 1) // 2, dtype=np.uint64)
    bits = words.view(np.uint32)[:count].reshape(shape)
    total = bits >> np.uint32(16)
    bits &= np.uint32(0xFFFF)
    total += bits
    numbers = total.astype(np.float32)
    numbers -= np.float32(2**16 - 1)
    numbers *= np.float32(deviation * np.sqrt(6) / 2**16)
    return numbers


def label_columns(utilities: Array, quantiles: Array) -> tuple[Array32, Array32]:
    """Make (document,) relevance and (document, 5) label columns from utilities."""
    grid = np.linspace(0, 1, quantiles.shape[1])
    p = [np.interp(u, q, grid) for u, q in zip(utilities.T, quantiles, strict=True)]
    relevance, quality, quality2, click, dwell, url_click = p
    grades = np.searchsorted(np.cumsum(RELEVANCE_SHARES[:-1]), relevance, side="right")
    columns = [
        np.rint(1 + 253 * (1 - quality) ** 4),
        np.rint(1 + 253 * (1 - quality2) ** 4),
        np.ceil(_tail(click, zeros=0.96)),
        np.ceil(_tail(url_click, zeros=0.73)),
        np.round(2 * _tail(dwell, zeros=0.735), 1),
    ]
    return grades.astype(np.float32), np.stack(columns, axis=1).astype(np.float32)


def _tail(p: Array, zeros: float) -> Array:
    """Return 0 up to the quantile `zeros`, then a Pareto-like tail up to some thousands."""
    t = np.clip((p - zeros) / (1 - zeros), 0, 1)
    return t / (1.0003 - t)
