"""A file with fewer outputs is the file that a well-kept library makes of it."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.utils import Extractor

from export.outputs import only


@pytest.mark.parametrize("wanted", [["real"], ["classes", "evidence"], ["features", "typical", "real"]])
def test_what_is_left_is_what_onnx_would_leave(careful_bundle, wanted):
    content = (careful_bundle / "dcnn.onnx").read_bytes()
    found = onnx.load_from_string(only(wanted, content))
    expected = Extractor(onnx.load_from_string(content)).extract_model(["pixels"], sorted(wanted))
    onnx.checker.check_model(found, full_check=True)
    assert sorted(output.name for output in found.graph.output) == sorted(wanted)
    assert list(found.graph.node) == list(expected.graph.node)


def test_who_wants_everything_gets_the_file_as_it_is(careful_bundle):
    content = (careful_bundle / "dcnn.onnx").read_bytes()
    every = {output.name for output in onnx.load_from_string(content).graph.output}
    assert only(every, content) == content


def test_fields_of_every_kind_are_kept():
    """Numbers of fixed size, long names, and messages of several thousand bytes."""
    value = helper.make_tensor_value_info("x" * 300, onnx.TensorProto.FLOAT, [1000])
    nodes = [
        helper.make_node("LeakyRelu", ["x" * 300], ["y"], alpha=0.25),
        helper.make_node("Add", ["y", "weights"], ["z"]),
        helper.make_node("Neg", ["y"], ["unwanted"]),
    ]
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1000]) for name in ("z", "unwanted")]
    weights = numpy_helper.from_array(np.arange(1000, dtype=np.float32), "weights")
    model = helper.make_model(helper.make_graph(nodes, "graph", [value], outputs, [weights]))
    left = onnx.load_from_string(only({"z"}, model.SerializeToString()))
    del model.graph.node[2], model.graph.output[1]
    assert left == model
