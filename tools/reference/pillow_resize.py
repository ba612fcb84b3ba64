"""Times Pillow's bilinear resize alone, for bench/preprocess.mjs.

    pillow_resize.py WIDTH HEIGHT

For each line that it reads, resizes a picture of 1920×1080 once and prints the milliseconds.
"""

import sys
import time

import PIL
from PIL import Image


def main() -> None:
    size = (int(sys.argv[1]), int(sys.argv[2]))
    # Pixels as bench/preprocess.mjs has them.
    width, height = 1920, 1080
    samples = bytes((i * 2654435761 >> 13) & 255 for i in range(3 * width * height))
    picture = Image.frombytes("RGB", (width, height), samples)
    print(f"Pillow {PIL.__version__}", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        picture.resize(size, Image.Resampling.BILINEAR)
        print((time.perf_counter() - start) * 1000, flush=True)


if __name__ == "__main__":
    main()
