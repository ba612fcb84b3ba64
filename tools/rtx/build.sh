#!/usr/bin/env bash
# Parses ONNX files with TensorRT-RTX and builds engines of them; a CPU is enough (see rtx-build.cc).
#
#   tools/rtx/build.sh MODEL.onnx...
#
# Needs g++, python3 with pip, and NVIDIA's headers in ../shared/third_party/tensorrt-rtx-1.7 beside the repository
# (or in the folder that TENSORRT_RTX_INCLUDE names). Libraries are installed once into .cache/rtx.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache=$repository/.cache/rtx
headers=${TENSORRT_RTX_INCLUDE:-$repository/../shared/third_party/tensorrt-rtx-1.7/include}
packages=$cache/packages
program=$cache/rtx-build

[[ -f $headers/NvInfer.h ]] || {
  echo "build.sh: no NvInfer.h in $headers; set TENSORRT_RTX_INCLUDE to TensorRT-RTX 1.7's headers." >&2
  exit 1
}
if [[ ! -f $packages/complete ]]; then
  echo "Installing TensorRT-RTX 1.7.1 and CUDA 13's runtime headers into $packages ..." >&2
  rm -rf "$packages"
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$packages" \
    'tensorrt-rtx-cu13-libs==1.7.1.*' 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-crt==13.0.*'
  touch "$packages/complete"
fi
libraries=$(dirname "$(find "$packages" -name 'libtensorrt_rtx.so.1' -print -quit)")
[[ -f $libraries/libtensorrt_onnxparser_rtx.so.1 ]] || {
  echo "build.sh: $packages lacks TensorRT-RTX's libraries; delete it and run this again." >&2
  exit 1
}
if [[ ! $program -nt $here/rtx-build.cc ]]; then
  g++ -std=c++17 -O2 -Wall -Wextra -isystem "$headers" -isystem "$packages/nvidia/cu13/include" \
    "$here/rtx-build.cc" -o "$program" -ldl
fi
exec "$program" "$libraries" "$@"
