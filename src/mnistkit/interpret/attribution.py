"""Which pixels an answer comes from: saliency, Grad-CAM, occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.errors import ConfigError, DataError
from mnistkit.interpret.layers import convolutions, layer_of, outputs_of
from mnistkit.interpret.subject import Subject, network_of, prepared
from mnistkit.models.network import BATCH, evaluating, forward, model_device

__all__ = ["Target", "grad_cam", "occlusion", "saliency"]

#: A label for all images, one for each, or ``None`` for what the model itself answers.
Target: TypeAlias = int | Sequence[int] | Tensor | None


def saliency(model: Subject, images: Tensor, target: Target = None) -> Tensor:
    """How much each pixel sways a logit: the size of its gradient (Simonyan, Vedaldi, Zisserman 2014, section 3.1).

    Args:
        model: a module from images to logits, a classifier or a predictor; its mode, weights and gradients stay as they are.
        images: normalised float ``(N, C, H, W)``; of a classifier uint8, too.
        target: whose logit: a label, one for each image, or by default the model's own answer.

    Returns:
        float ``(N, H, W)``, from 0; of several channels the largest.

    Raises:
        DataError: for images of another shape.
        ConfigError: for a target that is no label of the model's.
    """
    network = network_of(model)
    with evaluating(network), torch.enable_grad():
        pixels = _images(model, images).requires_grad_()
        logits = network(pixels)
        (gradient,) = torch.autograd.grad(_scores(logits, target).sum(), pixels)
    return gradient.abs().amax(1)


def grad_cam(model: Subject, images: Tensor, target: Target = None, *, layer: str | None = None) -> Tensor:
    """Where a convolution finds what speaks for a class (Selvaraju et al. 2017, equations 1 and 2).

    The layer's maps are added up, each weighted with the mean of the logit's gradient over it; what is below 0 is cut
    off, and the rest is scaled to the image's size.

    Args:
        model: a module from images to logits, a classifier or a predictor; its mode, weights and gradients stay as they are.
        images: normalised float ``(N, C, H, W)``; of a classifier uint8, too.
        target: whose logit: a label, one for each image, or by default the model's own answer.
        layer: a layer that puts out maps; by default the last convolution.

    Returns:
        float ``(N, H, W)``, from 0.

    Raises:
        DataError: for images of another shape.
        ConfigError: for a target that is no label of the model's, an unknown layer or one without maps, or a model
            without convolutions and no ``layer`` given.
    """
    network, names = network_of(model), convolutions(model)
    if layer is None and not names:
        raise ConfigError(f"{type(network).__name__} has no convolution; use saliency() or occlusion()")
    name = names[-1] if layer is None else layer
    with evaluating(network), torch.enable_grad(), outputs_of(layer_of(network, name)) as found:
        # Gradients reach the layer even where the weights are frozen.
        pixels = _images(model, images).requires_grad_()
        logits = network(pixels)
        if not found or found[-1].ndim != 4:
            shape = tuple(found[-1].shape) if found else None
            raise ConfigError(f"layer {name!r} puts out {shape}, expected maps (N, channels, height, width)")
        maps = found[-1]
        (gradient,) = torch.autograd.grad(_scores(logits, target).sum(), maps)
    weights = gradient.mean((2, 3), keepdim=True)
    coarse = (weights * maps.detach()).sum(1, keepdim=True).clamp_min(0)
    return F.interpolate(coarse, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def occlusion(
    model: Subject,
    images: Tensor,
    target: Target = None,
    *,
    size: int = 5,
    stride: int = 2,
    fill: float | None = None,
) -> Tensor:
    """What the answer loses when a patch is covered (Zeiler & Fergus 2014, section 4.2).

    Args:
        model: a module from images to logits, a classifier or a predictor; its mode, weights and gradients stay as they are.
        images: normalised float ``(N, C, H, W)``; of a classifier uint8, too.
        target: whose probability: a label, one for each image, or by default the model's own answer.
        size: height and width of the patch, in pixels.
        stride: pixels between two patches; the last row and column of patches ends at the border.
        fill: what a patch is covered with, as normalised; by default each image's darkest value, which is MNIST's paper.

    Returns:
        float ``(N, H, W)``: the fall of the probability, -1 to 1, as the mean over the patches that cover the pixel; 0
        where none does. Below 0, covering helps.

    Raises:
        DataError: for images of another shape.
        ConfigError: for a target that is no label of the model's, or a patch that does not fit.
    """
    pixels = _images(model, images)
    height, width = pixels.shape[2:]
    if not 1 <= size <= min(height, width) or stride < 1:
        raise ConfigError(f"size {size} and stride {stride} do not fit {height}x{width} images; expected both from 1")
    covers = pixels.amin((1, 2, 3)) if fill is None else torch.full_like(pixels[:, 0, 0, 0], fill)
    masks = _patches(height, width, size, stride).to(pixels.device)
    falls = []
    network = network_of(model)
    logits = forward(network, torch.split(pixels, BATCH))
    labels = _labels(logits, target)
    before = logits.double().softmax(1).gather(1, labels[:, None])
    for image, cover, label, sure in zip(pixels, covers, labels, before, strict=True):
        covered = torch.where(masks[:, None], cover, image)
        after = forward(network, torch.split(covered, BATCH)).double().softmax(1)[:, label]
        falls.append(torch.einsum("p,phw->hw", sure - after, masks.double()) / masks.sum(0).clamp_min(1))
    return torch.stack(falls).to(pixels.dtype)


def _patches(height: int, width: int, size: int, stride: int) -> Tensor:
    """Every patch as a mask: bool ``(patches, height, width)``."""
    tops = sorted({*range(0, height - size + 1, stride), height - size})
    lefts = sorted({*range(0, width - size + 1, stride), width - size})
    masks = torch.zeros(len(tops), len(lefts), height, width, dtype=torch.bool)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            masks[row, column, top : top + size, left : left + size] = True
    return masks.flatten(0, 1)


def _images(model: Subject, images: Tensor) -> Tensor:
    """A copy of the images for the model to see, that belongs to no graph."""
    images = prepared(model, images)
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise DataError(
            f"got {images.dtype} images of shape {tuple(images.shape)}, expected normalised float (N, C, H, W); of one "
            "image, image[None]"
        )
    return images.detach().to(model_device(network_of(model))).clone()


def _labels(logits: Tensor, target: Target) -> Tensor:
    if target is None:
        return logits.detach().argmax(1)
    count, classes = logits.shape
    labels = torch.as_tensor(target, device=logits.device)
    if (
        labels.is_floating_point()
        or labels.shape not in ((), (count,))
        or not bool(((labels >= 0) & (labels < classes)).all())
    ):
        raise ConfigError(f"target is {target!r}, expected a label from 0 to {classes - 1}, or {count} of them")
    return labels.to(torch.int64).expand(count)


def _scores(logits: Tensor, target: Target) -> Tensor:
    """The logit of each image's target."""
    return logits.gather(1, _labels(logits, target)[:, None])[:, 0]
