#!/usr/bin/env bash
# Makes every file of test/fixtures again by the implementations that it comes from (Pillow, OpenCV, FFmpeg, effdet,
# zylo, PyTorch, torchvision, trackers), and tells how the files differ from those in git: exit code 1 if any does. Needs FFmpeg,
# git, and what tools/reference/setup.sh needs.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v ffmpeg >/dev/null || { echo "fixtures.sh: ffmpeg is not installed." >&2; exit 1; }
tools/reference/setup.sh
tools/reference/setup.sh tracking
zylo=.cache/reference/zylo
if [[ ! -d $zylo ]]; then
  git clone --quiet https://github.com/zylo117/Yet-Another-EfficientDet-Pytorch "$zylo"
  git -C "$zylo" checkout --quiet 15403b5
fi

for script in test/fixtures/*/make_*.py; do
  echo "$script"
  # Names of zylo's tensors come from its own code.
  arguments=()
  [[ $script != */make_namings.py ]] || arguments=("$zylo")
  venv=.cache/reference/venv
  [[ $script != test/fixtures/tracking/* ]] || venv=.cache/reference/venv-tracking
  "$venv/bin/python" "$script" "${arguments[@]}"
done

git status --short -- test/fixtures
git diff --stat --exit-code -- test/fixtures
