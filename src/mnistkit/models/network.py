"""A network, and the forward pass over many images: the one loop of evaluation, prediction, calibration, interpretation."""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mnistkit.errors import ConfigError, DataError, NonFiniteLossError

__all__ = [
    "BATCH",
    "ImageClassifier",
    "as_frames",
    "computed_weights",
    "copy_of",
    "evaluating",
    "forward",
    "keeping_buffers",
    "lay_out",
    "model_device",
    "require_forward",
    "require_logits",
    "require_shapes",
]

M = TypeVar("M", bound=nn.Module)

#: Images at a time. Measured: a CPU is fastest from 64 to 256; much larger batches no longer fit its cache.
BATCH = 256
# What all outputs of a softmax add up to, up to rounding in half precision.
_ONE = 1e-3


class ImageClassifier(nn.Module):
    """A convolutional part and a dense part; from normalised images to logits.

    Shape:
        input: float ``(N, *input_shape)``. output: float ``(N, classes)``, logits: no softmax.

    Attributes:
        conv: layers from the image to feature maps.
        fc: layers from the flattened maps to the logits.
        input_shape: ``(C, H, W)`` of one image.
    """

    def __init__(self, conv: nn.Sequential, fc: nn.Sequential, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.conv = conv
        self.fc = fc
        self.input_shape = input_shape

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)`` of images ``(N, C, H, W)``.

        Raises:
            DataError: for images of another shape.
        """
        self._check(images)
        logits: Tensor = self.fc(self.conv(lay_out(images)).flatten(1))
        return logits

    def _check(self, images: Tensor) -> None:
        if images.shape[1:] != self.input_shape:
            expected = ", ".join(map(str, self.input_shape))
            raise DataError(
                f"got images of shape {tuple(images.shape)}, this {type(self).__name__} expects (N, {expected})"
            )


def lay_out(images: Tensor) -> Tensor:
    """The same images as convolutions are quickest with: on a CPU with the channels innermost in memory.

    All layers after keep to it, and compute 1.1 to 1.9 times as fast (``docs/performance.md``). The weights stay as they
    are, and with them optimizers, averages and checkpoints.
    """
    if images.device.type != "cpu":
        return images
    # With one channel torch takes either layout for the other, so only a copy has the strides that say it. A clone in
    # torch.channels_last would be the same, but not for gradients of each image (torch.func.vmap).
    return images.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)


def forward(model: nn.Module, batches: Iterable[Tensor], keep: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """What a model puts out for batches of images, in eval mode, without gradients, where the model is.

    Args:
        model: any module from a tensor to a tensor; afterwards every part is in the mode that it was in, and holds what it did.
        batches: what it is to see, at least one.
        keep: what to keep of each batch, from what was put out; by default that itself.

    Returns:
        One after the other, on the model's device.

    Raises:
        DataError: for a model whose output is no tensor.
        ConfigError: for a model without ``forward``.
    """
    require_forward(model)
    place = model_device(model)
    with evaluating(model), torch.inference_mode():
        outputs = []
        for images in batches:
            output: object = model(images.to(place))
            if not isinstance(output, Tensor):
                raise DataError(
                    f"the network returned a {type(output).__name__}, expected a tensor of logits (N, classes): give a module "
                    "whose forward() returns the logits alone; Trainer.evaluate() measures any other by its evaluation_step()"
                )
            outputs.append(output if keep is None else keep(output))
    # Outside inference mode, which nobody could write to the result of.
    return torch.cat(outputs)


def as_frames(frames: np.ndarray | Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Frames of one shape ``(C, H, W)``, or ``(H, W)`` of one channel, as uint8 ``(N, C, H, W)``.

    Raises:
        DataError: for others, and for none.
    """
    images: object = frames
    if isinstance(frames, np.ndarray) and frames.dtype == np.uint8:
        images = torch.from_numpy(np.require(frames, requirements=["C", "W"]))
    if isinstance(images, Tensor) and images.dtype == torch.uint8 and len(images):
        images = images[:, None] if images.ndim == 3 else images
        if images.shape[1:] == shape:
            return images
    kind = f"{frames.dtype} of shape {tuple(frames.shape)}" if hasattr(frames, "dtype") else type(frames).__name__
    raise DataError(
        f"got {kind} as frames, expected at least one uint8 image of (N, {', '.join(map(str, shape))}), not normalised; "
        "Predictor(classifier).predict() takes pictures of any kind"
    )


