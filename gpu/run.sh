#!/usr/bin/env bash
# Checks and times this package on the GPU of a machine that need have nothing but its driver, Python and, for the
# steps that use them, PyTorch and compute-sanitizer: no Node, no network.
#
#   run.sh [--tensorrt] [--minutes 4] [--only STEP,STEP] [--out FOLDER] [--dry-run]
#
# --tensorrt goes on with engines, for which it takes up to 40 minutes more: TensorRT's libraries are where the system
# looks or in the folder that TENSORRT_PATH names. --dry-run has a CPU stand in for the GPU.
#
# What was found is printed, and written to gpu-kit-DATE.json in --out (./results).
set -euo pipefail
kit=$(cd "$(dirname "$0")" && pwd)
if [[ ! -x $kit/unpacked/node ]]; then
  echo "Unpacking ..."
  rm -rf "$kit/unpacked" "$kit/unpacking"
  # Python's tarfile, for a bare machine may have no xz.
  python3 -W ignore - "$kit" <<'EOF'
import sys, tarfile
from concurrent.futures import ThreadPoolExecutor
def unpack(name):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar.xz") as archive:
        archive.extractall(f"{sys.argv[1]}/unpacking")
with ThreadPoolExecutor() as pool:
    list(pool.map(unpack, ["platform", "project"]))
EOF
  mv "$kit/unpacking" "$kit/unpacked"
fi
exec "$kit/unpacked/node" "$kit/unpacked/project/gpu/kit.mjs" "$@"
