"""The contract of a loss, check by check."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from ._problems import BATCH, LIST, TASKS, Loss, finite, problem, same, value_and_gradient


def check_shapes(loss: Loss) -> None:
    """Check that only the axis before the list is reduced, and any leading axes broadcast."""
    scores, labels, mask = problem()
    shapes = {"none": (TASKS, BATCH), "mean": (TASKS,), "sum": (TASKS,)}
    for reduction, shape in shapes.items():
        value = loss(scores, labels, mask=mask, reduction=reduction)
        assert value.shape == shape, f"{reduction}: {tuple(value.shape)}, expected {shape}"
        assert loss(scores, labels[0], mask=mask, reduction=reduction).shape == shape[1:]
        assert loss(scores[0], labels[0, 0], reduction=reduction).shape == ()
    stacked = loss(scores, labels.unsqueeze(1).expand(TASKS, 2, BATCH, LIST), mask=mask)
    same(stacked, loss(scores, labels, mask=mask).unsqueeze(-1).expand(TASKS, 2), "four axes")
    same(
        loss(scores.expand(TASKS, BATCH, LIST), labels, mask=mask),
        loss(scores, labels, mask=mask),
        "scores with a task axis",
    )


def check_batch_is_its_lists(loss: Loss) -> None:
    """Check that a batch has the losses and gradients of its lists, taken one by one, unpadded."""
    scores, labels, mask = problem()
    values, gradient = value_and_gradient(loss, scores, labels, mask=mask, reduction="none")
    for i, length in enumerate(mask.sum(-1).tolist()):
        for task in range(TASKS):
            one = loss(scores[i, :length], labels[task, i, :length])
            same(values[task, i], one, f"list {i}, task {task}")
        _, one_gradient = value_and_gradient(
            loss, scores[i, :length], labels[:, i, :length], reduction="none"
        )
        same(gradient[i, :length], one_gradient, f"gradient of list {i}")


def check_reductions(loss: Loss) -> None:
    """Check that the sum is that of the lists, and the mean divides it by the lists that teach."""
    scores, labels, mask = problem()
    each = loss(scores, labels, mask=mask, reduction="none")
    same(loss(scores, labels, mask=mask, reduction="sum"), each.sum(-1), "sum")
    assert bool((each != 0).all()), "a list with labels 4 and 0 is worth nothing"
    same(loss(scores, labels, mask=mask), each.mean(-1), "mean")


def check_padding(loss: Loss) -> None:
    """Check that values in padded positions, NaN and infinity included, change nothing."""
    scores, labels, mask = problem()
    weights = torch.rand(scores.shape, generator=torch.Generator().manual_seed(1)).double()
    plain = value_and_gradient(loss, scores, labels, mask=mask, weights=weights)
    for garbage in (float("nan"), float("inf"), -float("inf"), 1e30, -1.0):
        dirty = value_and_gradient(
            loss,
            scores.masked_fill(~mask, garbage),
            labels.masked_fill(~mask, garbage),
            mask=mask,
            weights=weights.masked_fill(~mask, garbage),
        )
        same(dirty[0], plain[0], f"value with {garbage} in the padding")
        same(dirty[1], plain[1], f"gradient with {garbage} in the padding")
    assert bool((plain[1][~mask] == 0).all()), "padded positions have a gradient"


def check_padding_between_documents(loss: Loss) -> None:
    """Check that padding may stand anywhere, not only at the end."""
    scores, labels, mask = problem()
    value, gradient = value_and_gradient(loss, scores, labels, mask=mask)
    # Each document becomes a padded position and itself.
    wide = [x.repeat_interleave(2, -1) for x in (scores, labels, mask)]
    wide[2][:, ::2] = False
    mixed = value_and_gradient(loss, wide[0], wide[1], mask=wide[2])
    same(mixed[0], value, "value")
    same(mixed[1][:, 1::2], gradient, "gradient")


def check_permutation(loss: Loss) -> None:
    """Check that the order of the documents does not matter; the gradient moves with them."""
    scores, labels, _ = problem()
    labels = torch.arange(LIST).double().expand_as(labels)  # ties in a label may have an order
    order = torch.randperm(LIST, generator=torch.Generator().manual_seed(3))
    value, gradient = value_and_gradient(loss, scores, labels)
    moved = value_and_gradient(loss, scores[:, order], labels[..., order])
    same(moved[0], value, "value")
    same(moved[1], gradient[:, order], "gradient")


def check_empty_lists(loss: Loss) -> None:
    """Check that lists of padding alone have the loss 0, no gradient and no part in the mean."""
    scores, labels, mask = problem()
    value, gradient = value_and_gradient(loss, scores, labels, mask=mask)
    more = value_and_gradient(
        loss,
        torch.cat([scores, scores]),
        torch.cat([labels, labels], -2),
        mask=torch.cat([mask, torch.zeros_like(mask)]),
    )
    same(more[0], value, "value")
    same(more[1][:BATCH], gradient, "gradient")
    nothing = value_and_gradient(loss, scores, labels, mask=torch.zeros_like(mask))
    assert bool((nothing[0] == 0).all()), f"a batch of padding is worth {nothing[0]}"
    assert bool((nothing[1] == 0).all()), "a batch of padding has a gradient"


def check_no_lists(loss: Loss) -> None:
    """Check that a batch without a list, of an exhausted shard, has the loss 0 and a gradient."""
    scores, labels, mask = (x[..., :0, :] for x in problem())
    for reduction, shape in {"none": (TASKS, 0), "mean": (TASKS,), "sum": (TASKS,)}.items():
        value, gradient = value_and_gradient(loss, scores, labels, mask=mask, reduction=reduction)
        assert value.shape == shape, f"{reduction}: {tuple(value.shape)}, expected {shape}"
        assert bool((value == 0).all()), f"no list is worth {value}"
        assert gradient.shape == scores.shape, "the gradient has another shape"


def check_degenerate_lists(loss: Loss) -> None:
    """Check that one document, equal labels and the like are finite, with a gradient."""
    scores, labels, _ = problem()
    one_relevant = torch.zeros_like(labels)
    one_relevant[..., 2] = 1.0
    cases = {
        "one document": (scores[:, :1], labels[..., :1]),
        "equal labels": (scores, torch.full_like(labels, 3.0)),
        "zero labels": (scores, torch.zeros_like(labels)),
        "one relevant document": (scores, one_relevant),
        "equal scores": (torch.zeros_like(scores), labels),
        "scores equal to labels": (labels[0], labels),
    }
    for what, (s, y) in cases.items():
        for reduction in ("mean", "sum", "none"):
            finite(value_and_gradient(loss, s, y, reduction=reduction), f"{what}, {reduction}")


def check_extreme_scores(loss: Loss) -> None:
    """Check that scores of ±1e4 in any order are finite, and 1e12 beside padding too."""
    scores, labels, _ = problem(dtype=torch.float32)
    for scale in (-1e4, 1e4):
        value, gradient = value_and_gradient(loss, scale * scores.sign(), labels)
        finite((value, gradient), f"scores of {scale}")
    scores, labels, mask = problem()
    plain, _ = value_and_gradient(loss, 1e12 * scores, labels, mask=mask, reduction="none")
    for i, length in enumerate(mask.sum(-1).tolist()):
        one = loss(1e12 * scores[i, :length], labels[:, i, :length], reduction="none")
        same(plain[:, i], one, "padding beside scores of 1e12")


def check_inversion(loss: Loss) -> None:
    """Check that the worst inversion has a cost and a gradient; a bounded loss has none."""
    inverted = torch.linspace(1e4, -1e4, LIST)
    value, gradient = value_and_gradient(loss, inverted, torch.arange(LIST).float())
    finite((value, gradient), "a complete inversion")
    assert float(value) > 0, "a complete inversion costs nothing"
    assert float(gradient.abs().max()) > 1e-3, "the gradient of the worst inversion vanishes"


def check_bad_values_show(loss: Loss) -> None:
    """Check that NaN, or a negative weight, makes the loss of its list NaN and of no other."""
    scores, labels, mask = problem()
    clean = loss(scores, labels, mask=mask, reduction="none")
    spoilt = scores.clone()
    spoilt[1, 0] = float("nan")
    values = loss(spoilt, labels, mask=mask, reduction="none")
    assert bool(values[:, 1].isnan().all()), "a NaN score passes in silence"
    same(values[:, 2:], clean[:, 2:], "the lists without NaN")
    spoilt_labels = labels.clone()
    spoilt_labels[0, 1, 0] = float("nan")
    nan = loss(scores, spoilt_labels, mask=mask).isnan().tolist()
    assert nan == [True, False, False], f"a NaN label of the first task makes NaN: {nan}"
    equal = torch.zeros_like(labels)
    assert bool(loss(spoilt, equal, mask=mask).isnan().all()), "NaN hides in a list without pairs"
    weights = torch.full_like(scores, -1.0)
    assert bool(loss(scores, labels, mask=mask, weights=weights).isnan().all()), "negative weights"


def check_task_masks(loss: Loss) -> None:
    """Check that a mask with a task axis gives what one call per task gives."""
    scores, labels, _ = problem()
    generator = torch.Generator().manual_seed(4)
    mask = torch.rand(labels.shape, generator=generator) < 0.7
    value, gradient = value_and_gradient(loss, scores, labels, mask=mask)
    single = [value_and_gradient(loss, scores, labels[t], mask=mask[t]) for t in range(TASKS)]
    same(value, torch.stack([v for v, _ in single]), "value")
    same(gradient, torch.stack([g for _, g in single]).sum(0), "gradient")


def check_weights(loss: Loss) -> None:
    """Check that the loss is linear in the weights, that ones change nothing, and lists scale."""
    scores, labels, mask = problem()
    generator = torch.Generator().manual_seed(5)
    a, b = torch.rand(2, BATCH, LIST, generator=generator, dtype=torch.float64)

    def weighted(weights: Tensor | None) -> Tensor:
        return loss(scores, labels, mask=mask, weights=weights, reduction="none")

    same(weighted(torch.ones_like(a)), weighted(None), "weights of one")
    same(weighted(2.0 * a + b), 2.0 * weighted(a) + weighted(b), "linearity")
    same(weighted(a[:, :1]), a[:, 0] * weighted(None), "weights per list")
    tasks = torch.rand(TASKS, 1, 1, generator=generator, dtype=torch.float64)
    same(weighted(tasks), tasks[..., 0] * weighted(None), "weights per task")


def check_gradient(loss: Loss) -> None:
    """Check the gradient by float64 central differences, within one order of the documents."""
    scores, labels, mask = problem()
    # Scores far apart compared with the step: positions must not change within it.
    scores = torch.stack([row.argsort().argsort() * 0.37 - 1.0 for row in scores]).double()
    for reduction in ("mean", "sum"):
        _, gradient = value_and_gradient(loss, scores, labels, mask=mask, reduction=reduction)
        step = 1e-5
        numeric = torch.zeros_like(scores)
        for i in range(BATCH):
            for j in range(LIST):
                sides = []
                for sign in (1.0, -1.0):
                    moved = scores.clone()
                    moved[i, j] += sign * step
                    sides.append(loss(moved, labels, mask=mask, reduction=reduction).sum())
                numeric[i, j] = (sides[0] - sides[1]) / (2.0 * step)
        same(gradient, numeric, f"gradient of the {reduction}", tolerance=1e-7)


def check_task_jacobian(loss: Loss) -> None:
    """Check that one batched call gives the task Jacobian that one call per task gives."""
    scores, labels, mask = problem()
    scores.requires_grad_()
    values = loss(scores, labels, mask=mask)
    assert values.shape == (TASKS,), f"shape: {tuple(values.shape)}, expected ({TASKS},)"
    eye = torch.eye(TASKS, dtype=values.dtype)
    (batched,) = torch.autograd.grad(values, scores, eye, is_grads_batched=True, retain_graph=True)
    for task in range(TASKS):
        (row,) = torch.autograd.grad(values[task], scores, retain_graph=True)
        same(batched[task], row, f"row {task}")


def check_half_precision(loss: Loss) -> None:
    """Check that 16-bit scores, under autocast, give the float32 loss of the rounded scores."""
    scores, labels, mask = problem(dtype=torch.float32)
    for dtype in (torch.bfloat16, torch.float16):
        rounded = scores.to(dtype)
        with torch.autocast("cpu", dtype=dtype):
            value, gradient = value_and_gradient(loss, rounded, labels, mask=mask)
            full = loss(rounded.float(), labels, mask=mask)
        assert value.dtype == torch.float32, f"{dtype}: computed in {value.dtype}"
        assert gradient.dtype == dtype, f"{dtype}: gradient in {gradient.dtype}"
        finite((value, gradient), str(dtype))
        plain = loss(rounded.float(), labels, mask=mask)
        same(value, plain, f"{dtype}, value", tolerance=1e-6)
        same(full, plain, f"{dtype}, under autocast", tolerance=1e-6)


def check_compile(loss: Loss, backend: str = "eager") -> None:
    """Check that it compiles without a graph break and agrees with the eager run."""
    scores, labels, mask = problem()
    weights = torch.full_like(scores, 0.5)
    plain = value_and_gradient(loss, scores, labels, mask=mask, weights=weights)
    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    with warnings.catch_warnings():
        # torch 2.13 warns of what its own tracer does with a torch.autograd.Function.
        warnings.filterwarnings("ignore", ".*should not be instantiated", DeprecationWarning)
        actual = value_and_gradient(compiled, scores, labels, mask=mask, weights=weights)
    same(actual[0], plain[0], "value", tolerance=1e-6)
    same(actual[1], plain[1], "gradient", tolerance=1e-6)


def check_inputs_unchanged(loss: Loss) -> None:
    """Check that no argument is written to."""
    scores, labels, mask = problem()
    weights = torch.ones_like(scores)
    before = [t.clone() for t in (scores, labels, mask, weights)]
    value_and_gradient(loss, scores, labels, mask=mask, weights=weights)
    for old, new in zip(before, (scores, labels, mask, weights), strict=True):
        assert torch.equal(old, new), "an argument was changed"


def check_errors(loss: Loss) -> None:
    """Check that a user's mistake is a ValueError or TypeError that names the parameter."""
    scores, labels, mask = problem()
    wrong: list[tuple[str, type[Exception], Callable[[], Tensor]]] = [
        ("reduction", ValueError, lambda: loss(scores, labels, reduction="average")),
        ("labels", ValueError, lambda: loss(scores, labels[..., :3])),
        ("labels", ValueError, lambda: loss(scores, labels[:, :2])),
        ("mask", TypeError, lambda: loss(scores, labels, mask=mask.double())),
        ("mask", ValueError, lambda: loss(scores, labels, mask=mask[:, :3])),
        ("weights", ValueError, lambda: loss(scores, labels, weights=scores[:, :3])),
        ("scores", TypeError, lambda: loss(scores.long(), labels)),
        ("scores", ValueError, lambda: loss(scores[0, 0], labels)),
    ]
    for name, error, call in wrong:
        try:
            call()
        except error as caught:
            message = str(caught)
        else:
            raise AssertionError(f"a wrong `{name}` raises no {error.__name__}")
        assert f"`{name}`" in message, f"`{name}` is not named in: {message}"


LOSS_CHECKS: tuple[Callable[[Loss], None], ...] = (
    check_shapes,
    check_batch_is_its_lists,
    check_reductions,
    check_padding,
    check_padding_between_documents,
    check_permutation,
    check_empty_lists,
    check_no_lists,
    check_degenerate_lists,
    check_extreme_scores,
    check_inversion,
    check_bad_values_show,
    check_task_masks,
    check_weights,
    check_gradient,
    check_task_jacobian,
    check_half_precision,
    check_compile,
    check_inputs_unchanged,
    check_errors,
)
"""Every check, for a parametrised test."""


def check_loss(loss: Loss) -> None:
    """Run the whole contract of a loss.

    Args:
        loss: The loss to check.

    Raises:
        AssertionError: A clause of the contract is broken; the message says which.

    Examples:
        >>> import ltr_losses
        >>> check_loss(ltr_losses.listnet_loss)
    """
    for check in LOSS_CHECKS:
        check(loss)