def require_forward(model: nn.Module) -> None:
    """Refuse a model that computes nothing of an image itself, such as several networks in a ``ModuleDict``.

    Raises:
        ConfigError: with what to override.
    """
    if getattr(model.forward, "__func__", None) is nn.Module.forward:
        raise ConfigError(
            f"the {type(model).__name__} has no forward() from images to logits: override training_step, which calls its parts, "
            "and evaluation_step, which does so under inference_model and returns a loss, or give fit() no validation data; "
            "evaluate() and a Classifier need the one network of it that has logits"
        )


def require_logits(outputs: Tensor, count: int, classes: int) -> np.ndarray:
    """What a network put out for some images, as float32 logits ``(N, classes)``.

    Raises:
        DataError: for another shape, fewer outputs than classes, or the outputs of a softmax.
        NonFiniteLossError: for NaN or infinity.
    """
    if outputs.ndim != 2 or len(outputs) != count:
        raise DataError(
            f"the network's output for {count} images has shape {tuple(outputs.shape)}, expected logits (N, classes)"
        )
    if outputs.shape[1] < classes:
        raise DataError(
            f"the network has {outputs.shape[1]} outputs for {classes} classes: create it with classes={classes}, or give it "
            "data of its own classes"
        )
    logits: np.ndarray = outputs.float().numpy(force=True)
    finite = np.isfinite(logits).all(1)
    if not finite.all():
        first = int((~finite).argmax())
        raise NonFiniteLossError(
            f"the network's output is not finite for {int((~finite).sum())} of {count} images, first for image {first}: "
            f"{logits[first].tolist()}; its weights may be damaged, or training has diverged"
        )
    if logits.shape[1] > 1 and logits.min() >= 0 and np.abs(logits.sum(1) - 1).max() < _ONE:
        raise DataError(
            "the network's outputs add up to 1 for every image: it ends in softmax, and what is expected are logits, to which "
            "softmax is applied here. Leave the softmax out, and train anew: the loss applies its own. If it was trained on "
            "the logarithm of its outputs, let it put out that"
        )
    return logits


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """With a model in eval mode; afterwards every module is in the mode that it was in, with the buffers that it had."""
    modules = list(model.modules())
    training = [module for module in modules if module.training]
    # Torch's own layers keep their buffers in eval mode; to ask each for them would cost a single image a tenth of its time.
    moving = [module for module in modules if not type(module).__module__.startswith("torch.nn.")]
    try:
        if training:
            model.eval()
        with keeping_buffers(moving):
            yield
    finally:
        for module in training:
            module.training = True


@contextlib.contextmanager
def keeping_buffers(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Afterwards every buffer holds what it did before: observers of ranges, for one, go on observing in eval mode.

    Args:
        modules: whose buffers; not those of modules inside them.
    """
    before = [
        (module, name, buffer, buffer.clone())
        for module in modules
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in before:
                # The same tensor, which others may hold too, unless it has got another shape.
                if buffer.shape == value.shape:
                    buffer.copy_(value)
                    setattr(module, name, buffer)
                else:
                    setattr(module, name, value)


def model_device(model: nn.Module) -> torch.device:
    """Where a model's parameters are, or else its buffers; the CPU for one without any."""
    example = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if example is None else example.device


def copy_of(model: M) -> M:
    """A copy of a model that shares no memory with it.

    Raises:
        ConfigError: for a model that cannot be copied, or has layers without a shape yet.
    """
    require_shapes(model)
    try:
        return copy.deepcopy(model, computed_weights(model))
    except (
        TypeError,
        RuntimeError,
    ) as error:  # a file that is open, a lock, a tensor in a list that gradients go through
        raise ConfigError(
            f"this {type(model).__name__} cannot be copied ({error}). Does a layer keep an open file, a lock, or outputs with "
            "their gradients? Leave them out of the copy with a method __deepcopy__ in that layer, or keep outputs as "
            "output.detach()"
        ) from error


def computed_weights(model: nn.Module) -> dict[int, object]:
    """What a deep copy of a model must be told to take in place of some of its tensors, by their ids.

    Pruning and the older weight norm keep the weight that they compute, which torch does not copy, as a plain attribute.
    """
    return {
        id(value): value.detach().clone()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }


def require_shapes(model: nn.Module) -> None:
    """Refuse lazy layers that have not seen an input yet.

    Raises:
        ConfigError: with the name of the first weight without a shape.
    """
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if is_lazy(tensor):
            raise ConfigError(
                f"{name} has no shape yet: it is of a lazy layer, which learns its shape from its first input. Run a batch "
                "through the model first: model(images)"
            )
