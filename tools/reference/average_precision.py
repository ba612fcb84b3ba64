"""Measures the bundled model on ../shared/data/person/val with pycocotools: what models/person/README.md quotes.

    average_precision.py [--model person] [--enlarged 4000] [--decode exact fast]

Detections come from `efficientdet detect --json`, at most 100 a picture, with scores above 0.001. Enlarged pictures are
bicubic, JPEG of quality 90, and lie in .cache/reference while they are needed.
"""

import argparse
import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from exporting import REPOSITORY, circumstances

DATA = REPOSITORY.parent / "shared/data/person"


def enlarge(folder: str, side: int) -> None:
    def write(path: Path) -> None:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        scale = side / max(picture.size)
        size = tuple(round(length * scale) for length in picture.size)
        picture.resize(size, Image.Resampling.BICUBIC).save(os.path.join(folder, path.name), quality=90)

    with ThreadPoolExecutor() as threads:
        list(threads.map(write, sorted((DATA / "val").iterdir())))


def evaluate(truth: COCO, folder: str, model: str, decode: str) -> None:
    command = ["node", str(REPOSITORY / "dist/cli/main.js"), "detect", folder, "--model", model, "--decode", decode]
    done = subprocess.run([*command, "--json", "--score-threshold", "0.001"], stdout=subprocess.PIPE, text=True, check=True)
    images = {os.path.basename(image["file_name"]): image for image in truth.dataset["images"]}
    category = truth.dataset["categories"][0]["id"]
    results = []
    for line in done.stdout.splitlines():
        picture = json.loads(line)
        image = images[os.path.basename(picture["source"])]
        # The truth is told for the size that the pictures had.
        x, y = image["width"] / picture["width"], image["height"] / picture["height"]
        for detection in picture["detections"]:
            x1, y1, x2, y2 = detection["box"]
            results.append(
                {
                    "image_id": image["id"],
                    "category_id": category,
                    "bbox": [x1 * x, y1 * y, (x2 - x1) * x, (y2 - y1) * y],
                    "score": detection["score"],
                }
            )
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = ("AP", "AP50", "AP75", "small", "medium", "large")
    print(f"decode {decode}: " + ", ".join(f"{name} {value:.4f}" for name, value in zip(names, evaluation.stats)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="person")
    parser.add_argument("--enlarged", type=int, help="pixels of the longer side that pictures are enlarged to")
    parser.add_argument("--decode", nargs="+", default=["exact"], choices=("exact", "fast"))
    arguments = parser.parse_args()

    truth = COCO(str(DATA / "val.json"))
    cache = REPOSITORY / ".cache/reference"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        if arguments.enlarged:
            enlarge(folder, arguments.enlarged)
        for decode in arguments.decode:
            evaluate(truth, folder if arguments.enlarged else str(DATA / "val"), arguments.model, decode)
    if arguments.enlarged:
        print(f"pictures enlarged to {arguments.enlarged} pixels")
    print(circumstances(("pycocotools",)))


if __name__ == "__main__":
    main()
