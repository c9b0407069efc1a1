"""Columns of words as an input of text in an ONNX model."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

_CODED = "coded_features"


def take_words(model: Any, words: Mapping[int, Sequence[str]], gap_texts: Collection[str]) -> None:
    """Give a model the input ``words`` (batch, list, column of words) of text.

    ``features`` keeps the other columns in their order. A word becomes its place among the words of
    its column, any other text their number, and a text that means a missing value NaN.

    Args:
        model: An `onnx.ModelProto` with an input ``features`` (batch, list, feature); is changed.
        words: By position among the features, the words of the column.
        gap_texts: What means a missing value.
    """
    from onnx import TensorProto, helper  # a dependency of exports alone

    graph = model.graph
    for node in graph.node:
        node.input[:] = [_CODED if name == "features" else name for name in node.input]
    features = next(given for given in graph.input if given.name == "features")
    batch, length, last = features.type.tensor_type.shape.dim
    others = [position for position in range(last.dim_value) if position not in words]
    given = [*others, *words]
    order = [given.index(position) for position in range(last.dim_value)]
    last.dim_value = len(others)
    shape = [batch.dim_param, length.dim_param, len(words)]
    text = helper.make_tensor_value_info("words", TensorProto.STRING, shape)
    graph.input.insert(1, text)

    nodes, parts = [], []
    columns = [f"words_of_{position}" for position in words]
    nodes.append(helper.make_node("Split", ["words"], columns, axis=2, num_outputs=len(words)))
    for column, own in zip(columns, words.values(), strict=True):
        parts.append(f"codes_of_{column}")
        keys = [*own, *sorted(gap_texts)]
        codes = [*map(float, range(len(own))), *[float("nan")] * len(gap_texts)]
        options: dict[str, Any] = {
            "keys_strings": keys,
            "values_floats": codes,
            "default_float": float(len(own)),
        }
        nodes.append(
            helper.make_node("LabelEncoder", [column], [parts[-1]], domain="ai.onnx.ml", **options)
        )
    places = helper.make_tensor("places_of_features", TensorProto.INT64, [len(order)], order)
    graph.initializer.append(places)
    nodes.append(helper.make_node("Concat", ["features", *parts], ["given_features"], axis=2))
    nodes.append(helper.make_node("Gather", ["given_features", places.name], [_CODED], axis=2))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
