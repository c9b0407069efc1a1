"""Every loss keeps the contract; a row is needed for other options than the defaults alone."""

from functools import partial

import pytest

import ltr_losses
from ltr_losses import (
    approx_mrr_loss,
    approx_ndcg_loss,
    bce_loss,
    binary_listnet_loss,
    lambda_loss,
    listmle_loss,
    listnet_loss,
    mse_loss,
    neural_ndcg_loss,
    ordinal_loss,
    p_listmle_loss,
    pairwise_hinge_loss,
    pairwise_mse_loss,
    pairwise_quantile_loss,
    poly1_softmax_loss,
    ranknet_loss,
    softmax_loss,
    testing,
    unique_softmax_loss,
)

LOSSES = {
    "approx-mrr": approx_mrr_loss,
    "approx-ndcg": approx_ndcg_loss,
    "approx-ndcg-k": partial(approx_ndcg_loss, temperature=0.5, k=2, gain="linear"),
    "bce": bce_loss,
    "binary-listnet": binary_listnet_loss,
    "listmle": listmle_loss,
    "listnet": listnet_loss,
    "mse": mse_loss,
    "neural-ndcg": partial(neural_ndcg_loss, steps=5),
    "neural-ndcg-transposed": partial(neural_ndcg_loss, steps=5, transposed=True),
    "ordinal": partial(ordinal_loss, thresholds=[-1.5, 0.0, 1.0, 2.0]),
    "p-listmle": p_listmle_loss,
    "pairwise-hinge": pairwise_hinge_loss,
    "pairwise-mse": pairwise_mse_loss,
    "pairwise-quantile": partial(pairwise_quantile_loss, tau=0.3),
    "pairwise-quantile-squared": partial(pairwise_quantile_loss, tau=0.3, squared=True),
    "poly1-softmax": poly1_softmax_loss,
    "ranknet": ranknet_loss,
    "ranknet-power": partial(ranknet_loss, power=2.0, sigma=0.5),
    "softmax": softmax_loss,
    "unique-softmax": unique_softmax_loss,
    **{
        f"lambda-{scheme}": partial(lambda_loss, scheme=scheme)
        for scheme in (
            "ndcg1",
            "ndcg2",
            "ndcg2pp",
            "lambdarank",
            "ranknet",
            "labeldiff",
            "arp1",
            "arp2",
            "map",
        )
    },
    "lambda-precision": partial(lambda_loss, scheme="precision", k=1),
    "lambda-k": partial(lambda_loss, scheme="lambdarank", k=3, sigma=2.0),
}
# A new loss joins with its defaults. `exposure_loss` takes groups, not labels.
NAMED = {getattr(loss, "func", loss).__name__ for loss in LOSSES.values()} | {"exposure_loss"}
LOSSES |= {
    name: getattr(ltr_losses, name)
    for name in ltr_losses.__all__
    if name.endswith("_loss") and name not in NAMED
}
# Smooth metrics are bounded: far from every change of order they are flat.
BOUNDED = {name for name in LOSSES if name.startswith(("approx", "neural"))}
# Compiled as the other lambda schemes are; leaving them out saves much of this file's time.
COMPILED_ELSEWHERE = {
    f"lambda-{scheme}"
    for scheme in ("ndcg1", "ndcg2", "lambdarank", "ranknet", "labeldiff", "arp2")
} | {"pairwise-quantile-squared", "ranknet-power", "neural-ndcg-transposed", "approx-ndcg"}
CASES = [
    pytest.param(loss, check, id=f"{name}-{check.__name__}")
    for name, loss in LOSSES.items()
    for check in testing.LOSS_CHECKS
    if not (name in COMPILED_ELSEWHERE and check is testing.check_compile)
    and not (name in BOUNDED and check is testing.check_inversion)
]


@pytest.mark.parametrize(("loss", "check"), CASES)
def test_contract(loss, check):
    check(loss)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_compiles_with_its_gradient(name):
    testing.check_compile(LOSSES[name], backend="aot_eager")
