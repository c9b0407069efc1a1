"""The leaves of an autograd graph."""

from collections.abc import Iterable

from torch import Tensor


def reachable_leaves(outputs: Iterable[Tensor], *, stop: Iterable[Tensor] = ()) -> list[Tensor]:
    """The leaf tensors that `backward` from `outputs` would give a gradient.

    Args:
        outputs: Tensors with a graph.
        stop: Tensors behind which the search does not go; they are not returned.

    Examples:
        >>> import torch
        >>> a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        >>> hidden = a * 2
        >>> [leaf is b for leaf in reachable_leaves([hidden @ b], stop=[hidden])]
        [True]
    """
    stop = list(stop)
    seen = {tensor.grad_fn for tensor in stop}
    not_wanted = {id(tensor) for tensor in stop}
    leaves: dict[int, Tensor] = {}
    nodes = []
    for output in outputs:
        if output.grad_fn is None:
            leaves[id(output)] = output
        else:
            nodes.append(output.grad_fn)
    while nodes:
        node = nodes.pop()
        if node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)  # the mark of an AccumulateGrad node
        if leaf is not None:
            leaves[id(leaf)] = leaf
        nodes.extend(edge[0] for edge in node.next_functions if edge[0] is not None)
    return [leaf for key, leaf in leaves.items() if key not in not_wanted]
