"""What people write by hand to find persons in many files with Python: Pillow, onnxruntime, torchvision's NMS.

    by_hand.py MODEL.onnx FILE... [--processes 2] [--threads 1]

Each process has an equal share of the files and one picture at a time. Once all are warm, a line is printed; then each line
of standard input is a round over all files, answered by a line of JSON: how many seconds it took and what was found.
bench/throughput.mjs runs it; docs/cpu.md quotes it.
"""

import argparse
import json
import multiprocessing
import sys
import time

import numpy as np
import onnxruntime
import torch
from PIL import Image
from torchvision.ops import nms

STRIDES = (8, 16, 32, 64, 128)
ANCHOR = 3
SCALES = tuple(2 ** (octave / 3) for octave in range(3))
ASPECTS = ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4))
SCORE, IOU = 0.4, 0.5


def anchors_of(side: int) -> np.ndarray:
    """Centre y, centre x, height and width of every anchor."""
    levels = []
    for stride in STRIDES:
        cells = -(-side // stride)
        stride = side / cells
        centres = (np.arange(cells) + 0.5) * stride
        sizes = [(ANCHOR * stride * scale * y, ANCHOR * stride * scale * x) for scale in SCALES for x, y in ASPECTS]
        ys, xs = np.meshgrid(centres, centres, indexing="ij")
        places = np.stack([ys, xs], axis=-1)[:, :, None, :].repeat(len(sizes), axis=2)
        shapes = np.broadcast_to(np.array(sizes), (cells, cells, len(sizes), 2))
        levels.append(np.concatenate([places, shapes], axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


class Detector:
    def __init__(self, model: str, threads: int) -> None:
        torch.set_num_threads(threads)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.side = self.session.get_inputs()[0].shape[2]
        self.anchors = anchors_of(self.side)
        self.limit = float(np.log(SCORE / (1 - SCORE)))

    def detect(self, path: str) -> np.ndarray:
        """x1, y1, x2, y2 and score of every person."""
        image = Image.open(path).convert("RGB")
        scale = self.side / max(image.size)
        width, height = int(image.width * scale), int(image.height * scale)
        canvas = np.full((self.side, self.side, 3), 127, np.uint8)
        canvas[:height, :width] = image.resize((width, height), Image.Resampling.BILINEAR)
        images = ((canvas.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        regression, logits = self.session.run(["box_regression", "class_logits"], {"images": np.ascontiguousarray(images)})
        logits = logits[0, :, 0]
        chosen = np.flatnonzero(logits > self.limit)
        ty, tx, th, tw = regression[0, chosen].T
        cy, cx, h, w = self.anchors[chosen].T
        cy, cx, h, w = ty * h + cy, tx * w + cx, np.exp(th) * h, np.exp(tw) * w
        boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1)
        scores = 1 / (1 + np.exp(-logits[chosen]))
        kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), IOU)[:100].numpy()
        boxes = (boxes[kept] / scale).clip(0, [image.width, image.height, image.width, image.height])
        return np.concatenate([boxes, scores[kept, None]], axis=1)


def work(model: str, files: list[str], threads: int, link) -> None:
    detector = Detector(model, threads)
    for path in files[:20]:
        detector.detect(path)
    link.send(None)
    while link.recv():
        link.send([detector.detect(path).tolist() for path in files])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()

    # A forked process may not use what onnxruntime and PyTorch have begun.
    context = multiprocessing.get_context("spawn")
    links = []
    for first in range(arguments.processes):
        ours, theirs = context.Pipe()
        files = arguments.files[first :: arguments.processes]
        context.Process(target=work, args=(arguments.model, files, arguments.threads, theirs), daemon=True).start()
        links.append(ours)
    for link in links:
        link.recv()
    print(f"onnxruntime {onnxruntime.__version__}, Pillow {Image.__version__}, torch {torch.__version__}", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        for link in links:
            link.send(True)
        found = [link.recv() for link in links]
        seconds = time.perf_counter() - start
        detections = [None] * len(arguments.files)
        for first, some in enumerate(found):
            detections[first :: arguments.processes] = some
        print(json.dumps({"seconds": seconds, "detections": detections}), flush=True)
    for link in links:
        link.send(False)


if __name__ == "__main__":
    main()
