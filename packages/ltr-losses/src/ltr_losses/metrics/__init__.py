"""Ranking metrics: higher is better unless the docstring says otherwise.

What their arguments have in common:

* `mask`: (..., list), bool, True at a real document. Padding, NaN included, changes nothing.
* `empty`: what a list with no relevant document is worth. "skip" leaves it out of the mean and the
  sum (under "none" it is NaN); 0.0 or 1.0 counts it with that value. A list with no document at all
  never counts.
* `ties`: "stable" leaves tied documents in the order of their index, "average" is the expectation
  over all their orders. Metrics without it are stable.
* `ranks`: (..., list), positions from 1 to take instead of those of the scores. Real numbers are
  allowed, and a gradient passes: `approx` and `bound` make losses of metrics by it.
* `k`: the last position that counts, any kind of integer. Several, as (1, 5, 10, 30), are one call
  and one sort, and give a leading axis. `cutoff` replaces "the rank is at most k" by what `approx`
  and `bound` take for it.
* `offsets`: (batch + 1,), of jagged rows. All other tensors are (..., documents) then, list after
  list without padding, list b from `offsets[b]` to `offsets[b + 1]`. They are repacked into a
  padded batch, with one device-to-host copy.
* `reduction`: over the batch axis alone, the one before the list: leading axes, such as that of the
  tasks, stay.

The result is NaN where a real document's score is NaN or its label or weight not finite, and so is
the mean of no list.
"""

from ._arp import arp
from ._average_precision import average_precision
from ._err import err
from ._exposure import exposure_gap
from ._hit_rate import hit_rate
from ._mrr import mrr
from ._ndcg import dcg, ndcg
from ._precision import precision
from ._rbp import rbp
from ._recall import recall

__all__ = [
    "arp",
    "average_precision",
    "dcg",
    "err",
    "exposure_gap",
    "hit_rate",
    "mrr",
    "ndcg",
    "precision",
    "rbp",
    "recall",
]
