"""What would have to change for another answer: the smallest edit of ink."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mnistkit.data import Preprocessing
from mnistkit.errors import ConfigError, DataError
from mnistkit.interpret.subject import Subject, network_of
from mnistkit.models.network import evaluating, model_device
from mnistkit.reading import Predictor
from mnistkit.types import JsonValue

__all__ = ["Edit", "smallest_edit"]

# The weights of the answer against the ink, all tried at once: too small a one never succeeds, too large a one spills ink.
_WEIGHTS = torch.logspace(-1, 2, 16)
_RATE = 0.02


@dataclass(frozen=True)
class Edit:
    """An image, and the same image edited so that the model gives another answer.

    Attributes:
        before: uint8 ``(C, H, W)``.
        after: the edited image, likewise.
        label: what the model says of the first.
        target: what it says of the second.
        confidence: the probability of ``label`` for the first.
        target_confidence: the probability of ``target`` for the second.
    """

    before: Tensor = field(repr=False)
    after: Tensor = field(repr=False)
    label: int
    target: int
    confidence: float
    target_confidence: float

    @property
    def change(self) -> Tensor:
        """What was added (above 0) and taken away (below 0); float32 ``(C, H, W)`` in units of full white."""
        return (self.after.float() - self.before.float()) / 255

    @property
    def added(self) -> float:
        """How much ink was added, in full pixels."""
        return float(self.change.clamp_min(0).sum())

    @property
    def removed(self) -> float:
        """How much ink was taken away, in full pixels."""
        return float((-self.change).clamp_min(0).sum())

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it, without the images."""
        return {
            "label": self.label,
            "target": self.target,
            "confidence": self.confidence,
            "target_confidence": self.target_confidence,
            "added": self.added,
            "removed": self.removed,
        }

    @property
    def ink(self) -> float:
        """How much ink changed, in full pixels; this was kept small."""
        return self.added + self.removed


def smallest_edit(
    model: Subject,
    image: Tensor,
    target: int,
    preprocessing: Preprocessing | None = None,
    *,
    margin: float = 0.0,
    steps: int = 300,
) -> Edit:
    """Find a small edit of ink after which a model says ``target``.

    Minimises the sum of the pixels' changes plus a weighted hinge on the logits, by gradient steps, each followed by
    shrinking the changes and cutting them to what ink can do (the L1 case of Chen et al. 2018, "EAD", algorithm 1, for
    all weights in one batch). Small is the best that was found: no proof that nothing smaller exists.

    Args:
        model: a module from normalised images to logits, a classifier or a predictor; its mode, weights and gradients stay
            as they are.
        image: uint8 ``(C, H, W)``, such as ``dataset.images[0]``.
        target: the label that the edited image is to get.
        preprocessing: the data set's; of a classifier or predictor its own.
        margin: by how much the target's logit must lead; 0 is the border, where the model is just undecided.
        steps: of the search.

    Returns:
        The edit; without any change if the model says ``target`` already, by that margin.

    Raises:
        DataError: for an image of another shape or type.
        ConfigError: for a target that is no label of the model's, a margin below 0 or no steps; for a bare module without
            preprocessing.
        ConfigError: if no edit was found; more steps or a smaller margin may find one.

    >>> test = load_mnist().test
    >>> edit = smallest_edit(create_model("softmax_regression"), test.images[0], 7, test.preprocessing)
    >>> edit.after.shape, edit.target
    (torch.Size([1, 28, 28]), 7)
    """
    if image.dtype != torch.uint8 or image.ndim != 3:
        raise DataError(f"got a {image.dtype} image of shape {tuple(image.shape)}, expected uint8 (C, H, W)")
    if margin < 0 or steps < 1:
        raise ConfigError(f"margin is {margin} and steps is {steps}, expected a margin from 0 and at least 1 step")
    network = network_of(model)
    if not isinstance(model, nn.Module):
        preprocessing = (model.classifier if isinstance(model, Predictor) else model).preprocessing
    if preprocessing is None:
        raise ConfigError("a bare module needs preprocessing=, that of its training: dataset.preprocessing")
    device = model_device(network)
    start = image.to(device).float().div(255)[None]

    def logits_of(pixels: Tensor) -> Tensor:
        logits: Tensor = network(preprocessing.normalize_unit(pixels.clone()))
        return logits

    with evaluating(network), torch.no_grad():
        first = logits_of(start)
        if not 0 <= target < first.shape[1]:
            raise ConfigError(f"target is {target}, expected a label from 0 to {first.shape[1] - 1}")
        best = start if _lead(first, target) > margin else None
        pixels, weights = start.expand(len(_WEIGHTS), -1, -1, -1), _WEIGHTS.to(device)
        for step in range(steps if best is None else 0):
            with torch.enable_grad():
                pixels = pixels.detach().requires_grad_()
                lack = (margin - _lead(logits_of(pixels), target)).clamp_min(0)
                (gradient,) = torch.autograd.grad((weights * lack).sum(), pixels)
            rate = _RATE * (1 - step / steps) ** 0.5
            change = pixels.detach() - rate * gradient - start
            pixels = (start + change.sign() * (change.abs() - rate).clamp_min(0)).clamp(0, 1)
            # What counts is the picture that could be saved, of whole grey levels.
            shown = pixels.mul(255).round().div(255)
            found = shown[_lead(logits_of(shown), target) > margin]
            candidates = found if best is None else torch.cat([best, found])
            if len(candidates):
                best = candidates[(candidates - start).abs().sum((1, 2, 3)).argmin()][None]
        if best is None:
            raise ConfigError(
                f"no edit of ink was found that makes the model say {target}; try more steps or a smaller margin"
            )
        before, after = first.double().softmax(1)[0], logits_of(best).double().softmax(1)[0]
    label = int(before.argmax())
    edited = best[0].mul(255).round().to(torch.uint8).cpu()
    return Edit(image.cpu(), edited, label, target, float(before[label]), float(after[target]))


def _lead(logits: Tensor, target: int) -> Tensor:
    """By how much the target's logit is above the largest other one."""
    others = torch.ones(logits.shape[1], dtype=torch.bool, device=logits.device)
    others[target] = False
    return logits[:, target] - logits[:, others].amax(1)
