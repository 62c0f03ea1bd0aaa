"""An ONNX file that gives only some of its outputs, and computes nothing else. The standard library only.

onnxruntime computes all that a file's outputs need, also those that nobody asks for. The file is read as Protocol
Buffers lay messages out (protobuf.dev/programming-guides/encoding), by the numbers of its fields in onnx.proto.
"""

from collections.abc import Collection, Iterator

GRAPH = 7  # of a ModelProto
NODE, OUTPUT = 1, 12  # of a GraphProto
INPUTS, OUTPUTS = 1, 2  # of a NodeProto: names
NAME = 1  # of a ValueInfoProto
LENGTH_DELIMITED = 2  # wire type of names and messages
FIXED = {1: 8, 5: 4}  # bytes of a value of these wire types

Field = tuple[int, bytes, bytes]  # number, content, and all of it as it stands in its message


def only(wanted: Collection[str], model: bytes) -> bytes:
    """The ONNX file without its other outputs and without the nodes that only those need.

    For graphs as export.to_onnx makes them: nodes in the order in which they run, none with a graph inside.
    """
    changed = []
    for number, content, whole in fields(model):
        changed.append(message(GRAPH, graph_of(wanted, content)) if number == GRAPH else whole)
    return b"".join(changed)


def graph_of(wanted: Collection[str], graph: bytes) -> bytes:
    needed, kept = set(wanted), []
    for number, content, whole in reversed(list(fields(graph))):  # who needs something comes after it
        if number == NODE:
            if needed.isdisjoint(names(OUTPUTS, content)):
                continue
            needed.update(names(INPUTS, content))
        elif number == OUTPUT and needed.isdisjoint(names(NAME, content)):
            continue
        kept.append(whole)
    return b"".join(reversed(kept))


def names(number: int, content: bytes) -> list[str]:
    """Those in a message's fields of this number."""
    return [name.decode() for found, name, _ in fields(content) if found == number]


def fields(content: bytes) -> Iterator[Field]:
    at = 0
    while at < len(content):
        begin = at
        key, at = varint(content, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == LENGTH_DELIMITED:
            size, at = varint(content, at)
        elif wire_type in FIXED:
            size = FIXED[wire_type]
        else:
            size = varint(content, at)[1] - at
        yield number, content[at : at + size], content[begin : at + size]
        at += size


def varint(content: bytes, at: int) -> tuple[int, int]:
    """The whole number that begins there, and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            return value, at


def message(number: int, content: bytes) -> bytes:
    return as_varint(number << 3 | LENGTH_DELIMITED) + as_varint(len(content)) + content


def as_varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
