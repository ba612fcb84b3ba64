"""Exports every size with seeded random weights and builds a TensorRT-RTX engine of it (tools/rtx/build.sh).

    engines.py [--models d0 lite0 ...] [--out docs/rtx.md]

Exit code 1 if any export or build fails.
"""

import argparse
import subprocess
import sys
import tempfile
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
    parser.add_argument("--out", type=Path, help="also write the table there, as a page, row by row")
    arguments = parser.parse_args()

    rows = [HEADER]
    all_good = True
    print(HEADER, flush=True)
    for size in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            weights = save_effdet(size, Path(folder))
            for precision in ("fp32", "fp16"):
                onnx = Path(folder) / f"{size}-{precision}.onnx"
                try:
                    export(weights, onnx, "--precision", precision)
                    cells, good = build(onnx)
                except ExportFailed as error:
                    cells, good = f"**failed**: {error} | | | | |", False
                onnx.unlink(missing_ok=True)
                all_good = all_good and good
                rows.append(f"| {size} | {precision} | {cells}")
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
            "Every size, exported at its native input size with batch 1, parsed and built by TensorRT-RTX 1.7.1 for",
            "compute capabilities 8.9 and 12.0 on a machine without a GPU or a driver. This shows that the graphs",
            "parse and build; it says nothing of how fast or how exactly they run. “Peak” is the memory of the",
            "building process.",
            "",
            *rows,
            "",
            circumstances(()),
            "",
        ]
    )


if __name__ == "__main__":
    main()
