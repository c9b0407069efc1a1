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


@pytest.mark.parametrize("check", testing.LOSS_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", LOSSES)
def test_contract(name, check):
    check(LOSSES[name])
