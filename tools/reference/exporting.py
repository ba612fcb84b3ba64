"""What the tools that export with this package share: the sizes, reference networks, the command line, the machine."""

import datetime
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from lively import effdet_network

REPOSITORY = Path(__file__).resolve().parents[2]
EXPORT = ["node", str(REPOSITORY / "dist/cli/main.js"), "export"]
SEED = 1

SIZES = (
    *("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d7x"),
    *("lite0", "lite1", "lite2", "lite3", "lite3x", "lite4"),
)


class ExportFailed(Exception):
    pass


def effdet_name(size: str) -> str:
    return f"tf_efficientdet_{size}"


def save_weights(network: nn.Module, folder: Path, name: str) -> Path:
    """A state dict under a name as official files have, which tells what tensors cannot."""
    path = folder / f"{name}.pth"
    torch.save(network.state_dict(), path)
    return path


def save_effdet(size: str, folder: Path) -> Path:
    return save_weights(effdet_network(effdet_name(size), SEED, (512, 512)), folder, effdet_name(size))


def export(weights: Path, onnx: Path, *options: str) -> None:
    """Runs `efficientdet export`."""
    done = subprocess.run([*EXPORT, str(weights), str(onnx), *options], capture_output=True, text=True)
    if done.returncode != 0 or not onnx.is_file():
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ExportFailed(lines[-1] if lines else f"exit code {done.returncode}")


def circumstances(packages: tuple[str, ...]) -> str:
    """A paragraph on where, when and with what a table was made."""
    command = " ".join(["python", *(os.path.relpath(sys.argv[0], REPOSITORY), *sys.argv[1:])])
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"Printed by `{command}` on {datetime.date.today()}: {platform.system()} {platform.machine()}, "
        f"{processor()}, {os.cpu_count()} cores, Node {node.removeprefix('v')}"
        f"{f', {versions}' if versions else ''}."
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
