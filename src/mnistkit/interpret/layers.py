"""What the layers of a model hold and put out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mnistkit.errors import ConfigError, DataError, unknown_name
from mnistkit.interpret.subject import Subject, network_of, prepared
from mnistkit.models.network import BATCH, forward

__all__ = ["activations", "convolutions", "embed", "kernels", "layer_of", "outputs_of"]


@contextlib.contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """The outputs of a module, collected while a model runs, as part of its graph."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        found.append(output)
        # The model goes on with a copy: an activation that works in place would change what was kept.
        return output.clone()

    handle = module.register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


def layer_of(model: nn.Module, layer: str) -> nn.Module:
    """A layer by its path.

    Raises:
        ConfigError: for an unknown path, with the likeliest meant one.
    """
    layers: dict[str, nn.Module] = {name: module for name, module in model.named_modules() if name}
    if layer not in layers:
        raise ConfigError(unknown_name("layer", layer, layers))
    return layers[layer]


def convolutions(model: Subject) -> list[str]:
    """The paths of a model's 2-D convolutions, in the order of definition.

    >>> convolutions(create_model("lenet5"))
    ['conv.0', 'conv.3']
    """
    return [name for name, module in network_of(model).named_modules() if isinstance(module, nn.Conv2d)]


def kernels(model: Subject, layer: str) -> Tensor:
    """A copy of a convolution's kernels, on the CPU.

    Args:
        model: any module.
        layer: the path of a 2-D convolution; see :func:`convolutions`.

    Returns:
        ``(out, in, height, width)``: what each output map takes from each input map.

    Raises:
        ConfigError: if there is no such convolution.

    >>> kernels(create_model("convnet"), "conv.3").shape
    torch.Size([8, 4, 5, 5])
    """
    module = network_of(model).get_submodule(layer) if layer in convolutions(model) else None
    if not isinstance(module, nn.Conv2d):
        raise ConfigError(unknown_name("convolution", layer, convolutions(model)))
    return module.weight.detach().cpu().clone()


def activations(model: Subject, images: Tensor, layer: str) -> Tensor:
    """What a layer puts out for images; the model's mode and weights stay as they are.

    Args:
        model: any module, a classifier or a predictor.
        images: what the network takes: normalised float ``(N, C, H, W)``; of a classifier uint8, too.
        layer: the layer's path, such as ``"conv.0"`` (see :func:`mnistkit.summary`).

    Returns:
        ``(N, ...)`` on the model's device: ``(N, channels, height, width)`` after a convolution. Of a layer that runs
        several times, its last output.

    Raises:
        ConfigError: for an unknown layer, or one that the model did not run.

    >>> test = load_mnist().test
    >>> activations(create_model("lenet5"), test[0][0][None], "conv.3").shape
    torch.Size([1, 16, 10, 10])
    """
    network = network_of(model)

    def last(_: Tensor) -> Tensor:
        if not found:
            raise ConfigError(f"{type(network).__name__} has a layer {layer!r}, but does not run it")
        output = found[-1]
        found.clear()
        return output

    with outputs_of(layer_of(network, layer)) as found:
        return forward(network, torch.split(prepared(model, images), BATCH), last)


def embed(model: Subject, images: Tensor, layer: str | None = None) -> Tensor:
    """Where a model puts images before it decides: the features that its last linear layer gets.

    Args:
        model: any module, a classifier or a predictor.
        images: normalised float ``(N, C, H, W)``; of a classifier uint8, too.
        layer: take the output of this layer instead, flattened.

    Returns:
        float ``(N, features)`` on the model's device.

    Raises:
        ConfigError: for an unknown layer, or a model without a linear layer and no ``layer`` given.
        DataError: if there are no images.

    >>> embed(create_model("lenet5"), torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 84])
    """
    if len(images) == 0:
        raise DataError(f"got images of shape {tuple(images.shape)}: there are none")
    if layer is not None:
        return activations(model, images, layer).flatten(1)
    network = network_of(model)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigError(f"{type(network).__name__} has no linear layer: say which layer= to take the features from")
    features: list[Tensor] = []
    handle = linear[-1].register_forward_pre_hook(lambda _, inputs: features.append(inputs[0].flatten(1)))
    try:
        return forward(network, torch.split(prepared(model, images), BATCH), lambda _: features.pop())
    finally:
        handle.remove()
