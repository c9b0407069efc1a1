"""Every loss keeps the contract: add a loss here by one line."""

from functools import partial

import pytest

from ltr_losses import (
    bce_loss,
    lambda_loss,
    listmle_loss,
    listnet_loss,
    mse_loss,
    softmax_loss,
    testing,
)

LOSSES = {
    "bce": bce_loss,
    "listmle": listmle_loss,
    "listnet": listnet_loss,
    "mse": mse_loss,
    "softmax": softmax_loss,
    **{
        f"lambda-{scheme}": partial(lambda_loss, scheme=scheme)
        for scheme in ("ndcg1", "ndcg2", "ndcg2pp", "lambdarank", "ranknet", "labeldiff")
    },
    "lambda-k": partial(lambda_loss, scheme="lambdarank", k=3, sigma=2.0),
}


# Compiled as the other lambda schemes are; leaving them out saves half of this file's time.
COMPILED_ELSEWHERE = {"lambda-ndcg2", "lambda-lambdarank", "lambda-ranknet", "lambda-labeldiff"}
CASES = [
    pytest.param(loss, check, id=f"{name}-{check.__name__}")
    for name, loss in LOSSES.items()
    for check in testing.LOSS_CHECKS
    if not (name in COMPILED_ELSEWHERE and check is testing.check_compile)
]


@pytest.mark.parametrize(("loss", "check"), CASES)
def test_contract(loss, check):
    check(loss)
