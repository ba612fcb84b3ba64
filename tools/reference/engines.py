"""Exports every size with seeded random weights and builds a TensorRT-RTX engine of it (tools/rtx/build.sh).

    engines.py [--models d0 lite0 ...] [--weights FILE ...] [--out docs/rtx.md]

Weights files named with --weights are exported and built as well. Exit code 1 if any export or build fails.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from exporting import REPOSITORY, SIZES, ExportFailed, circumstances, export, save_effdet

BUILD = REPOSITORY / "tools/rtx/build.sh"
HEADER = (
    "| model | precision | layers | parse s | build s | plan MB | peak MB |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
)


def build(onnx: Path) -> tuple[str, bool]:
    """The cells that rtx-build prints for a file after its name."""
    done = subprocess.run([str(BUILD), str(onnx)], stdout=subprocess.PIPE, text=True)
    row = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else f"| {onnx} | **failed** | | | | |"
    return row.removeprefix(f"| {onnx} | "), done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SIZES, default=list(SIZES), metavar="SIZE")
    parser.add_argument("--weights", nargs="+", type=Path, default=[], metavar="FILE", help="also these")
    parser.add_argument("--out", type=Path, help="also write the table there, as a page, row by row")
    arguments = parser.parse_args()

    jobs: list[tuple[str, Callable[[Path], Path]]] = [
        *((weights.name, lambda _folder, weights=weights: weights) for weights in arguments.weights),
        *((size, lambda folder, size=size: save_effdet(size, folder)) for size in arguments.models),
    ]
    rows = [HEADER]
    all_good = True
    print(HEADER, flush=True)
    for name, make in jobs:
        with tempfile.TemporaryDirectory() as folder:
            weights = make(Path(folder))
            for precision in ("fp32", "fp16"):
                onnx = Path(folder) / f"{precision}.onnx"
                try:
                    export(weights, onnx, "--precision", precision)
                    cells, good = build(onnx)
                except ExportFailed as error:
                    cells, good = f"**failed**: {error} | | | | |", False
                onnx.unlink(missing_ok=True)
                all_good = all_good and good
                rows.append(f"| {name} | {precision} | {cells}")
                print(rows[-1], flush=True)
                # After every row: the large sizes take minutes, and what is done should outlive an interruption.
                if arguments.out is not None:
                    arguments.out.write_text(page(rows))
    sys.exit(0 if all_good else 1)


def page(rows: list[str]) -> str:
    return "\n".join(
        [
            "# Engines by TensorRT-RTX",
            "",
            "Every size, exported at its native input size with seeded random weights by effdet, and any further",
            "weights file that the command names: parsed and built by TensorRT-RTX 1.7.1 for compute capabilities",
            "8.9 and 12.0 at once, with one profile for batches of 1 to 8, on a machine without a GPU or a driver.",
            "This shows that the graphs parse and build; it says nothing of how fast or how exactly they run.",
            "“Layers” are those of TensorRT's network before it optimises; “peak” is the building process's memory.",
            "Seconds depend on what else the machine does.",
            "",
            "[How to run this again](../tools/reference/README.md).",
            "",
            *rows,
            "",
            circumstances(()),
            "",
        ]
    )


if __name__ == "__main__":
    main()
