"""Ways through an autograd graph: the leaves that it ends at, and where it may be cut."""

from collections import Counter
from collections.abc import Callable, Iterable

from torch import Tensor
from torch.autograd.graph import GradientEdge
from torch.utils.hooks import RemovableHandle

from ._gradients import Block


def leaves_of_one(outputs: Iterable[Tensor | GradientEdge]) -> list[Tensor]:
    """Find the leaves that one of several outputs reaches alone."""
    reached = [{id(leaf): leaf for leaf in reachable_leaves([output])} for output in outputs]
    times = Counter(key for leaves in reached for key in leaves)
    if len(reached) == 1:
        return []
    return [leaf for leaves in reached for key, leaf in leaves.items() if times[key] == 1]


def reachable_leaves(
    outputs: Iterable[Tensor | GradientEdge], *, stop: Iterable[Tensor] = ()
) -> list[Tensor]:
    """Find the leaves that `backward` from `outputs` reaches; not those at `stop` or behind it."""
    stop = list(stop)
    seen = {tensor.grad_fn for tensor in stop}
    not_wanted = {id(tensor) for tensor in stop}
    leaves: dict[int, Tensor] = {}
    nodes = []
    for output in outputs:
        if isinstance(output, GradientEdge):
            nodes.append(output.node)
        elif output.grad_fn is None:
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

    def _hook(self, place: int) -> Callable[[Tensor], Tensor]:
        like = self.tensors[place].detach()
        nothing = like.new_zeros(()).expand_as(like)  # takes no memory

        def hook(gradient: Tensor) -> Tensor:
            self.arrived[place] = gradient
            return nothing

        return hook
