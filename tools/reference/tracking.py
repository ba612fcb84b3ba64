"""Compares `efficientdet track` with `trackers` by MOTA, HOTA and IDF1, on ../shared/data/tracking.

    tracking.py

Both get the detections of the two sequences that have ground truth, with the scores that these files have, and again
with 0.9 for all. Exit code 1 where a metric differs by 0.01 or more (of 100).
"""

import csv
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy
import supervision
from trackers import ByteTrackTracker, OCSORTTracker
from trackers.eval import evaluate_mot_sequence

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY.parent / "shared/data/tracking"
FRAME_RATE = 25.0
TRACKERS = {"bytetrack": ByteTrackTracker, "ocsort": OCSORTTracker}


def rows_of(sequence, score):
    with open(DATA / f"{sequence}.csv") as file:
        for row in csv.DictReader(file):
            box = [row[name] for name in ("x", "y", "width", "height")]
            yield int(row["frame"]), *box, row["score"] if score is None else score


def ours(rows, tracker, folder):
    detections = folder / "det.txt"
    detections.write_text("".join(f"{frame},-1,{','.join(rest)}\n" for frame, *rest in rows))
    command = ["node", str(REPOSITORY / "dist/cli/main.js"), "track", str(detections)]
    options = ["--tracker", tracker, "--fps", str(FRAME_RATE)]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=True)
    return [line.split(",")[:7] for line in done.stdout.splitlines()]


def theirs(rows, tracker):
    tracker = TRACKERS[tracker](frame_rate=FRAME_RATE)
    frames = defaultdict(list)
    for frame, *rest in rows:
        frames[frame].append(rest)
    for frame in range(1, max(frames) + 1):
        values = numpy.array(frames[frame], float).reshape(-1, 5)
        x, y, width, height, score = values.T
        boxes = numpy.stack([x, y, x + width, y + height], 1)
        detections = supervision.Detections(xyxy=boxes, confidence=score, data={"row": numpy.arange(len(boxes))})
        tracked = tracker.update(detections)
        for i, row in enumerate(tracked.data.get("row", [])):
            yield [str(frame), str(tracked.tracker_id[i]), *frames[frame][row]]


def metrics(sequence, rows, folder):
    """@param rows: frame, id, x, y, width, height, score"""
    found = folder / "found.txt"
    found.write_text("".join(f"{frame},{int(id) + 1},{','.join(rest)},-1,-1,-1\n" for frame, id, *rest in rows if id != "-1"))
    truth = folder / "gt.txt"
    lines = (DATA / f"{sequence}.gt.txt").read_text().split()
    truth.write_text("".join(f"{','.join(line.split(',')[:6])},1,1,1\n" for line in lines))
    result = evaluate_mot_sequence(truth, found, metrics=["CLEAR", "HOTA", "Identity"])
    return 100 * result.CLEAR.MOTA, 100 * result.HOTA.HOTA, 100 * result.Identity.IDF1


def main():
    worst = 0
    print("sequence         scores  tracker    MOTA, HOTA, IDF1 of efficientdet-trt | of trackers")
    for sequence in ("TUD-Campus", "TUD-Stadtmitte"):
        for score in (None, "0.9"):
            for tracker in TRACKERS:
                with tempfile.TemporaryDirectory() as name:
                    folder = Path(name)
                    rows = list(rows_of(sequence, score))
                    both = [ours(rows, tracker, folder), list(theirs(rows, tracker))]
                    values = [metrics(sequence, found, folder) for found in both]
                worst = max(worst, *(abs(a - b) for a, b in zip(*values)))
                shown = " | ".join(" ".join(f"{value:.3f}" for value in it) for it in values)
                print(f"{sequence:16} {score or 'seeded':7} {tracker:10} {shown}")
    print(f"largest difference {worst:.6f}")
    sys.exit(worst >= 0.01)


if __name__ == "__main__":
    main()
