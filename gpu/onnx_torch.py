"""Runs one of our ONNX graphs with PyTorch, on a GPU if there is one, where TensorRT is not.

    onnx_torch.py GRAPH FOLDER < IMAGES

IMAGES are the bytes of the input, in its own type; each output's bytes go to a file of its name in FOLDER. Prints
where and how long it ran, as JSON. Only operators that our graphs have are known (lib/graph), and no ONNX package is
needed. On a CPU, whose float16 PyTorch does not compute, float32 stands in for it.
"""

import json
import math
import struct
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 10: torch.float16}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7


def fields(data):
    """Protobuf's (number, value) pairs: numbers of 64 bits, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        elif wire == 5:
            value, at = data[at : at + 4], at + 4
        else:
            raise ValueError(f"wire type {wire} is none of ONNX's")
        yield number, value


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def integers(value):
    """Of a repeated field: one number, or packed ones."""
    if isinstance(value, int):
        return [signed(value)]
    numbers, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        numbers.append(signed(number))
    return numbers


def text(value):
    return bytes(value).decode()


def read_tensor(data):
    """A TensorProto whose values are raw."""
    name, dims, kind, raw = "", [], 0, b""
    for number, value in fields(data):
        if number == 1:
            dims += integers(value)
        elif number == 2:
            kind = value
        elif number == 8:
            name = text(value)
        elif number == 9:
            raw = value
    return name, tensor_of(raw, TYPES[kind], dims)


def tensor_of(raw, kind, dims):
    return torch.frombuffer(bytearray(raw), dtype=kind).reshape(dims)


def read_attribute(data):
    name, value = "", None
    numbers = []
    for number, field in fields(data):
        if number == 1:
            name = text(field)
        elif number == 2:
            value = struct.unpack("<f", field)[0]
        elif number == 3:
            value = signed(field)
        elif number == 4:
            value = text(field)
        elif number == 8:
            numbers += integers(field)
    return name, numbers if value is None else value


class Node:
    def __init__(self, data):
        self.inputs, self.outputs, self.attributes, self.op = [], [], {}, ""
        for number, value in fields(data):
            if number == 1:
                self.inputs.append(text(value))
            elif number == 2:
                self.outputs.append(text(value))
            elif number == 4:
                self.op = text(value)
            elif number == 5:
                name, attribute = read_attribute(value)
                self.attributes[name] = attribute


def read_value(data):
    """Name, type and dimensions of a graph's input or output (ValueInfoProto)."""
    name, kind, dims = "", 0, []
    for number, value in fields(data):
        if number == 1:
            name = text(value)
        elif number == 2:
            tensor = next(field for key, field in fields(value) if key == 1)
            for key, field in fields(tensor):
                if key == 1:
                    kind = field
                elif key == 2:
                    for _, dimension in fields(field):
                        dims += [size for key, size in fields(dimension) if key == 1]
    return name, TYPES[kind], dims


class Graph:
    def __init__(self, data):
        model = memoryview(data)
        graph = next(value for number, value in fields(model) if number == 7)
        parts = list(fields(graph))
        self.nodes = [Node(value) for number, value in parts if number == 1]
        self.constants = dict(read_tensor(value) for number, value in parts if number == 5)
        self.inputs = [read_value(value) for number, value in parts if number == 11]
        self.outputs = [name for name, _, _ in (read_value(value) for number, value in parts if number == 12)]

    def run(self, images, device):
        """Outputs by name, of the only input."""
        values = {name: on(tensor, device) for name, tensor in self.constants.items()}
        values[self.inputs[0][0]] = on(images, device)
        for node in self.nodes:
            if node.op not in OPERATORS:
                raise ValueError(f"no operator {node.op} is known here")
            inputs = [values[name] if name else None for name in node.inputs]
            values[node.outputs[0]] = OPERATORS[node.op](node.attributes, *inputs)
        return {name: values[name] for name in self.outputs}


def on(tensor, device):
    """Numbers that say shapes stay on the host."""
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(device, torch.float32) if device == "cpu" else tensor.to(device)


def padded(x, pads, value):
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value) if any(pads) else x


def conv(attributes, x, weight, bias=None):
    x = padded(x, attributes.get("pads", [0, 0, 0, 0]), 0)
    return F.conv2d(x, weight, bias, attributes.get("strides", [1, 1]), 0, 1, attributes.get("group", 1))


def max_pool(attributes, x):
    x = padded(x, attributes.get("pads", [0, 0, 0, 0]), -math.inf)
    return F.max_pool2d(x, attributes["kernel_shape"], attributes.get("strides", [1, 1]))


def resize(attributes, x, _, scales):
    """Cell i comes from ⌊i / scale⌋."""
    how = (attributes["mode"], attributes["coordinate_transformation_mode"], attributes["nearest_mode"])
    if how != ("nearest", "asymmetric", "floor"):
        raise ValueError(f"Resize is only known as our graphs have it, not as {how}")
    for axis, scale in enumerate(scales.tolist()):
        if scale == 1:
            continue
        size = x.shape[axis]
        sources = [min(size - 1, math.floor(i / scale)) for i in range(math.floor(size * scale))]
        x = x.index_select(axis, torch.tensor(sources, device=x.device))
    return x


def gemm(attributes, a, b, c):
    expected = {"transA": 0, "transB": 1, "alpha": 1, "beta": 1}
    if any(attributes.get(name, value) != value for name, value in expected.items()):
        raise ValueError(f"Gemm is only known as our graphs have it, not as {attributes}")
    return F.linear(a, b, c)


def cast(attributes, x):
    kind = TYPES[attributes["to"]]
    return x.to(torch.float32 if x.device.type == "cpu" and kind == torch.float16 else kind)


def reshape(_, x, shape):
    # 0 keeps a dimension.
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(shape.tolist())])


OPERATORS = {
    "Add": lambda _, a, b: a + b,
    "Cast": cast,
    "Clip": lambda _, x, low, high: torch.minimum(torch.maximum(x, low), high),
    "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
    "Conv": conv,
    "Gemm": gemm,
    "Max": lambda _, a, b: torch.maximum(a, b),
    "MaxPool": max_pool,
    "Mul": lambda _, a, b: a * b,
    "ReduceMean": lambda attributes, x: x.mean(attributes["axes"], keepdim=True),
    "Reshape": reshape,
    "Resize": resize,
    "Sigmoid": lambda _, x: torch.sigmoid(x),
    "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
}


def main():
    path, folder = sys.argv[1:]
    # As precise as the types are.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    graph = Graph(Path(path).read_bytes())
    _, kind, dims = graph.inputs[0]
    images = tensor_of(sys.stdin.buffer.read(), kind, dims)
    begin = time.perf_counter()
    with torch.inference_mode():
        outputs = {name: value.cpu() for name, value in graph.run(images, DEVICE).items()}
    milliseconds = 1000 * (time.perf_counter() - begin)
    for name, value in outputs.items():
        (Path(folder) / name).write_bytes(value.contiguous().numpy().tobytes())
    print(json.dumps({"device": DEVICE, "torch": torch.__version__, "ms": round(milliseconds, 1)}))


if __name__ == "__main__":
    main()
