"""EfficientDets with seeded random weights whose outputs are lively.

A freshly initialised EfficientDet answers almost the same at every anchor, so a wrong graph can look right. Here
every parameter is random and every BatchNorm's statistics are those of a real forward pass: activations keep unit
scale through any depth, class logits vary (standard deviation 2) and box regressions too (0.5).
"""

import sys
import warnings
from pathlib import Path

import effdet
import torch
from torch import nn

# effdet scripts a loss at import, which newer PyTorch releases deprecate; nothing here uses it.
warnings.filterwarnings("ignore", message=".*torch.jit.*")

# Statistics of few positions are those of no other picture: small shapes are calibrated with several at once.
CALIBRATION_PIXELS = 2 * 512 * 512
# Of a layer's mean square: no channel that hardly varies in calibration is blown up when it does in another picture.
LEAST_VARIANCE = 0.1
# About zero, swish and ReLU halve their input, and a BatchNorm behind them doubles what is left, rounding errors
# included, layer after layer. A network whose activations lie mostly on the branch that passes them on does not:
# its own float32 outputs came 11 (D1, D3) to 420 (lite4) times closer to float64's with this mean than with zero.
ACTIVATION_MEAN = 1.0
LOGIT_STD = 2.0
LOGIT_MEAN = -2.0
REGRESSION_STD = 0.5


def effdet_network(name: str, seed: int, size: tuple[int, int] | None = None, **options) -> nn.Module:
    """effdet's network `name` in evaluation mode, for `size` (height, width; default its own)."""
    network = effdet.create_model(
        name, bench_task="", pretrained=False, pretrained_backbone=False, image_size=size, **options
    )
    randomise(network, seed, network.config.image_size, network.class_net.predict, network.box_net.predict)
    return network


def zylo_network(clone: Path, coefficient: int, seed: int, size: tuple[int, int]) -> nn.Module:
    """Network D`coefficient` (8 is D7x) of a clone of zylo117/Yet-Another-EfficientDet-Pytorch, in evaluation mode.

    Its weights are made lively at `size` (height, width).

    That code is LGPL: it is imported from the clone, and nothing of it is part of this repository.
    """
    if not (clone / "backbone.py").is_file():
        raise SystemExit(f"{clone} is no clone of zylo117/Yet-Another-EfficientDet-Pytorch: it has no backbone.py.")
    sys.path.insert(0, str(clone))
    try:
        from backbone import EfficientDetBackbone
    finally:
        sys.path.remove(str(clone))
    network = EfficientDetBackbone(num_classes=90, compound_coef=coefficient, load_weights=False)
    randomise(network, seed, size, network.classifier.header, network.regressor.header)
    return network


def zylo_outputs(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Box regression N×A×4 and class logits N×A×C of a zylo network, which itself returns scores."""
    boxes = _recorded(network.regressor.header)
    classes = _recorded(network.classifier.header)
    try:
        network(images)
    finally:
        boxes.hook.remove()
        classes.hook.remove()
    return join_levels(boxes.outputs, 4), join_levels(classes.outputs, network.num_classes)


def effdet_outputs(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Box regression N×A×4 and class logits N×A×C of an effdet network."""
    classes, boxes = network(images)
    return join_levels(boxes, 4), join_levels(classes, network.config.num_classes)


def join_levels(levels: list[torch.Tensor], values: int) -> torch.Tensor:
    """N×(anchors·values)×H×W of every level as N×A×values, in the order level → y → x → anchor."""
    return torch.cat([level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, values) for level in levels], dim=1)


def pictures(count: int, size: tuple[int, int], random: torch.Generator) -> torch.Tensor:
    """Normalised noise with as much structure at coarse scales as at fine ones, count×3×H×W.

    To a coarse pyramid level white noise looks the same everywhere: BatchNorm would divide by next to nothing
    there, and blow up whatever differs, rounding errors too.
    """
    octaves = (1, 4, 16, 64, 256)
    total = torch.zeros(count, 3, *size)
    for cell in octaves:
        grid = [-(-side // cell) + 1 for side in size]
        coarse = torch.randn(count, 3, *grid, generator=random)
        fine = nn.functional.interpolate(coarse, scale_factor=cell, mode="nearest")
        total += fine[:, :, : size[0], : size[1]]
    return total / len(octaves) ** 0.5


def randomise(
    network: nn.Module, seed: int, size: tuple[int, int], class_predict: nn.Module, box_predict: nn.Module
) -> None:
    """Fills a network as told at the top of this file and leaves it in evaluation mode."""
    random = torch.Generator().manual_seed(seed)
    uniform = lambda like, low, high: torch.rand(like.shape, generator=random) * (high - low) + low  # noqa: E731
    normal = lambda like, std: torch.randn(like.shape, generator=random) * std  # noqa: E731
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                weight = normal(module.weight, (2 / fan_in) ** 0.5)
                if module.in_channels > module.groups:
                    weight -= weight.mean(dim=(1, 2, 3), keepdim=True)
                module.weight.copy_(weight)
                if module.bias is not None:
                    module.bias.copy_(normal(module.bias, 0.1))
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(uniform(module.weight, 0.5, 1.5))
                module.bias.copy_(ACTIVATION_MEAN + normal(module.bias, 0.3))
            else:
                # Fusion weights, the only parameters that stand outside a layer: distinct and positive.
                for weights in module.parameters(recurse=False):
                    steps = torch.randperm(len(weights), generator=random)
                    weights.copy_(0.3 + 0.6 * steps + uniform(weights, 0, 0.5))
        batch = -(-CALIBRATION_PIXELS // (size[0] * size[1]))
        images = pictures(batch, size, random)
        _calibrate(network, images, class_predict, box_predict)


def _calibrate(network: nn.Module, images: torch.Tensor, class_predict: nn.Module, box_predict: nn.Module) -> None:
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(_measure) for norm in norms]
    classes, boxes = _recorded(class_predict), _recorded(box_predict)
    try:
        network(images)
    finally:
        for hook in (*hooks, classes.hook, boxes.hook):
            hook.remove()
    _scale_last(class_predict, classes.outputs, LOGIT_STD, LOGIT_MEAN)
    _scale_last(box_predict, boxes.outputs, REGRESSION_STD, 0.0)


def _measure(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
    """Sets a BatchNorm's statistics to its input's, before it uses them."""
    (x,) = inputs
    variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
    power = (variance + mean.square()).mean()
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance.clamp(min=LEAST_VARIANCE * power))


def _scale_last(predict: nn.Module, outputs: list[torch.Tensor], std: float, mean: float) -> None:
    *_, last = (module for module in predict.modules() if isinstance(module, nn.Conv2d))
    values = torch.cat([output.flatten() for output in outputs])
    factor = std / values.std()
    last.weight.mul_(factor)
    last.bias.mul_(factor).add_(mean - factor * values.mean())


class _recorded:  # noqa: N801
    """Keeps what a module returns, call by call, until `hook` is removed."""

    def __init__(self, module: nn.Module) -> None:
        self.outputs: list[torch.Tensor] = []
        self.hook = module.register_forward_hook(lambda _module, _inputs, output: self.outputs.append(output))
