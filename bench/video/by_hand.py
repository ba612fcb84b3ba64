"""A clip to an annotated one as scripts do it: OpenCV, onnxruntime, trackers, supervision, frame by frame.

by_hand.py CLIP MODEL.onnx ANCHORS.f32 OUTPUT.mp4: prints frames and seconds as JSON. Needs pip install
opencv-python-headless onnxruntime trackers supervision.
"""
import json
import sys
import time

import cv2
import numpy as np
import onnxruntime
import supervision as sv
from trackers import ByteTrackTracker

clip, model, anchors_file, output = sys.argv[1:]
SIDE = 320
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
anchors = np.fromfile(anchors_file, dtype=np.float32).reshape(-1, 4)

start = time.perf_counter()
capture = cv2.VideoCapture(clip)
info = sv.VideoInfo.from_video_path(clip)
tracker = ByteTrackTracker(frame_rate=info.fps)
boxes_of, labels_of, traces_of = sv.BoxAnnotator(), sv.LabelAnnotator(), sv.TraceAnnotator()


def detect(frame):
    height, width = frame.shape[:2]
    scale = SIDE / max(height, width)
    inner = cv2.resize(frame, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((SIDE, SIDE, 3), 127, dtype=np.uint8)
    canvas[: inner.shape[0], : inner.shape[1]] = inner
    images = (canvas[:, :, ::-1].astype(np.float32).transpose(2, 0, 1)[None] - 127) / 128
    regression, logits = session.run(None, {"images": images})
    scores = 1 / (1 + np.exp(-logits[0, :, 0]))
    keep = scores > 0.1
    (cy, cx, h, w), (ty, tx, th, tw) = anchors[keep].T, regression[0, keep].T
    y, x, bh, bw = ty * h + cy, tx * w + cx, np.exp(th) * h, np.exp(tw) * w
    corners = np.stack([x - bw / 2, y - bh / 2, x + bw / 2, y + bh / 2], axis=1) / scale
    corners = np.clip(corners, 0, [width, height, width, height])
    found = sv.Detections(xyxy=corners, confidence=scores[keep], class_id=np.zeros(keep.sum(), dtype=int))
    return found.with_nms(0.5)


frames = 0
with sv.VideoSink(output, info) as sink:
    while True:
        read, frame = capture.read()
        if not read:
            break
        found = tracker.update(detect(frame))
        found = found[found.tracker_id != -1] if found.tracker_id is not None else found
        ids = found.tracker_id if found.tracker_id is not None else []
        labels = [f"person #{i} {score:.2f}" for i, score in zip(ids, found.confidence)]
        frame = boxes_of.annotate(frame, found)
        if len(labels) > 0:
            frame = traces_of.annotate(frame, found)
            frame = labels_of.annotate(frame, found, labels)
        sink.write_frame(frame)
        frames += 1
capture.release()
print(json.dumps({"frames": frames, "seconds": time.perf_counter() - start}))
