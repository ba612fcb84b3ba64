"""Measures the bundled model on ../shared/data/person/val with pycocotools: what models/person/README.md quotes.

    average_precision.py [--model person]

Detections come from `efficientdet detect --json`, at most 100 a picture, with scores above 0.001.
"""

import argparse
import json
import os
import subprocess

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from exporting import REPOSITORY, circumstances

DATA = REPOSITORY.parent / "shared/data/person"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="person")
    model = parser.parse_args().model

    command = ["node", str(REPOSITORY / "dist/cli/main.js"), "detect", str(DATA / "val"), "--model", model]
    done = subprocess.run([*command, "--json", "--score", "0.001"], stdout=subprocess.PIPE, text=True, check=True)
    truth = COCO(str(DATA / "val.json"))
    images = {os.path.basename(image["file_name"]): image["id"] for image in truth.dataset["images"]}
    category = truth.dataset["categories"][0]["id"]
    results = []
    for line in done.stdout.splitlines():
        picture = json.loads(line)
        for detection in picture["detections"]:
            x1, y1, x2, y2 = detection["box"]
            results.append(
                {
                    "image_id": images[os.path.basename(picture["source"])],
                    "category_id": category,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": detection["score"],
                }
            )
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = ("AP", "AP50", "AP75", "small", "medium", "large")
    print(", ".join(f"{name} {value:.4f}" for name, value in zip(names, evaluation.stats)))
    print(circumstances(("pycocotools",)))


if __name__ == "__main__":
    main()
