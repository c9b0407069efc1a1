"""The private names of torch that the packages use; they stand in this file alone.

torch may rename them in any version. All were seen in torch 2.13, the version of constraints.txt.
Where a name is missing, the function here says so, and its callers compute with torch's public
operations: the same results, more slowly.

| name | seen in | where it is missing |
| --- | --- | --- |
| ``torch.ops.mkldnn._linear_pointwise`` | 2.13 | products are left to torch |
| ``torch._C._has_mkldnn``, ``torch._C._get_mkldnn_enabled`` | 2.13 | products are left to torch |
| ``torch.ops.aten._scaled_dot_product_flash_attention_for_cpu`` | 2.13 | torch's own attention |
| the same with ``_backward`` | 2.13 | torch's own attention |
| ``torch._C._are_functorch_transforms_active`` | 2.13 | no kernel of this package is used |
| ``torch._C._functorch.is_legacy_batchedtensor`` | 2.13 | no kernel of this package is used |
| ``torch.autograd.forward_ad._current_level`` | 2.13 | no kernel of this package is used |
| ``torch._functorch.config.donated_buffer`` | 2.13 | there is nothing to switch off |
| ``torch.onnx._internal.exporter._registration`` (a logger) | 2.13 | its warning is shown |
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

ONNX_LOGGER = "torch.onnx._internal.exporter._registration"
"""The logger by which the ONNX exporter warns of a missing torchvision."""

HAS_LINEAR = bool(getattr(torch._C, "_has_mkldnn", False)) and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)
"""Whether `onednn_linear` can be called."""

HAS_ATTENTION = all(
    hasattr(torch.ops.aten, f"_scaled_dot_product_flash_attention_for_cpu{end}")
    for end in ("", "_backward")
)
"""Whether `fused_attention` and `fused_attention_backward` can be called."""


def is_transformed(x: Tensor) -> bool:
    """Whether x is under a transform of `torch.func`, batched gradients or forward derivatives."""
    try:
        return (
            torch._C._are_functorch_transforms_active()
            or torch._C._functorch.is_legacy_batchedtensor(x)
            or forward_ad._current_level >= 0
        )
    except AttributeError:
        return True


def is_onednn_enabled() -> bool:
    """Whether `torch.backends.mkldnn.flags` leaves oneDNN switched on."""
    enabled = getattr(torch._C, "_get_mkldnn_enabled", None)
    return enabled is not None and bool(enabled())


def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None, then: str) -> Tensor:
    """Compute x Wᵀ + b by oneDNN, then "none" or "relu"; without a gradient."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, then, [], "")
    return result


def fused_attention(*parts: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Compute attention of queries, keys, values (batch, head, ·, width), and its log sums."""
    out, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        *parts, attn_mask=mask, scale=scale
    )
    return out, sums


def fused_attention_backward(
    *parts: Tensor, mask: Tensor | None, scale: float
) -> tuple[Tensor, ...]:
    """Compute its gradients, from the incoming one, queries, keys, values, output and sums."""
    found: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        *parts, 0.0, False, attn_mask=mask, scale=scale
    )
    return tuple(found)


def keep_graph_for_several_backward_passes() -> None:
    """Let compiled graphs keep their buffers, so that each task can have a backward pass.

    Call it before `torch.compile`; it holds for the whole process.
    """
    config: Any = getattr(torch, "_functorch", None) and torch._functorch.config
    if hasattr(config, "donated_buffer"):
        config.donated_buffer = False
