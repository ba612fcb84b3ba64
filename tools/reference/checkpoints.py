"""Writes the checkpoint files that test/weights/reference-checkpoints.slow.test.ts reads: what trainers leave behind.

    checkpoints.py [FOLDER]        default .cache/reference/checkpoints of the repository

All is seeded. `index.json`, written last, tells for every name:

    file      path in FOLDER
    case      what it is a case of, a number that groups files
    what      one sentence
    outcome   `loads`, `refused` or `ambiguous` (loads once `options` are given)
    tensors   for broken files: the tensors that are missing, extra, mis-shaped or not finite
    golden    how the outputs relate to ../shared/data/golden-d0: `same`, `rounded` (the weights are, to the file's
              type), or its first classes and anchors
    options   what only an option (or a file name) can tell
    expected  head outputs by effdet at a strided sample of anchors: anchor 0, stride, 2·stride, … of `anchors`

Files *.f32 hold little-endian float32. A folder that is complete for this version of the script is left alone.
"""

import argparse
import copy
import hashlib
import json
import os
import sys
import time
import types
from pathlib import Path

import numpy
import torch
from torch import nn

from lively import effdet_network, effdet_outputs
from renaming import State, to_zylo

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
GOLDEN = REPOSITORY.parent / "shared/data/golden-d0/zylo-d0.pth"
SAMPLED_ANCHORS = 1024

CLASS_WEIGHT = "classifier.header.pointwise_conv.conv.weight"
BOX_WEIGHT = "regressor.header.pointwise_conv.conv.weight"
STEM = "backbone_net.model._conv_stem.conv.weight"


