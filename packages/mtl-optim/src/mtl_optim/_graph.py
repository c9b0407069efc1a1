"""Ways through an autograd graph: the leaves that it ends at, and where it may be cut."""

from collections.abc import Callable, Container, Iterable

from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from ._gradients import Block

_Nodes = dict[Node, Tensor | None]
"""Nodes of a graph, with the leaf of those that accumulate into one."""


def leaves_of_one(outputs: Iterable[Tensor | GradientEdge]) -> list[Tensor]:
    """Find the leaves that one of several outputs reaches alone."""
    starts, seen, shared = _nodes(outputs), _Nodes(), _Nodes()
    if len(starts) == 1:
        return []
    meetings = []
    for start in starts:
        own = _Nodes()
        meetings += _walk([start], own, stop=seen)
        seen |= own
    _walk(meetings, shared)
    return [leaf for node, leaf in seen.items() if leaf is not None and node not in shared]


def reachable_leaves(outputs: Iterable[Tensor], *, stop: Iterable[Tensor] = ()) -> list[Tensor]:
    """Find the leaves that `backward` from `outputs` reaches; not those at `stop` or behind it."""
    found = _Nodes()
    _walk(_nodes(outputs), found, stop=set(_nodes(stop)))
    return [leaf for leaf in found.values() if leaf is not None]


def has_hidden_parameters(outputs: Iterable[Tensor]) -> bool:
    """Return whether a checkpoint with `use_reentrant=True` is behind the outputs.

    Its parameters are not on the graph until a backward into `.grad` runs the forward again.
    """
    found = _Nodes()
    _walk(_nodes(outputs), found)
    return any(node.name() == "CheckpointFunctionBackward" for node in found)


def _nodes(tensors: Iterable[Tensor | GradientEdge]) -> list[Node]:
    edges = (t if isinstance(t, GradientEdge) else get_gradient_edge(t) for t in tensors)
    return [edge.node for edge in edges]


def _walk(nodes: Iterable[Node], found: _Nodes, stop: Container[Node] = ()) -> list[Node]:
    """Add all nodes behind some to those that were found; return where `stop` was met."""
    todo, met = list(nodes), []
    while todo:
        node = todo.pop()
        if node in stop:
            met.append(node)
        elif node not in found:
            # An AccumulateGrad node has its leaf as `variable`.
            found[node] = getattr(node, "variable", None)
            todo.extend(edge[0] for edge in node.next_functions if edge[0] is not None)
    return met


class Cut:
    """While it lasts, gradients that arrive at tensors end there.

    `torch.autograd.grad` with respect to features and to parameters would follow the graph behind
    the features too, where a parameter is reached on both ways, and count that way twice. A leaf
    has nothing behind it.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.tensors = list(tensors)
        self.arrived: dict[int, Tensor] = {}
        self.handles: list[RemovableHandle] = []

    def __enter__(self) -> "Cut":
        for place, tensor in enumerate(self.tensors):
            if tensor.grad_fn is not None:
                handle = tensor.register_hook(self._hook(place))  # type: ignore[no-untyped-call]  # torch does not annotate it
                self.handles.append(handle)
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()

    def taken(self, gradients: Iterable[Tensor | None]) -> Block:
        """Return the gradients of one walk, those that arrived at the cut in their places."""
        found = list(gradients)
        for place, tensor in enumerate(self.tensors):
            if tensor.grad_fn is not None:
                found[place] = self.arrived.pop(place, None)
        return found

    def _hook(self, place: int) -> Callable[[Tensor | None], Tensor | None]:
        like = self.tensors[place].detach()
        nothing = like.new_zeros(()).expand_as(like)  # takes no memory

        def hook(gradient: Tensor | None) -> Tensor | None:
            if gradient is None:  # it arrived at another output of the node that computed this one
                return None
            self.arrived[place] = gradient
            return nothing

        return hook
