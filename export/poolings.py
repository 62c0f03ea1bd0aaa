"""A pooling before a GELU, in two steps.

OpenVINO (2026.4) moves what follows a convolution's max pooling before it, to pool less often, a GELU too. But of the
largest of some numbers that is not the largest: below 0 it falls before it rises. Two poolings, of two rows and then of
two columns, give the same numbers everywhere, and nothing is moved.
"""

from onnx import ModelProto, NodeProto, helper


def halve_poolings(model: ModelProto) -> None:
    """Makes two MaxPools of each whose input is a convolution's output and whose output enters a GELU."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    within = {name for node in model.graph.node if node.op_type == "Erf" for name in made_by[node.input[0]].input}
    nodes = []
    for node in model.graph.node:
        if node.op_type == "MaxPool" and node.output[0] in within and made_by[node.input[0]].op_type == "Conv":
            nodes += halves(node)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def halves(node: NodeProto) -> list[NodeProto]:
    """A MaxPool of squares that do not overlap, as one of columns and one of rows."""
    told = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    (height, width), name, between = told["kernel_shape"], node.name, f"{node.output[0]}_half"

    def pool(taken: str, given: str, kernel: list[int], part: str) -> NodeProto:
        return helper.make_node("MaxPool", [taken], [given], f"{name}_{part}", kernel_shape=kernel, strides=kernel)

    return [
        pool(node.input[0], between, [height, 1], "rows"),
        pool(between, node.output[0], [1, width], "columns"),
    ]
