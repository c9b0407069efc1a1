"""Every method keeps the contract of `mtl_optim.testing`; a method joins by one line."""

import pytest

from mtl_optim import (
    MGDA,
    DynamicWeightAverage,
    LinearScalarization,
    NashMTL,
    PCGrad,
    RandomLossWeighting,
    ScaleInvariantScalarization,
    SmoothChebyshev,
    UPGrad,
    WeightedChebyshev,
)
from mtl_optim.testing import CHECKS, Case


def uniform(tasks):
    return [1 / tasks] * tasks


CASES = {
    "LinearScalarization": Case(lambda K: LinearScalarization(uniform(K))),
    "WeightedChebyshev": Case(lambda K: WeightedChebyshev(uniform(K))),
    "ScaleInvariantScalarization": Case(lambda K: ScaleInvariantScalarization(uniform(K))),
    "SmoothChebyshev": Case(lambda K: SmoothChebyshev(uniform(K), mu=0.01)),
    "RandomLossWeighting": Case(lambda K: RandomLossWeighting(), random=True),
    "DynamicWeightAverage": Case(lambda K: DynamicWeightAverage()),
    "MGDA": Case(lambda K: MGDA()),
    "MGDA(norm)": Case(lambda K: MGDA("norm")),
    "MGDA(loss)": Case(lambda K: MGDA("loss")),
    "MGDA(loss+)": Case(lambda K: MGDA("loss+")),
    "UPGrad": Case(lambda K: UPGrad()),
    "PCGrad": Case(lambda K: PCGrad(), random=True),
    "NashMTL": Case(lambda K: NashMTL(), degree=-1),
    "NashMTL(every 3)": Case(lambda K: NashMTL(update_every=3), degree=-1),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_contract(case, check):
    check(case)
