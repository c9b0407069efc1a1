"""Against somebody else's implementation: Rax, ranx, ir-measures, LightGBM.

They want jax, rax, ranx, ir-measures and lightgbm, and are skipped one by one where these are not
installed. Where a convention differs, the test says how.
"""

import subprocess
import warnings
from functools import partial

import pytest
import torch

import ltr_losses as ours

pytestmark = pytest.mark.oracle


def imported(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


@pytest.fixture(scope="module")
def rax():
    imported("jax").config.update("jax_enable_x64", True)
    return imported("rax")


def ragged(seed=0, batch=6, n=15, top=4):
    """Distinct scores, graded labels and a mask; every list has a 0 and a relevant document."""
    generator = torch.Generator().manual_seed(seed)
    scores = 2.0 * torch.randn(batch, n, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, top + 1, (batch, n), generator=generator).double()
    labels[:, 0], labels[:, 1] = 0.0, 1.0
    lengths = torch.randint(4, n + 1, (batch, 1), generator=generator)
    return scores, labels, torch.arange(n) < lengths


def compare(loss, theirs, labels_of=lambda y: y, factor=1.0, rtol=1e-6):
    """Value and gradient of every list: ours = factor · theirs (scores, labels)."""
    import jax

    scores, labels, mask = ragged()
    for i in range(len(scores)):
        s = scores[i, mask[i]].requires_grad_()
        y = labels_of(labels[i, mask[i]])
        value = loss(s, y)
        (gradient,) = torch.autograd.grad(value, s)
        k = factor(y) if callable(factor) else factor
        other, slope = jax.value_and_grad(lambda x, y=y: theirs(x, jax.numpy.asarray(y.numpy())))(
            jax.numpy.asarray(s.detach().numpy())
        )
        assert value.item() == pytest.approx(k * float(other), rel=rtol)
        expected = k * torch.tensor(slope.tolist(), dtype=torch.float64)
        torch.testing.assert_close(gradient, expected, rtol=rtol, atol=1e-9)


def distinct(y):
    """Labels without ties, in the order of the list's own."""
    return y.argsort(stable=True).argsort().double()


def n_of(y):
    return float(len(y))


# name: (ours, the name in Rax, its arguments, labels, ours / theirs)
RAX = {
    "softmax": (ours.softmax_loss, "softmax_loss", {}, None, 1.0),
    "poly1": (ours.poly1_softmax_loss, "poly1_softmax_loss", {"epsilon": 1.0}, None, 1.0),
    # The gain there is 2^y − 1, here over 2^max.
    "unique": (
        ours.unique_softmax_loss,
        "unique_softmax_loss",
        {},
        None,
        lambda y: float(2.0 ** -y.max()),
    ),
    # Equal labels are shuffled there.
    "listmle": (ours.listmle_loss, "listmle_loss", {}, distinct, 1.0),
    "bce": (ours.bce_loss, "pointwise_sigmoid_loss", {}, lambda y: (y > 0).double(), 1.0),
    "mse": (ours.mse_loss, "pointwise_mse_loss", {}, None, 1.0),
    "ranknet": (ours.ranknet_loss, "pairwise_logistic_loss", {}, None, 1.0),
    "hinge": (ours.pairwise_hinge_loss, "pairwise_hinge_loss", {}, None, 1.0),
    # The pairs of a document with itself, all zero, are in the mean there.
    "pairwise mse": (
        ours.pairwise_mse_loss,
        "pairwise_mse_loss",
        {},
        None,
        lambda y: n_of(y) / (n_of(y) - 1.0),
    ),
    "quantile": (
        partial(ours.pairwise_quantile_loss, tau=0.3),
        "pairwise_qr_loss",
        {"tau": 0.3},
        None,
        1.0,
    ),
    "expectile": (
        partial(ours.pairwise_quantile_loss, tau=0.3, squared=True),
        "pairwise_qr_loss",
        {"tau": 0.3, "squared": True},
        None,
        1.0,
    ),
}


@pytest.mark.parametrize("name", RAX)
def test_losses_of_rax(rax, name):
    loss, other, arguments, labels_of, factor = RAX[name]
    compare(loss, partial(getattr(rax, other), **arguments), labels_of or (lambda y: y), factor)


def test_listnet_is_the_softmax_of_rax_at_the_softmax_of_the_labels(rax):
    import jax

    compare(ours.listnet_loss, lambda s, y: rax.softmax_loss(s, jax.nn.softmax(y)))
    compare(ours.binary_listnet_loss, lambda s, y: rax.softmax_loss(s, (y > 0) / (y > 0).sum()))


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_approximations_of_rax(rax, temperature):
    # The loss there is −metric, here 1 − metric; MRR there takes any label above 0 too.
    approximations = {"ndcg_metric": ours.approx_ndcg_loss, "mrr_metric": ours.approx_mrr_loss}
    for name, loss in approximations.items():
        theirs = rax.approx_t12n(getattr(rax, name), temperature)
        compare(partial(loss, temperature=temperature), lambda s, y, f=theirs: 1.0 + f(s, y))
    theirs = rax.bound_t12n(rax.ndcg_metric)
    compare(ours.bound(ours.ndcg), lambda s, y: 1.0 + theirs(s, y))


def test_metrics_of_rax(rax):
    scores, labels, mask = ragged()
    pairs = {
        "mrr_metric": ours.mrr,
        "ndcg_metric": ours.ndcg,
        "dcg_metric": ours.dcg,
        "recall_metric": ours.recall,
        "precision_metric": ours.precision,
        "ap_metric": ours.average_precision,
    }
    for name, metric in pairs.items():
        for topn in (None, 3):
            for i in range(len(scores)):
                s, y = scores[i, mask[i]], labels[i, mask[i]]
                binary = name in ("recall_metric", "precision_metric", "ap_metric")
                y = (y > 0).double() if binary else y
                expected = float(getattr(rax, name)(s.numpy(), y.numpy(), topn=topn))
                assert float(metric(s, y, k=topn)) == pytest.approx(expected, rel=1e-6), name


def runs(scores, labels, mask):
    """qrels and run as dictionaries, the form of ranx and ir-measures; gdeval wants numbers."""
    qrels, run = {}, {}
    for i in range(len(scores)):
        real = mask[i].nonzero().squeeze(-1).tolist()
        qrels[f"{i + 1}"] = {f"d{j}": int(labels[i, j]) for j in real}
        run[f"{i + 1}"] = {f"d{j}": float(scores[i, j]) for j in real}
    return qrels, run


SHARED = {
    "ndcg@5": partial(ours.ndcg, k=5, gain="linear"),
    "ndcg_burges@5": partial(ours.ndcg, k=5),
    "map": ours.average_precision,
    "mrr": ours.mrr,
    "precision@4": partial(ours.precision, k=4),
    "recall@4": partial(ours.recall, k=4),
    "hit_rate@2": partial(ours.hit_rate, k=2),
    "rbp.80": partial(ours.rbp, p=0.8),
}


def test_metrics_of_ranx():
    ranx = imported("ranx")
    scores, labels, mask = ragged()
    qrels, run = runs(scores, labels, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(SHARED))
        # The gain there is the label itself.
        binary, _ = runs(scores, (labels > 0).double(), mask)
        theirs["rbp.80"] = ranx.evaluate(ranx.Qrels(binary), ranx.Run(run), "rbp.80")
    for name, metric in SHARED.items():
        assert float(metric(scores, labels, mask=mask)) == pytest.approx(theirs[name], rel=1e-6)


def test_metrics_of_ir_measures():
    measures = imported("ir_measures")
    scores, labels, mask = ragged()
    qrels, run = runs(scores, labels, mask)
    theirs = {
        "nDCG@5": partial(ours.ndcg, k=5, gain="linear"),
        "AP": ours.average_precision,
        "AP@4": partial(ours.average_precision, k=4),
        "RR": ours.mrr,
        "P@4": partial(ours.precision, k=4),
        "R@4": partial(ours.recall, k=4),
        "Success@2": partial(ours.hit_rate, k=2),
    }
    for name, metric in theirs.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            measure = measures.parse_measure(name)
            expected = measures.calc_aggregate([measure], qrels, run)[measure]
        assert float(metric(scores, labels, mask=mask)) == pytest.approx(expected, rel=1e-5), name


def test_expected_reciprocal_rank_of_ir_measures():
    # gdeval rounds to five digits, and its largest grade is 4.
    measures = imported("ir_measures")
    scores, labels, mask = ragged()
    qrels, run = runs(scores, labels, mask)
    measure = measures.parse_measure("ERR@5")
    try:
        expected = measures.calc_aggregate([measure], qrels, run)[measure]
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"gdeval cannot run: {error}")
    assert float(ours.err(scores, labels, mask=mask, k=5)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("k", [3, 30])
def test_lambdarank_of_lightgbm(k):
    # A stump that parts one document from the others, from the scores as initial ones: with a large
    # λ its leaf is −gradient / λ. LightGBM tabulates the logistic function, hence the tolerance.
    lightgbm = imported("lightgbm")
    n, ridge = 20, 1e3
    scores, labels, _ = ragged(batch=1, n=n)
    s, y = scores[0].requires_grad_(), labels[0]
    loss = ours.lambda_loss(s, y, scheme="lambdarank", k=k)
    (gradient,) = torch.autograd.grad(loss, s)
    arguments = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": k,
        "lambdarank_norm": False,
        "sigmoid": 1.0,
        "learning_rate": 1.0,
        "num_leaves": 2,
        "min_data_in_leaf": 0,  # it counts documents by their hessians
        "min_sum_hessian_in_leaf": 0.0,
        "lambda_l2": ridge,
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "num_threads": 1,
        "verbose": -1,
    }
    compared = 0
    for i in range(n):
        alone = (torch.arange(n) == i).double().unsqueeze(-1).numpy()
        data = lightgbm.Dataset(alone, label=y.numpy(), group=[n], init_score=s.detach().numpy())
        booster = lightgbm.train(arguments, data, num_boost_round=1)
        step = float(booster.predict(alone[i : i + 1])[0]) * ridge
        if step != 0.0:  # LightGBM makes no leaf of a document with next to no hessian
            assert step == pytest.approx(-gradient[i].item(), rel=5e-3, abs=5e-4)
            compared += 1
    assert compared >= n // 2
