#!/usr/bin/env bash
# Makes .cache/reference/venv, the Python environment of the tools in this folder, unless it is complete already;
# `setup.sh tracking` makes .cache/reference/venv-tracking, whose OpenCV is another.
# PYTHON names the interpreter to make it with (default python3). A CPU is enough for everything here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
name=${1:+-$1}
requirements=$here/requirements$name.txt
venv=$repository/.cache/reference/venv$name
python=${PYTHON:-python3}
# Written last: a venv without it, or made from other requirements, is not complete.
stamp=$venv/requirements.sha256
wanted=$(sha256sum <"$requirements" | cut -d' ' -f1)

if [[ -f $stamp && $(cat "$stamp") == "$wanted" ]]; then
  echo "$venv is complete."
  exit 0
fi

command -v "$python" >/dev/null || {
  echo "setup.sh: $python is not installed; install Python 3.11 or newer, or set PYTHON." >&2
  exit 1
}
echo "Making $venv with $("$python" --version) (a few minutes; 6 GB, or 1 GB for tracking) ..."
rm -f "$stamp"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
modules='cv2, effdet, onnx, onnxruntime, pycocotools, safetensors, torchvision'
[[ -z $name ]] || modules='supervision, trackers'
"$venv/bin/python" -c "import $modules"
echo "$wanted" >"$stamp"
echo "Done: $("$venv/bin/python" -m pip --disable-pip-version-check list 2>/dev/null | grep -Ei '^(torch|timm|effdet|onnx|onnxruntime|trackers) ' | tr -s ' ' | paste -sd ',' | sed 's/,/, /g')"
