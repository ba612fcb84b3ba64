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

# Statistics hardly depend on the picture's size, so even D7x is calibrated at a small one.
CALIBRATION_SIZE = 512
CALIBRATION_BATCH = 2
LOGIT_STD = 2.0
LOGIT_MEAN = -2.0
REGRESSION_STD = 0.5


def effdet_network(name: str, seed: int, size: tuple[int, int] | None = None, **options) -> nn.Module:
    """effdet's network `name` in evaluation mode, for `size` (height, width; default its own)."""
    create = lambda image_size: effdet.create_model(  # noqa: E731
        name, bench_task="", pretrained=False, pretrained_backbone=False, image_size=image_size, **options
    )
    network = create((CALIBRATION_SIZE, CALIBRATION_SIZE))
    randomise(network, seed, network.class_net.predict, network.box_net.predict)
    if size == (CALIBRATION_SIZE, CALIBRATION_SIZE):
        return network
    # Sizes of upsampled maps are fixed when effdet builds a network.
    resized = create(size)
    resized.load_state_dict(network.state_dict())
    return resized.eval()


def zylo_network(clone: Path, coefficient: int, seed: int, classes: int = 90) -> nn.Module:
    """Network D`coefficient` (8 is D7x) of a clone of zylo117/Yet-Another-EfficientDet-Pytorch, in evaluation mode.

    That code is LGPL: it is imported from the clone, and nothing of it is part of this repository.
    """
    if not (clone / "backbone.py").is_file():
        raise SystemExit(f"{clone} is no clone of zylo117/Yet-Another-EfficientDet-Pytorch: it has no backbone.py.")
    sys.path.insert(0, str(clone))
    try:
        from backbone import EfficientDetBackbone
    finally:
        sys.path.remove(str(clone))
    network = EfficientDetBackbone(num_classes=classes, compound_coef=coefficient, load_weights=False)
    randomise(network, seed, network.classifier.header, network.regressor.header)
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


def randomise(network: nn.Module, seed: int, class_predict: nn.Module, box_predict: nn.Module) -> None:
    """Fills a network as told at the top of this file and leaves it in evaluation mode."""
    random = torch.Generator().manual_seed(seed)
    uniform = lambda like, low, high: torch.rand(like.shape, generator=random) * (high - low) + low  # noqa: E731
    normal = lambda like, std: torch.randn(like.shape, generator=random) * std  # noqa: E731
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.copy_(normal(module.weight, (2 / fan_in) ** 0.5))
                if module.bias is not None:
                    module.bias.copy_(normal(module.bias, 0.1))
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(uniform(module.weight, 0.5, 1.5))
                module.bias.copy_(normal(module.bias, 0.2))
            else:
                # Fusion weights, the only parameters that stand outside a layer: distinct and positive.
                for weights in module.parameters(recurse=False):
                    steps = torch.randperm(len(weights), generator=random)
                    weights.copy_(0.3 + 0.6 * steps + uniform(weights, 0, 0.5))
        images = torch.randn(CALIBRATION_BATCH, 3, CALIBRATION_SIZE, CALIBRATION_SIZE, generator=random)
        _calibrate(network, images, class_predict, box_predict)


def _calibrate(network: nn.Module, images: torch.Tensor, class_predict: nn.Module, box_predict: nn.Module) -> None:
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        # Only BatchNorm trains (drop-path stays off), and the pass replaces its statistics.
        norm.train()
        norm.momentum = 1.0
    classes, boxes = _recorded(class_predict), _recorded(box_predict)
    try:
        network(images)
    finally:
        classes.hook.remove()
        boxes.hook.remove()
    _scale_last(class_predict, classes.outputs, LOGIT_STD, LOGIT_MEAN)
    _scale_last(box_predict, boxes.outputs, REGRESSION_STD, 0.0)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    network.eval()


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
