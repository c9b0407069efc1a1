"""What the layers saw in the forward, kept on the graph that the forward built."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node
from torch.utils.hooks import RemovableHandle

_KEY = "mtl_optim.use"  # of the entry in a node's metadata


@dataclass(frozen=True, eq=False)
class Use:
    """One call of a layer: the layer, and what it was given."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    versions: tuple[int, ...]  # of the tensors among the arguments
    place: int  # of the output among those of its node
    others: tuple[Node, ...]  # of what else it gave

    @property
    def inputs(self) -> list[Tensor]:
        """The tensors among the arguments."""
        return _tensors(self.args, self.kwargs)

    @property
    def intact(self) -> bool:
        """Whether the arguments are still what the layer saw: nothing changed them in place."""
        return self.versions == tuple(x._version for x in self.inputs)


def _tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    return [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]


def watch(modules: nn.Module | Iterable[nn.Module]) -> list[RemovableHandle]:
    """Let the layers of a model note their inputs, for `backward(losses, method, modules=model)`.

    `backward` does this itself, but sees the layers from the next forward on. Watched before the
    first one, a model spares it one slow step. A note is kept on the graph that the forward builds
    and goes with it: a forward without gradients keeps nothing. A layer that is watched already is
    left as it is.

    Args:
        modules: A model, or several.

    Returns:
        The handles of the new hooks; `handle.remove()` takes one off.

    Examples:
        >>> len(watch(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))))
        2
    """
    given = [modules] if isinstance(modules, nn.Module) else list(modules)
    return [
        layer.register_forward_hook(_note, prepend=True, with_kwargs=True)
        for module in given
        for layer in module.modules()
        if _is_layer(layer) and _note not in layer._forward_hooks.values()
    ]


def _is_layer(module: nn.Module) -> bool:
    """Return whether a module uses its parameters itself, and has no others within it."""
    own = any(True for _ in module.parameters(recurse=False))
    within = any(True for child in module.children() for _ in child.parameters())
    return own and (not within or isinstance(module, nn.MultiheadAttention))


def _note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """Note a call of a layer on the node of its output."""
    if torch.compiler.is_compiling():  # a compiled graph has no nodes to note it on
        return
    outputs = [x for x in _flat(output) if isinstance(x, Tensor)]
    nodes = [(x.grad_fn, x.output_nr) for x in outputs if x.grad_fn is not None]
    if nodes:
        node, place = nodes[0]
        others = tuple(other for other, _ in nodes[1:])
        versions = tuple(x._version for x in _tensors(args, kwargs))
        _metadata(node)[_KEY] = Use(module, args, kwargs, versions, place, others)


def _metadata(node: Node) -> dict[Any, Any]:
    return cast("dict[Any, Any]", node.metadata)  # a property, which torch declares a method


def _flat(output: Any) -> Iterator[Any]:
    if isinstance(output, tuple):
        for part in output:
            yield from _flat(part)
    else:
        yield output


@dataclass(eq=False)
class Found:
    """What a walk from the losses finds."""

    uses: list[tuple[GradientEdge, Use]] = field(default_factory=list)
    leaves: list[Tensor] = field(default_factory=list)
    noted: set[int] = field(default_factory=set)  # ids of parameters that layers alone use


def find_uses(outputs: Iterable[Tensor], parameters: Iterable[Tensor]) -> Found:
    """Walk the graph of the losses: the calls of layers on it, and the leaves that it ends at.

    A parameter is noted where each edge that leads to it starts within a call of a layer that owns
    it: behind the call's output, and not behind its inputs.
    """
    found = Found()
    wanted = {id(p) for p in parameters}
    leaves: dict[int, Tensor] = {}
    edges: dict[int, set[tuple[Node, int]]] = {}
    nodes = [output.grad_fn for output in outputs if output.grad_fn is not None]
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        use = _metadata(node).get(_KEY)
        if use is not None and use.intact:
            found.uses.append((GradientEdge(node, use.place), use))
        for place, (behind, _) in enumerate(node.next_functions):
            if behind is None:
                continue
            leaf = getattr(behind, "variable", None)
            if leaf is not None:
                leaves[id(leaf)] = leaf
                if id(leaf) in wanted:
                    edges.setdefault(id(leaf), set()).add((node, place))
            elif behind not in seen:
                seen.add(behind)
                nodes.append(behind)
    found.leaves = list(leaves.values())
    found.uses = [(edge, use) for edge, use in found.uses if seen.isdisjoint(use.others)]
    for edge, use in found.uses:
        for key, inner in _edges_within(edge.node, use):
            if key in edges:
                edges[key].discard(inner)
    found.noted = {key for key, left in edges.items() if not left}
    return found


def _edges_within(output: Node, use: Use) -> Iterable[tuple[int, tuple[Node, int]]]:
    """Yield the edges from a call of a layer to its own parameters."""
    own = {id(p) for p in use.module.parameters()}
    seen = {x.grad_fn for x in use.inputs}
    nodes = [output]
    while nodes:
        node = nodes.pop()
        seen.add(node)
        for place, (behind, _) in enumerate(node.next_functions):
            if behind is None or behind in seen:
                continue
            leaf = getattr(behind, "variable", None)
            if leaf is None:
                nodes.append(behind)
            elif id(leaf) in own:
                yield id(leaf), (node, place)


def forget(uses: Iterable[tuple[GradientEdge, Use]]) -> None:
    """Let go of what the layers saw, once the graph is used up."""
    for edge, _ in uses:
        _metadata(edge.node).pop(_KEY, None)
