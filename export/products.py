"""A generator's first layer as the matrix product that it is.

DCGAN's first layer is a transposed convolution of a single point (1x1): each of its outputs is one dot product with the
latent. As a convolution, onnxruntime reads all its weights again for every picture of a batch; as a product, once.
"""

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper


def multiply_points(model: ModelProto) -> None:
    """Makes a MatMul of each ConvTranspose whose input is a point N,C,1,1 that was N,C before it was unsqueezed.

    The weights stay the numbers that they are, and a picture is the same alone or in any batch.
    """
    graph, nodes = model.graph, []
    makers = {name: node for node in graph.node for name in node.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        point = makers.get(node.input[0]) if node.input else None
        if is_point(point, stored) and spreads_a_point(node):
            nodes += product(node, point.input[0], stored, graph)
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input} | {output.name for output in graph.output}
    replace(graph.node, [node for node in nodes if used & set(node.output)])
    made = {name for node in graph.node for name in node.output}
    used = {name for node in graph.node for name in node.input}
    replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    replace(graph.value_info, [value for value in graph.value_info if value.name in made])


def is_point(node: NodeProto | None, stored: dict[str, TensorProto]) -> bool:
    """Whether a node makes N,C,1,1 of N,C."""
    axes = stored.get(node.input[1]) if node is not None and node.op_type == "Unsqueeze" else None
    return axes is not None and sorted(numpy_helper.to_array(axes).tolist()) in ([2, 3], [-2, -1])


def spreads_a_point(node: NodeProto) -> bool:
    """Whether a node is a ConvTranspose that makes a kernel of a point: nothing cut off or between, in one group."""
    told = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    whole = not any((*told.get("pads", ()), *told.get("output_padding", ()))) and "output_shape" not in told
    dense = all(dilation == 1 for dilation in told.get("dilations", ())) and told.get("group", 1) == 1
    return node.op_type == "ConvTranspose" and whole and dense


def product(node: NodeProto, point: str, stored: dict[str, TensorProto], graph: GraphProto) -> list[NodeProto]:
    """MatMul, Reshape and Add in place of a ConvTranspose: its weight C,D,h,w is read as C,D*h*w."""
    weight, biases, out = stored[node.input[1]], node.input[2:], node.output[0]
    inner, outer, height, width = weight.dims
    replace(weight.dims, [inner, outer * height * width])
    shape = helper.make_tensor(f"{out}_shape", TensorProto.INT64, [4], [-1, outer, height, width])
    graph.initializer.append(shape)
    flat, whole = f"{out}_flat", f"{out}_unbiased" if biases else out
    nodes = [
        helper.make_node("MatMul", [point, weight.name], [flat], f"{out}_product"),
        helper.make_node("Reshape", [flat, shape.name], [whole], f"{out}_reshape"),
    ]
    for bias in biases:
        replace(stored[bias].dims, [outer, 1, 1])
        nodes.append(helper.make_node("Add", [whole, bias], [out], f"{out}_add"))
    return nodes


def replace(field, items: list) -> None:
    """Puts other items into a repeated field."""
    del field[:]
    field.extend(items)
