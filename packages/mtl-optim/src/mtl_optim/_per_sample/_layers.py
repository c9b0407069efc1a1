"""The gradients per objective of a layer's parameters, from what it saw and its output gradients.

One rule per kind of layer. A rule is given a call of the layer and the gradients g of its output,
(sample, task, repeat, ...): the output's first axis is (sample · repeat). It returns the factors of
each parameter by name, in one part or several along the parameter's first axis; None where the
call is of a form that it does not cover.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from ._factors import Factors, Lookup, Outer, Written
from ._record import Use

Parts = dict[str, list[Factors]]
Rule = Callable[[Use, Tensor], Parts | None]


def rule_of(module: nn.Module) -> Rule | None:
    """Return the rule of a layer, by the forward that it runs; None for a layer without one."""
    if "forward" in vars(module):
        return None
    return _RULES.get(type(module).forward)


def argument(use: Use, place: int, name: str) -> Any:
    """Return an argument of the call; None if it was not given."""
    return use.args[place] if len(use.args) > place else use.kwargs.get(name)


def _linear(use: Use, g: Tensor) -> Parts | None:
    x = argument(use, 0, "input")
    return _linear_parts("weight", "bias", x, g)


def _linear_parts(weight: str, bias: str, x: Tensor, g: Tensor) -> Parts | None:
    samples, tasks, out, width = len(g), g.shape[1], g.shape[-1], x.shape[-1]
    if x.numel() // max(width, 1) * out * tasks != g.numel():
        return None
    inputs = x.detach().reshape(samples, 1, -1, width).mT  # (sample, part, in, place)
    gradients = g.reshape(samples, tasks, 1, -1, out).mT  # (sample, task, part, out, place)
    return {
        weight: [Outer(lambda some: inputs[some], gradients, width)],
        bias: [Written(gradients.sum(dim=(2, 4)))],
    }


def _convolution(use: Use, g: Tensor) -> Parts | None:
    module, x = use.module, argument(use, 0, "input")
    assert isinstance(module, _ConvNd)  # noqa: S101 - by the table of rules
    axes = len(module.kernel_size)
    samples, repeat = len(g), g.shape[2]
    if x.ndim != axes + 2 or len(x) != samples * repeat:
        return None
    images = x.detach().unflatten(0, (samples, repeat))
    # (sample, task, repeat, part, out, *place) to (sample, task, part, out, place)
    gradients = g.reshape(*g.shape[:3], module.groups, -1, *g.shape[4:])
    gradients = gradients.permute(0, 1, 3, 4, 2, *range(5, 5 + axes))
    width = module.in_channels // module.groups
    for size in module.kernel_size:
        width *= size
    return {
        "weight": [Outer(lambda some: _patches(module, images[some]), gradients.flatten(4), width)],
        "bias": [Written(gradients.flatten(4).sum(dim=4).flatten(2))],
    }


def _patches(module: _ConvNd, images: Tensor) -> Tensor:
    """Cut images (sample, repeat, channel, ...) into what each place of the output sees.

    Returns (sample, part, in, place).
    """
    samples, repeat = images.shape[:2]
    x, margins = images.flatten(0, 1), module._reversed_padding_repeated_twice
    if any(margins):
        mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
        x = functional.pad(x, margins, mode=mode)
    x = x.reshape(len(x), module.groups, -1, *x.shape[2:])
    kernel, dilation, stride = module.kernel_size, module.dilation, module.stride
    places = [
        (size - d * (k - 1) - 1) // step + 1
        for size, k, d, step in zip(x.shape[3:], kernel, dilation, stride, strict=True)
    ]
    by_tap = [s * d for s, d in zip(x.stride()[3:], dilation, strict=True)]
    by_place = [s * step for s, step in zip(x.stride()[3:], stride, strict=True)]
    seen = x.as_strided((*x.shape[:3], *kernel, *places), (*x.stride()[:3], *by_tap, *by_place))
    seen = seen.reshape(samples, repeat, module.groups, -1, *places).flatten(4)
    return seen[:, 0] if repeat == 1 else seen.permute(0, 2, 3, 1, 4).flatten(3)


def _embedding(use: Use, g: Tensor) -> Parts | None:
    module, codes = use.module, argument(use, 0, "input")
    assert isinstance(module, nn.Embedding)  # noqa: S101 - by the table of rules
    samples, tasks, width = len(g), g.shape[1], g.shape[-1]
    uncovered = module.scale_grad_by_freq or module.max_norm is not None or module.sparse
    if uncovered or codes.numel() * tasks * width != g.numel():
        return None
    codes = codes.reshape(samples, -1)
    g = g.reshape(samples, tasks, -1, width)
    if module.padding_idx is not None:
        g = g.masked_fill((codes == module.padding_idx)[:, None, :, None], 0)
    return {"weight": [Lookup(codes, g)]}


def _of_last_axes(normalise: Callable[[Any, Tensor], Tensor], use: Use, g: Tensor) -> Parts | None:
    """Return the gradients of an affine map of a normalised input, along its last axes."""
    x, axes = argument(use, 0, "input").detach(), len(use.module.normalized_shape)  # type: ignore[arg-type]  # a tuple
    between = tuple(range(2, g.ndim - axes))
    xhat = normalise(use.module, x).reshape(len(g), 1, *g.shape[2:])
    return _affine(g, xhat, between)


def _of_channels(normalise: Callable[[Any, Tensor], Tensor], use: Use, g: Tensor) -> Parts | None:
    """Return the gradients of an affine map of a normalised input, along its channels."""
    x = argument(use, 0, "input").detach()
    if len(x) != len(g) * g.shape[2]:
        return None
    xhat = normalise(use.module, x).reshape(len(g), 1, *g.shape[2:])
    return _affine(g, xhat, (2, *range(4, g.ndim)))


def _affine(g: Tensor, xhat: Tensor, summed: tuple[int, ...]) -> Parts:
    return {"weight": [Written((g * xhat).sum(summed))], "bias": [Written(g.sum(summed))]}


def _layer_norm(module: nn.LayerNorm, x: Tensor) -> Tensor:
    return functional.layer_norm(x, module.normalized_shape, None, None, module.eps)


def _rms_norm(module: nn.RMSNorm, x: Tensor) -> Tensor:
    return functional.rms_norm(x, module.normalized_shape, None, module.eps)


def _group_norm(module: nn.GroupNorm, x: Tensor) -> Tensor:
    return functional.group_norm(x, module.num_groups, None, None, module.eps)


def _batch_norm(module: _BatchNorm | _InstanceNorm, x: Tensor) -> Tensor:
    mean, variance = module.running_mean, module.running_var
    if isinstance(module, _InstanceNorm) and (module.training or mean is None):
        return functional.instance_norm(x, eps=module.eps)
    return functional.batch_norm(x, mean, variance, None, None, False, 0.0, module.eps)


def _attention(use: Use, g: Tensor) -> Parts | None:
    """Compute attention again, and the gradients of what its projections gave."""
    module = use.module
    assert isinstance(module, nn.MultiheadAttention)  # noqa: S101 - by the table of rules
    query, key, value = (
        argument(use, place, name).detach() for place, name in enumerate(("query", "key", "value"))
    )
    random = module.training and module.dropout > 0
    extra = module.bias_k is not None or module.add_zero_attn
    if random or extra or not module.batch_first or query.ndim != 3 or g.shape[2] != 1:
        return None
    g = g[:, :, 0]
    weights: Any = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    if module.in_proj_weight is not None:
        weights = module.in_proj_weight.detach().chunk(3)
    biases: Any = (None,) * 3
    if module.in_proj_bias is not None:
        biases = module.in_proj_bias.detach().chunk(3)
    inputs = (query, key, value)
    with torch.enable_grad():
        projected = [
            functional.linear(x, w.detach(), b).requires_grad_()
            for x, w, b in zip(inputs, weights, biases, strict=True)
        ]
        mixed = _mixed(use, module, projected)
    behind = g @ module.out_proj.weight.detach()  # (sample, task, query, in)
    per_task = [
        torch.autograd.grad(mixed, projected, behind[:, k], retain_graph=k < g.shape[1] - 1)
        for k in range(g.shape[1])
    ]
    stacked = [torch.stack(found, dim=1) for found in zip(*per_task, strict=True)]
    parts = _linear_parts("out_proj.weight", "out_proj.bias", mixed, g) or {}
    packed = [
        _linear_parts("weight", "bias", x, dx) or {} for x, dx in zip(inputs, stacked, strict=True)
    ]
    parts["in_proj_bias"] = [part["bias"][0] for part in packed]
    parts["in_proj_weight"] = [part["weight"][0] for part in packed]
    for name, part in zip("qkv", packed, strict=True):
        parts[f"{name}_proj_weight"] = part["weight"]
    return parts


def _mixed(use: Use, module: nn.MultiheadAttention, projected: list[Tensor]) -> Tensor:
    """Return what the heads give (sample, query, in), from the projected inputs."""
    q, k, v = (x.view(*x.shape[:2], module.num_heads, -1).transpose(1, 2) for x in projected)
    mask, padding = argument(use, 5, "attn_mask"), argument(use, 3, "key_padding_mask")
    if mask is not None:
        mask = _additive(mask, q)
        mask = mask.view(len(q), -1, *mask.shape[1:]) if mask.ndim == 3 else mask
    if padding is not None:
        padded = _additive(padding, q)[:, None, None]
        mask = padded if mask is None else mask + padded
    return functional.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)


def _additive(mask: Tensor, like: Tensor) -> Tensor:
    """Return the mask as what is added to the scores."""
    if mask.dtype != torch.bool:
        return mask.detach().to(like.dtype)
    return like.new_zeros(mask.shape).masked_fill(mask, -torch.inf)


_RULES: dict[object, Rule] = {
    nn.Linear.forward: _linear,
    nn.Conv1d.forward: _convolution,
    nn.Conv2d.forward: _convolution,
    nn.Conv3d.forward: _convolution,
    nn.Embedding.forward: _embedding,
    nn.LayerNorm.forward: partial(_of_last_axes, _layer_norm),
    nn.RMSNorm.forward: partial(_of_last_axes, _rms_norm),
    nn.GroupNorm.forward: partial(_of_channels, _group_norm),
    nn.BatchNorm1d.forward: partial(_of_channels, _batch_norm),
    nn.InstanceNorm1d.forward: partial(_of_channels, _batch_norm),
    nn.MultiheadAttention.forward: _attention,
}
