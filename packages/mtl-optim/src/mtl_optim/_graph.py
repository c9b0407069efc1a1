"""Ways through an autograd graph: the leaves that it ends at, and where it may be cut."""

from collections.abc import Callable, Iterable

from torch import Tensor
from torch.utils.hooks import RemovableHandle

from ._gradients import Block


def reachable_leaves(outputs: Iterable[Tensor], *, stop: Iterable[Tensor] = ()) -> list[Tensor]:
    """Find the leaves that `backward` from `outputs` reaches; not those at `stop` or behind it."""
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
