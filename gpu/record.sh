#!/usr/bin/env bash
# Runs a program and keeps what it read and what it wrote: record.sh FOLDER PROGRAM. Tests of the kernels run it in
# their program's place (EFFICIENTDET_CUDA_KERNELS).
set -euo pipefail
record=$(mktemp -p "$1" XXXXXXXX)
tee "$record.request" | "$2" | tee "$record.answer"
rm "$record"
