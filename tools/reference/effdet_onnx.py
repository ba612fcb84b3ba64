"""Writes effdet's D0 with random weights, as a checkpoint and as PyTorch's own ONNX export of it, for bench/cpu.mjs.

    effdet_onnx.py [--out .cache/reference/effdet]

The export is what a user of effdet gets: torch.onnx.export at opset 17, constants folded, nothing else done to it.
Its outputs are effdet's lists of feature maps, one for each level and head.
"""

import argparse
from pathlib import Path

import torch

from exporting import REPOSITORY, SEED, effdet_name, save_weights
from lively import effdet_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPOSITORY / ".cache/reference/effdet")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    name = effdet_name("d0")
    network = effdet_network(name, SEED)
    print(save_weights(network, out, name))
    onnx = out / f"{name}.onnx"
    images = torch.zeros(1, 3, *network.config.image_size)
    torch.onnx.export(network, (images,), str(onnx), input_names=["images"], opset_version=17, dynamo=False)
    print(onnx)


if __name__ == "__main__":
    main()