class Folder:
    """The folder and what its index will say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index: dict[str, dict] = {}

    def save(self, name: str, case: int, what: str, value: object, file: str | None = None, **facts) -> None:
        file = file or f"{name}.pth"
        container = facts.pop("container", {})
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(value, path, **container)
        self.index[name] = {"file": file, "case": case, "what": what, **facts}
        print(f"  {file}: {path.stat().st_size / 1e6:.1f} MB", flush=True)

    def link(self, name: str, original: str, what: str, file: str, **facts) -> None:
        """The same file under another name, without using the disk twice."""
        same = self.index[original]
        (self.path / file).unlink(missing_ok=True)
        os.link(self.path / same["file"], self.path / file)
        self.index[name] = {"file": file, "case": same["case"], "what": what, "expected": same["expected"], **facts}

    def expect(self, name: str, network: nn.Module) -> dict:
        """Writes an input and a sample of what the network answers."""
        height, width = network.config.image_size
        images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height * 10_000 + width))
        with torch.no_grad():
            boxes, logits = effdet_outputs(network, images)
        anchors, classes = logits.shape[1:]
        stride = -(-anchors // SAMPLED_ANCHORS)
        while stride % 2 == 0 or stride % 3 == 0:
            stride += 1  # prime to 9 and to even widths, so that all anchor kinds and columns are sampled
        files = {
            "input": (f"input-{height}x{width}.f32", images),
            "boxRegression": (f"{name}.box_regression.f32", boxes[0, ::stride]),
            "classLogits": (f"{name}.class_logits.f32", logits[0, ::stride]),
        }
        for file, values in files.values():
            values.contiguous().numpy().astype("<f4").tofile(self.path / file)
        return {
            "by": "effdet",
            "size": {"height": height, "width": width},
            "anchors": anchors,
            "classes": classes,
            "stride": stride,
            **{key: file for key, (file, _) in files.items()},
        }


def mapped(state: State, change) -> State:
    return {name: change(tensor) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def prefixes(folder: Folder, golden: State) -> None:
    for prefix in ("_orig_mod.module.", "module._orig_mod.", "model.model."):
        name = f"prefix-{prefix.strip('._').replace('.', '-')}"
        what = f"golden, every name after {prefix}"
        folder.save(name, 1, what, prefixed(golden, prefix), outcome="loads", golden="same", prefix=prefix)
    halves = {
        "state_dict": mapped(golden, lambda tensor: torch.zeros_like(tensor, dtype=torch.float16)),
        "state_dict_ema": prefixed(golden, "module."),
    }
    what = "zeros as plain weights, golden as averaged ones, the latter after module."
    folder.save("ema", 1, what, halves, outcome="loads", golden="same", prefix="module.")


class SystemCall:
    """What a hostile pickle holds: reading it with pickle would run a command."""

    def __reduce__(self):
        return os.system, ("echo This line must never appear.",)


def training_checkpoint(folder: Folder, network: nn.Module) -> None:
    trained = copy.deepcopy(network)
    # Adam is given the heads alone, as when a backbone stays frozen; its state is as large as they are, twice.
    heads = [*trained.class_net.parameters(), *trained.box_net.parameters()]
    optimizer = torch.optim.Adam(heads, lr=0.05)
    for parameter in heads:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    checkpoint = {
        "epoch": 12,
        "arch": "tf_efficientdet_d0",
        "state_dict": trained.state_dict(),
        "optimizer": optimizer.state_dict(),
        "version": 2,
        "args": argparse.Namespace(num_classes=90),
        "state_dict_ema": network.state_dict(),
        "metric": numpy.float64(0.3),
    }
    folder.save(
        "timm-saver",
        2,
        "a timm CheckpointSaver's file: `arch` tells the preprocessing, averaged weights are to be preferred",
        checkpoint,
        file="model_best.pth.tar",
        outcome="loads",
        preprocessing="imagenet",
        foreign=["argparse.Namespace", "numpy._core.multiarray.scalar", "numpy.dtype"],
        expected=folder.expect("timm-saver", network),
    )
    hostile = {
        "args": argparse.Namespace(num_classes=90, hook=SystemCall()),
        "state_dict": mapped(network.state_dict(), torch.Tensor.half),
    }
    what = "os.system among the arguments"
    folder.save("hostile", 2, what, hostile, outcome="refused", call=f"{os.name}.system")


def padding(folder: Folder) -> None:
    """Networks whose padding (and BatchNorm epsilon, and fusion) no tensor tells. Names give no hint."""
    symmetric = {"backbonePadding": "symmetric"}
    cases = {
        "case3-a": ("efficientdet_d0", None, {"redundant_bias": True}, "d0", {**symmetric, "fpnPadding": "symmetric"}),
        # Reference outputs at a quarter of its size: padding matters more there, and time less.
        "case3-b": ("efficientdet_d4", (512, 512), {}, "d4", {**symmetric, "fpnPadding": "same"}),
        "case3-c": ("efficientdet_lite0", None, {}, "lite0", {**symmetric, "fpnPadding": "same"}),
        "case3-d": ("tf_efficientdet_lite0", None, {}, "lite0", {"backbonePadding": "same", "fpnPadding": "same"}),
    }
    for seed, (name, (model, size, overrides, ours, options)) in enumerate(cases.items(), 30):
        network = effdet_network(model, seed, size, **overrides)
        state = network.state_dict()
        if ours == "d4":
            state = mapped(state, torch.Tensor.half)
            network.load_state_dict(state)
        fpn_nodes = network.fpn.cell[0].fnode
        folder.save(
            name,
            3,
            f"effdet's {model}{', redundant_bias=True' if overrides else ''}",
            state,
            outcome="ambiguous",
            options={"variant": ours, "preprocessing": "lite" if "lite" in ours else "imagenet", **options},
            backboneEpsilon=network.backbone.bn1.eps,
            fusion=fpn_nodes[0].combine.weight_method,
            headBatchNorms="level first" if network.class_net.bn_level_first else "repeat first",
            expected=folder.expect(name, network),
        )


def same_tensors(folder: Folder, d0: nn.Module) -> None:
    network = effdet_network("tf_efficientdet_d7", 40, (512, 512))
    state = mapped(network.state_dict(), torch.Tensor.half)
    network.load_state_dict(state)
    options = {"variant": "d7", "candidates": ["d6", "d7"]}
    expected = folder.expect("d7-effdet", network)
    facts = {"outcome": "ambiguous", "options": options}
    what = "a D7 in float16 by {}'s names; only --variant tells it from a D6"
    folder.save("d7-effdet", 4, what.format("effdet"), state, file="d7-effdet/best.pth", expected=expected, **facts)
    # Without outputs to compare: zylo pools with zeros outside, effdet with −∞.
    zylo = to_zylo(state, network.config.max_level)
    folder.save("d7-zylo", 4, what.format("zylo"), mapped(zylo, torch.Tensor.half), file="d7-zylo/best.pth", **facts)

    what = "an effdet D0 whose file name tells AdvProp preprocessing"
    folder.save(
        "d0-advprop-name",
        4,
        what,
        d0.state_dict(),
        file="tf_efficientdet_d0_ap.pth",
        outcome="loads",
        preprocessing="advprop",
        expected=folder.expect("d0-advprop-name", d0),
    )
    what = "the same file under a name that tells nothing"
    folder.link("d0-no-name", "d0-advprop-name", what, "x.pth", outcome="loads", preprocessing="imagenet")


def heads(folder: Folder, golden: State) -> None:
    def cut(anchors: int, classes: int) -> State:
        state = dict(golden)
        for weight, values, kept in ((CLASS_WEIGHT, 90, classes), (BOX_WEIGHT, 4, 4)):
            for name in (weight, weight.replace(".weight", ".bias")):
                tensor = golden[name]
                per_anchor = tensor.reshape(9, values, *tensor.shape[1:])
                # Beyond nine anchors the nine repeat, so that outputs can be told from golden's.
                chosen = per_anchor[torch.arange(anchors) % 9, :kept]
                state[name] = chosen.reshape(anchors * kept, *tensor.shape[1:]).clone()
        return state

    whats = {
        "one-class": ("golden with 1 class", 9, 1, "loads"),
        "three-anchors": ("golden with 3 classes × 3 anchors: as many class channels as 1 × 9", 3, 3, "ambiguous"),
        "27-anchors": ("golden with 27 anchors, anchor i being golden's i % 9", 27, 90, "ambiguous"),
    }
    for name, (what, anchors, classes, outcome) in whats.items():
        state = cut(anchors, classes)
        relation = {"anchorsPerCell": anchors, "classes": classes}
        folder.save(name, 5, what, state, outcome=outcome, golden=relation)


def stems(folder: Folder, golden: State) -> None:
    half = mapped(golden, torch.Tensor.half)
    random = torch.Generator().manual_seed(9)
    for width in (1, 4, 6):
        stem = torch.randn(32, width, 3, 3, generator=random).half()
        stem[:, :3] = half[STEM][:, :width]
        what = f"golden in float16 with a stem of {width} input channels"
        folder.save(f"stem-{width}", 9, what, {**half, STEM: stem}, outcome="refused", tensors=[STEM])


def whole_module(folder: Folder) -> None:
    module = types.ModuleType("src.model")

    class EfficientDet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv3 = nn.Conv2d(40, 64, 1)
            self.bifpn = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64))

    EfficientDet.__module__, EfficientDet.__qualname__ = module.__name__, "EfficientDet"
    module.EfficientDet = EfficientDet
    sys.modules["src"], sys.modules["src.model"] = types.ModuleType("src"), module
    try:
        what = "the module itself, inside DataParallel"
        classes = ["torch.nn.parallel.data_parallel.DataParallel", "src.model.EfficientDet"]
        folder.save("whole-module", 10, what, nn.DataParallel(EfficientDet()), outcome="refused", classes=classes)
    finally:
        del sys.modules["src"], sys.modules["src.model"]


def formats(folder: Folder, golden: State) -> None:
    norms = tuple(name.removesuffix("running_mean") for name in golden if name.endswith(".running_mean"))
    mixed = {name: tensor if name.startswith(norms) else tensor.half() for name, tensor in golden.items()}
    variants = {
        "legacy": ("the container before PyTorch 1.6", golden, {"_use_new_zipfile_serialization": False}, "same"),
        "protocol-4": ("pickle protocol 4", golden, {"pickle_protocol": 4}, "same"),
        "float16": ("in float16", mapped(golden, torch.Tensor.half), {}, "rounded"),
        "bfloat16": ("in bfloat16", mapped(golden, torch.Tensor.bfloat16), {}, "rounded"),
        "mixed": ("convolutions in float16, BatchNorms in float32", mixed, {}, "rounded"),
    }
    for name, (what, state, container, relation) in variants.items():
        facts = {"outcome": "loads", "golden": relation}
        folder.save(f"format-{name}", 11, f"golden: {what}", state, container=container, **facts)


def broken(folder: Folder, golden: State) -> None:
    half = mapped(golden, torch.Tensor.half)
    victim = "bifpn.1.conv4_down.pointwise_conv.conv.weight"
    nan = half[victim].clone()
    nan[3, 5] = torch.nan
    misshaped = half[victim][:, :-1].clone()
    extra = "bifpn.1.conv4_down.attention.weight"
    variants = {
        "nan": ("a NaN in one weight", {**half, victim: nan}, victim),
        "missing": ("one tensor missing", {name: t for name, t in half.items() if name != victim}, victim),
        "extra": ("one tensor too many", {**half, extra: torch.ones(64).half()}, extra),
        "mis-shaped": ("one tensor a column short", {**half, victim: misshaped}, victim),
    }
    for name, (what, state, tensor) in variants.items():
        folder.save(f"broken-{name}", 11, f"golden in float16: {what}", state, outcome="refused", tensors=[tensor])


def other_families(folder: Folder) -> None:
    """Twenty names of each, taken from their sources: shapes hardly matter to what must be said."""
    norm = ("weight", "bias", "running_mean", "running_var")
    families = {
        "toandaominh1997": [
            *("backbone._conv_stem.weight", *(f"backbone._bn0.{part}" for part in norm)),
            *(f"neck.lateral_convs.{i}.conv.{part}" for i in range(3) for part in norm[:2]),
            *("neck.stack_bifpn_convs.0.w1", "neck.stack_bifpn_convs.0.w2"),
            *(f"neck.stack_bifpn_convs.0.bifpn_convs.0.0.conv.{part}" for part in norm[:2]),
            "bbox_head.cls_convs.0.conv.weight",
            *(f"bbox_head.{head}.{part}" for head in ("retina_cls", "retina_reg") for part in norm[:2]),
        ],
        "signatrix": [
            *("backbone_net.model.conv_stem.weight", *(f"backbone_net.model.bn1.{part}" for part in norm)),
            *(f"conv{level}.{part}" for level in (3, 4, 5, 6) for part in norm[:2]),
            *("bifpn.0.p6_w1", "bifpn.0.conv6_up.conv.0.weight", "bifpn.0.conv6_up.conv.1.weight"),
            *(f"{head}.{part}.weight" for head in ("regressor", "classifier") for part in ("layers.0", "header")),
        ],
        "mmdetection": [
            *("backbone.layers.0.conv.weight", *(f"backbone.layers.0.bn.{part}" for part in norm)),
            *(f"neck.bifpn.0.{name}" for name in ("p6_w1", "p4_w2", "conv6_up.depthwise_conv.weight")),
            *(f"neck.bifpn.0.p{level}_level_connection.bn.{part}" for level in (4, 5) for part in norm[:2]),
            *(f"bbox_head.{head}_bn_list.0.0.{part}" for head in ("reg", "cls") for part in norm[:2]),
            *(f"bbox_head.{head}_header.pointwise_conv.{part}" for head in ("reg", "cls") for part in norm[:2]),
        ],
        "ultralytics": [
            *(f"model.{layer}.conv.weight" for layer in (0, 1, 3, 5, 7)),
            *(f"model.0.bn.{part}" for part in norm),
            *(f"model.2.cv{i}.conv.weight" for i in (1, 2)),
            *(f"model.22.cv{i}.{level}.0.conv.weight" for i in (2, 3) for level in range(3)),
            *("model.22.cv2.0.2.weight", "model.22.cv3.0.2.weight", "model.22.dfl.conv.weight"),
        ],
    }
    for family, names in families.items():
        state = {name: torch.ones(8) for name in names}
        assert len(state) == 20, (family, len(state))
        value = {"meta": {"mmdet_version": "3.3.0"}, "state_dict": state} if family == "mmdetection" else state
        folder.save(f"family-{family}", 14, f"twenty names of {family}'s", value, outcome="refused", family=family)


def version() -> str:
    sources = ("checkpoints.py", "lively.py", "renaming.py", "requirements.txt")
    return hashlib.sha256(b"".join((HERE / source).read_bytes() for source in sources)).hexdigest()


def is_complete(path: Path) -> bool:
    index, stamp = path / "index.json", path / "version"
    if not index.is_file() or not stamp.is_file() or stamp.read_text() != version():
        return False
    entries = json.loads(index.read_text()).values()
    files = [entry["file"] for entry in entries]
    for entry in entries:
        files += [entry["expected"][key] for key in ("input", "boxRegression", "classLogits") if "expected" in entry]
    return all((path / file).is_file() for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY / ".cache/reference/checkpoints")
    path = parser.parse_args().folder
    if is_complete(path):
        print(f"{path} is complete.")
        return
    if not GOLDEN.is_file():
        raise SystemExit(f"checkpoints.py: {GOLDEN} is missing; most files are made from it.")
    started = time.monotonic()
    path.mkdir(parents=True, exist_ok=True)
    (path / "index.json").unlink(missing_ok=True)
    print(f"Writing {path}", flush=True)

    folder = Folder(path)
    golden = torch.load(GOLDEN, map_location="cpu", weights_only=True)
    d0 = effdet_network("tf_efficientdet_d0", 20)
    prefixes(folder, golden)
    training_checkpoint(folder, d0)
    padding(folder)
    same_tensors(folder, d0)
    heads(folder, golden)
    stems(folder, golden)
    whole_module(folder)
    formats(folder, golden)
    broken(folder, golden)
    other_families(folder)

    (path / "version").write_text(version())
    (path / "index.json").write_text(json.dumps(folder.index, indent=2, ensure_ascii=False) + "\n")
    # Two names of one file are counted once.
    files = {(s.st_dev, s.st_ino): s.st_size for s in (f.stat() for f in path.rglob("*") if f.is_file())}
    print(f"{len(folder.index)} checkpoints, {sum(files.values()) / 1e6:.0f} MB, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
