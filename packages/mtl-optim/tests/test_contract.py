"""Every method keeps the contract of `mtl_optim.testing`; a method joins by one line."""

import pytest

from mtl_optim import (
    EPO,
    FAMO,
    IMTLG,
    MGDA,
    WCMGDA,
    CAGrad,
    DynamicWeightAverage,
    EpsilonConstraint,
    LinearScalarization,
    LogLosses,
    NashMTL,
    PCGrad,
    RandomLossWeighting,
    ScaleInvariantScalarization,
    SDMGrad,
    SmoothChebyshev,
    UncertaintyWeighting,
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
    "UncertaintyWeighting": Case(lambda K: UncertaintyWeighting(K)),
    "FAMO": Case(lambda K: FAMO(K)),
    "EpsilonConstraint": Case(
        lambda K: EpsilonConstraint(main=K - 1, bounds={} if K == 1 else {0: 0.1}),
        ordered=True,
    ),
    "MGDA": Case(lambda K: MGDA()),
    "MGDA(norm)": Case(lambda K: MGDA("norm")),
    "MGDA(loss)": Case(lambda K: MGDA("loss")),
    "MGDA(loss+)": Case(lambda K: MGDA("loss+")),
    "UPGrad": Case(lambda K: UPGrad()),
    "PCGrad": Case(lambda K: PCGrad(), random=True),
    "NashMTL": Case(lambda K: NashMTL(), degree=-1),
    "NashMTL(every 3)": Case(lambda K: NashMTL(update_every=3), degree=-1),
    "CAGrad": Case(lambda K: CAGrad()),
    "CAGrad(1+c)": Case(lambda K: CAGrad(0.9, rescale="1+c")),
    "IMTLG": Case(lambda K: IMTLG()),
    "SDMGrad": Case(lambda K: SDMGrad()),
    "EPO": Case(lambda K: EPO(uniform(K)), decades=6),
    "WCMGDA": Case(lambda K: WCMGDA(uniform(K)), degree=None),
    "LogLosses(MGDA)": Case(lambda K: LogLosses(MGDA())),
    "LogLosses(CAGrad)": Case(lambda K: LogLosses(CAGrad())),
    "LogLosses(IMTLG)": Case(lambda K: LogLosses(IMTLG(), keep_scale=True)),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_contract(case, check):
    check(case)
