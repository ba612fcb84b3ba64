#!/usr/bin/env bash
# Brings what the TensorRT backends are built with and tested against into .cache, each once, unless it is there.
#
#   tools/setup-cuda.sh             nvcc and CUDA's static runtime, where no CUDA is installed; NVTX's headers
#   tools/setup-cuda.sh arm64       CUDA's runtime for 64-bit ARM, for cross builds
#   tools/setup-cuda.sh nvdisasm    CUDA's disassembler, for tools/ptxas-report.mjs
#   tools/setup-cuda.sh rtx         TensorRT-RTX's libraries, with which tests build engines on a CPU
#   tools/setup-cuda.sh tensorrt10  TensorRT 10's libraries (0.7 GB), which tests load
#
# Several may be named. Needs Python 3 with pip; tensorrt10 needs Maven and unzip. No GPU, no root.
set -euo pipefail
cd "$(dirname "$0")/.."

cuda=13.0
rtx=1.7.1
tensorrt10=10.15-1.5.13
cache=.cache

# Calls $2 with an empty folder, which becomes $1 when all is there: what was interrupted is no folder of that name.
once() (
  folder=$1 make=$2
  [[ ! -e $folder ]] || { echo "$folder is there."; exit; }
  echo "Making $folder ..."
  unfinished=$folder.$$
  trap 'rm -rf "$unfinished"' EXIT
  mkdir -p "$unfinished"
  "$make" "$unfinished"
  mv -T "$unfinished" "$folder"
)

install_wheels() {
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$@"
}

make_cuda() {
  install_wheels "$1" "nvidia-cuda-nvcc==$cuda.*" "nvidia-cuda-runtime==$cuda.*" "nvidia-cuda-crt==$cuda.*" \
    "nvidia-nvvm==$cuda.*" "nvidia-cuda-cccl==$cuda.*"
  # The wheels' libraries lie in lib, and nvcc looks in lib64.
  ln -s lib "$1/nvidia/cu13/lib64"
}

make_nvtx() {
  install_wheels "$1" "nvidia-nvtx==$cuda.*"
}

make_arm64() {
  install_wheels "$1" --platform manylinux2014_aarch64 --only-binary=:all: "nvidia-cuda-runtime==$cuda.*"
}

# Its versions have no 13.0; it reads what earlier compilers make.
make_nvdisasm() {
  install_wheels "$1" "nvidia-cuda-nvdisasm==13.5.*"
}

make_rtx() {
  install_wheels "$1/wheel" "tensorrt-rtx-cu13-libs==$rtx.*"
  find "$1/wheel" -name '*.so.*' -exec mv -t "$1" {} +
  rm -r "$1/wheel"
}

make_tensorrt10() {
  local jar=tensorrt-$tensorrt10-linux-x86_64-redist.jar
  mvn -q dependency:copy -Dartifact="org.bytedeco:tensorrt:$tensorrt10:jar:linux-x86_64-redist" \
    -DoutputDirectory="$PWD/$1" -Dmdep.useBaseVersion=true
  # A jar is a zip. The other libraries, for dispatching and for Windows, are not used.
  unzip -q -j "$1/$jar" '*/libnvinfer.so.10' '*/libnvonnxparser.so.10' -d "$1"
  rm "$1/$jar"
}

[[ $# -gt 0 ]] || set -- cuda
for wanted in "$@"; do
  case $wanted in
    cuda)
      installed=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
      if [[ -n $installed ]]; then
        echo "CUDA is installed: $installed"
      else
        once $cache/cuda make_cuda
      fi
      once $cache/nvtx make_nvtx
      ;;
    arm64) once $cache/cuda-arm64 make_arm64 ;;
    nvdisasm) once $cache/nvdisasm make_nvdisasm ;;
    rtx) once $cache/tensorrt/rtx make_rtx ;;
    tensorrt10) once $cache/tensorrt/10 make_tensorrt10 ;;
    *)
      echo "setup-cuda: unknown argument $wanted; expected cuda, arm64, nvdisasm, rtx or tensorrt10." >&2
      exit 2
      ;;
  esac
done
