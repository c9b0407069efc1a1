"""Parameters that are spread over processes: DTensor, and those of `fully_shard` (FSDP2).

A module under `fully_shard` holds its parameters as DTensors and computes with whole ones that it
gathers for each pass. The graph ends at the whole ones. Hooks of a backward that accumulates
average their gradients over the processes and bring them to the shards; `torch.autograd.grad` does
not.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

_ADVICE = {
    "shared": "pass `features=`, which walks the trunk by a plain backward",
    "measure": "pass tensors that the model computes, the last features for instance",
    "heads": "leave `heads` out, which finds what is gathered from the shards",
}


def check_not_sharded(parameter: str, tensors: Iterable[Tensor]) -> None:
    """Raise for parameters whose gradients would be lost, or are not whole."""
    tensors = list(tensors)
    lost = (
        _ids("sharded_param") if parameter == "heads" else _ids("sharded_param", "_unsharded_param")
    )
    for tensor in tensors:
        if id(tensor) in lost or (parameter != "heads" and _is_dtensor(tensor)):
            raise ValueError(
                f"`{parameter}` must hold parameters that no process shares, got one of shape "
                f"{tuple(tensor.shape)} that is a DTensor or gathered by `fully_shard`: "
                f"{_ADVICE[parameter]}"
            )


def check_plain_heads(heads: Iterable[Tensor]) -> None:
    """Raise for heads under `fully_shard` where gradients are taken apart."""
    if gathered(heads):
        raise ValueError(
            "`shared` must not stand beside heads under `fully_shard`, whose gradients would not "
            f"reach the shards: {_ADVICE['shared']}"
        )


def gathered(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Return those of the tensors that `fully_shard` gathered from shards."""
    whole = _ids("_unsharded_param")
    return [tensor for tensor in tensors if id(tensor) in whole] if whole else []


def averaged_by_shards(leaves: list[Tensor], *, reduce: bool = True) -> bool:
    """Return whether `fully_shard` averages the gradients of these leaves.

    Raises:
        ValueError: It does so for some of them: `reduce`, if there is one, would have to know
            which.
    """
    whole = gathered(leaves)
    if reduce and 0 < len(whole) < len(leaves):
        raise ValueError(
            "`reduce` needs all parameters under `fully_shard`, or none, got "
            f"{len(whole)} of {len(leaves)}"
        )
    return bool(whole)


def _is_dtensor(tensor: Tensor) -> bool:
    module = sys.modules.get("torch.distributed.tensor")  # no DTensor exists before it is imported
    return module is not None and isinstance(tensor, module.DTensor)


def _ids(*names: str) -> set[int]:
    """Return the identities of these parameters of the modules under `fully_shard`."""
    return {id(getattr(part, name, None)) for part in _parts() for name in names} - {id(None)}


def _parts() -> Iterator[Any]:
    """Yield what PyTorch keeps for each parameter under `fully_shard`."""
    module = sys.modules.get("torch.distributed._composable_state")
    for reference in list(getattr(module, "_module_state_mapping", {}).values()):
        state = reference()
        one = [getattr(state, "_fsdp_param_group", None)]  # older versions have one alone
        for group in getattr(state, "_fsdp_param_groups", one):
            yield from getattr(group, "fsdp_params", ())
