"""effdet's tensor names in zylo's, where every convolution lies in a wrapper (`.conv`), blocks are counted without
stages, each consumer of a feature map has its own resampling (`p5_down_channel`, `_2` for the way up), and the heads'
BatchNorms are ordered by level first."""

import re

import torch

State = dict[str, torch.Tensor]

_BLOCK = re.compile(r"backbone\.blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)")
_FUSION = re.compile(r"fpn\.cell\.(\d+)\.fnode\.(\d+)\.(.+)")
_HEAD = re.compile(r"(class_net|box_net)\.(.+)")

_SEPARABLE = {"conv_dw": "depthwise_conv.conv", "conv_pw": "pointwise_conv.conv"}
_HEADS = {"class_net": "classifier", "box_net": "regressor"}
_SQUEEZE = {"se.conv_reduce": "_se_reduce.conv", "se.conv_expand": "_se_expand.conv"}
_FIRST_STAGE = _SQUEEZE | {
    "conv_dw": "_depthwise_conv.conv",
    "bn1": "_bn1",
    "conv_pw": "_project_conv.conv",
    "bn2": "_bn2",
}
_STAGES = _SQUEEZE | {
    "conv_pw": "_expand_conv.conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv.conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv.conv",
    "bn3": "_bn2",
}


def to_zylo(state: State, max_level: int) -> State:
    """The same tensors by zylo's names, with the unused fusion weights that zylo's D6 and larger carry."""
    blocks = sorted({tuple(map(int, match.groups()[:2])) for match in map(_BLOCK.fullmatch, state) if match})
    flat = {block: index for index, block in enumerate(blocks)}
    renamed = {_zylo_name(name, flat, max_level): tensor for name, tensor in state.items()}
    for cell in {match[1] for match in map(_FUSION.fullmatch, state) if match}:
        # zylo makes none for P8 and the node that reads it, for want of a size that would use them.
        for name, count in _FUSION_WEIGHTS.items():
            renamed.setdefault(f"bifpn.{cell}.{name}", torch.ones(count))
    return renamed


_FUSION_WEIGHTS = {f"p{level}_w1": 2 for level in (6, 5, 4, 3)} | {"p4_w2": 3, "p5_w2": 3, "p6_w2": 3, "p7_w2": 2}


def _zylo_name(name: str, flat: dict[tuple[int, ...], int], max_level: int) -> str:
    if match := _BLOCK.fullmatch(name):
        stage, index, part, rest = match.groups()
        parts = _FIRST_STAGE if stage == "0" else _STAGES
        return f"backbone_net.model._blocks.{flat[int(stage), int(index)]}.{parts[part]}.{rest}"
    if match := _FUSION.fullmatch(name):
        cell, node, rest = match.groups()
        return f"bifpn.{cell}.{_fusion_name(int(node), rest, max_level)}"
    if match := _HEAD.fullmatch(name):
        head, rest = match.groups()
        return f"{_HEADS[head]}.{_head_name(rest)}"
    for ours, theirs in (
        ("backbone.conv_stem", "backbone_net.model._conv_stem.conv"),
        ("backbone.bn1", "backbone_net.model._bn0"),
        ("fpn.resample.3.conv.conv", "bifpn.0.p5_to_p6.0.conv"),
        ("fpn.resample.3.conv.bn", "bifpn.0.p5_to_p6.1"),
    ):
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def _fusion_name(node: int, rest: str, max_level: int) -> str:
    top_down = max_level - 3
    down = node < top_down
    level = max_level - 1 - node if down else 4 + node - top_down
    if rest == "combine.edge_weights":
        return f"p{level}_w{1 if down else 2}"
    if match := re.fullmatch(r"combine\.resample\.\d+\.conv\.(conv|bn)\.(\w+)", rest):
        return f"p{level}_down_channel{'' if down else '_2'}.{'0.conv' if match[1] == 'conv' else '1'}.{match[2]}"
    part, tensor = re.fullmatch(r"after_combine\.conv\.(\w+)\.(\w+)", rest).groups()
    return f"conv{level}_{'up' if down else 'down'}.{_SEPARABLE.get(part, part)}.{tensor}"


def _head_name(rest: str) -> str:
    if match := re.fullmatch(r"bn_rep\.(\d+)\.(\d+)\.bn\.(\w+)", rest):
        return f"bn_list.{match[2]}.{match[1]}.{match[3]}"
    place, part, tensor = rest.rsplit(".", 2)
    return f"{place.replace('conv_rep', 'conv_list').replace('predict', 'header')}.{_SEPARABLE[part]}.{tensor}"
