"""Every method keeps the contract of `mtl_optim.testing`; a method joins by one line."""

import inspect

import pytest

import mtl_optim
from mtl_optim import (
    COSMOS,
    CRMOGM,
    DBMTL,
    EPO,
    FAMO,
    FERERO,
    IMTL,
    IMTLG,
    IMTLL,
    LDCMTL,
    MGDA,
    PBI,
    WCMGDA,
    AlignedMTL,
    CAGrad,
    ConFIG,
    Constant,
    DualProj,
    DynamicWeightAverage,
    EpsilonConstraint,
    FairGrad,
    GeometricLossStrategy,
    GO4Align,
    GradNorm,
    GradVac,
    GuardRails,
    LinearScalarization,
    LogLosses,
    Mean,
    MoCo,
    MoDo,
    MomentumConFIG,
    NashMTL,
    NormBalance,
    PCGrad,
    RandomLossWeighting,
    ReLoBRaLo,
    RescaledWeights,
    ScaleInvariantScalarization,
    SDMGrad,
    SmoothChebyshev,
    Sum,
    UncertaintyWeighting,
    UpdateEvery,
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
    "SmoothChebyshev(average)": Case(lambda K: SmoothChebyshev(uniform(K), mu=1.0, average=0.9)),
    "RandomLossWeighting": Case(lambda K: RandomLossWeighting(), random=True),
    "DynamicWeightAverage": Case(lambda K: DynamicWeightAverage()),
    "UncertaintyWeighting": Case(lambda K: UncertaintyWeighting(K)),
    "FAMO": Case(lambda K: FAMO(K)),
    "EpsilonConstraint": Case(
        lambda K: EpsilonConstraint(main=K - 1, bounds={} if K == 1 else {0: 0.1}), ordered=True
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
    "UPGrad(preference)": Case(lambda K: UPGrad(preference=uniform(K))),
    "DualProj(preference)": Case(lambda K: DualProj(preference=uniform(K))),
    "ConFIG(preference)": Case(lambda K: ConFIG(preference=uniform(K))),
    "AlignedMTL(preference)": Case(lambda K: AlignedMTL(preference=uniform(K))),
    "IMTLG": Case(lambda K: IMTLG()),
    "SDMGrad": Case(lambda K: SDMGrad()),
    "EPO": Case(lambda K: EPO(uniform(K)), decades=6),
    "WCMGDA": Case(lambda K: WCMGDA(uniform(K)), degree=None),
    "LogLosses(MGDA)": Case(lambda K: LogLosses(MGDA())),
    "LogLosses(CAGrad)": Case(lambda K: LogLosses(CAGrad())),
    "LogLosses(IMTLG)": Case(lambda K: LogLosses(IMTLG(), keep_scale=True)),
    "Constant": Case(lambda K: Constant(range(1, K + 1)), ordered=True),
    "Sum": Case(lambda K: Sum()),
    "Mean": Case(lambda K: Mean()),
    "GeometricLossStrategy": Case(lambda K: GeometricLossStrategy()),
    "IMTLL": Case(lambda K: IMTLL(K)),
    "PBI": Case(lambda K: PBI(uniform(K))),
    "AlignedMTL": Case(lambda K: AlignedMTL()),
    "AlignedMTL(median)": Case(lambda K: AlignedMTL("median")),
    "AlignedMTL(rmse)": Case(lambda K: AlignedMTL("rmse")),
    "ConFIG": Case(lambda K: ConFIG()),
    "DualProj": Case(lambda K: DualProj()),
    "FairGrad(1/2)": Case(lambda K: FairGrad(0.5), degree=-2 / 3, decades=6),
    "FairGrad(2)": Case(lambda K: FairGrad(2.0), degree=-4 / 3, decades=6),
    "GradNorm": Case(lambda K: GradNorm(K)),
    "GradVac": Case(lambda K: GradVac(0.5), random=True),
    "MoCo": Case(lambda K: MoCo()),
    "MoDo": Case(lambda K: MoDo()),
    "DBMTL": Case(lambda K: DBMTL(), decades=6),
    "MomentumConFIG": Case(lambda K: MomentumConFIG()),
    "IMTL": Case(lambda K: IMTL(K)),
    "COSMOS": Case(lambda K: COSMOS(uniform(K))),
    "FERERO": Case(lambda K: FERERO(uniform(K)), degree=None, decades=6),
    "GuardRails": Case(lambda K: GuardRails(main=K - 1), ordered=True),
    "GuardRails(floors)": Case(
        lambda K: GuardRails(main=K - 1, floors=dict.fromkeys(range(K - 1), 0.2)), ordered=True
    ),
    "GO4Align": Case(lambda K: GO4Align(step_size=0.1)),
    "LDCMTL": Case(lambda K: LDCMTL(K), ordered=True),
    "ReLoBRaLo": Case(lambda K: ReLoBRaLo(remember=0.5)),
    "NormBalance": Case(lambda K: NormBalance()),
    "CRMOGM(MGDA)": Case(lambda K: CRMOGM(MGDA())),
    "CRMOGM(FAMO)": Case(lambda K: CRMOGM(FAMO(K))),
    "RescaledWeights(PCGrad)": Case(lambda K: RescaledWeights(PCGrad()), random=True),
    "UpdateEvery(CAGrad)": Case(lambda K: UpdateEvery(CAGrad(), steps=2)),
}


# Methods that `weights(losses, gramian)` alone does not describe, and why.
EXEMPT = {
    "Method": "the base of all kinds, with no weights",
    "GradDrop": "combines the gradients themselves: it has no weights",
    "LearningRateAnnealing": "is shown the gradients by `track` before it has weights",
    "ExcessMTL": "is shown the gradients by `track` before it has weights",
}


def test_every_public_method_has_a_case():
    public = {name: getattr(mtl_optim, name) for name in mtl_optim.__all__}
    methods = {
        name
        for name, found in public.items()
        if inspect.isclass(found)
        and issubclass(found, mtl_optim.Method)
        and not inspect.isabstract(found)
    }
    covered = {name.split("(")[0] for name in CASES}
    assert covered.isdisjoint(EXEMPT)
    assert covered | EXEMPT.keys() == methods


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_contract(case, check):
    check(case)
