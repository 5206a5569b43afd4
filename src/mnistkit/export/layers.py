"""The operations that compute something, each as the steps that do the same.

A function here gets the arguments of torch's operation by their names, and gives ``None`` for those that it cannot do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from mnistkit.export.steps import Builder, Value
from mnistkit.types import JsonValue

__all__ = ["FUNCTIONS", "OPERATIONS", "Arguments", "Shape"]

Arguments: TypeAlias = Mapping[str, object]
Shape: TypeAlias = tuple[int, ...]

#: Operations on one number each, with the names of their settings.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "relu": (),
    "relu6": (),
    "hardtanh": ("min_val", "max_val"),
    "clamp": ("min", "max"),
    "leaky_relu": ("negative_slope",),
    "elu": ("alpha",),
    "gelu": ("approximate",),
    "silu": (),
    "mish": (),
    "sigmoid": (),
    "hardsigmoid": (),
    "hardswish": (),
    "tanh": (),
    "softplus": ("beta", "threshold"),
    "abs": (),
    "neg": (),
}
# Their settings are bounds.
_BOUNDED = {"hardtanh", "clamp"}


def _function(name: str, builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    settings = {key: given[key] for key in FUNCTIONS[name]}
    if name in _BOUNDED:  # An infinite bound is none: neither JSON nor C has a number for it.
        settings = {key: None if value in (-math.inf, math.inf) else value for key, value in settings.items()}
    if any(isinstance(value, (Tensor, Value)) for value in settings.values()):
        return None
    return builder.add("function", [_image(given)], shape, {"name": name, **cast("dict[str, JsonValue]", settings)})


def _pair(name: str, builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    if given.get("rounding_mode") or given.get("alpha", 1) != 1:
        return None
    values, inner = [], []
    for operand in (given["self"], given["other"]):
        tensor = torch.tensor(float(operand)) if isinstance(operand, (int, float)) else operand
        if isinstance(tensor, Tensor):
            values.append(builder.add("constant", [], tensor.shape, weights={"values": tensor.flatten()}))
        else:
            values.append(cast("Value", tensor))
        inner.append(_inner(values[-1].shape, shape))
    if None in inner:
        return None
    return builder.add("pair", values, shape, {"name": name, "inner": cast("list[JsonValue]", inner)})


def _inner(shape: Shape, whole: Shape) -> int | None:
    """How many times in a row each number of an operand is taken; after the last one it begins again."""
    sides = [*[1] * (len(whole) - len(shape)), *shape]
    own = [axis for axis, side in enumerate(sides) if side != 1]
    first, end = (own[0], own[-1] + 1) if own else (0, 0)
    return math.prod(whole[end:]) if sides[first:end] == list(whole[first:end]) else None


def _linear(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    matrix = given["weight"]
    if not isinstance(matrix, Tensor):
        return None
    weights = {"matrix": matrix, "bias": _or(given["bias"], torch.zeros(len(matrix)))}
    return builder.add("linear", [_image(given)], shape, weights=weights)


def _convolution(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    image, matrix, padding = _image(given), given["weight"], given["padding"]
    if not isinstance(matrix, Tensor) or len(image.shape) != 4:
        return None
    kernel, dilation = list(matrix.shape[2:]), _two(given["dilation"])
    if isinstance(padding, str):
        reach = [step * (side - 1) // 2 for step, side in zip(dilation, kernel, strict=True)]
        padding = reach if padding == "same" else 0
    settings = {"kernel": kernel, "stride": _two(given["stride"]), "padding": _two(padding), "dilation": dilation}
    weights = {"matrix": matrix.flatten(1), "bias": _or(given["bias"], torch.zeros(len(matrix)))}
    return builder.add(
        "conv", [image], shape, {**_window(image, shape, settings), "groups": cast("int", given["groups"])}, weights
    )


def _max_pool(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    return _pool("max", builder, given, shape, _two(given["dilation"]))


def _avg_pool(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    if given["ceil_mode"] or given["divisor_override"] is not None:
        return None
    return _pool("mean", builder, given, shape, [1, 1])


def _pool(name: str, builder: Builder, given: Arguments, shape: Shape, dilation: list[int]) -> Value | None:
    image, kernel = _image(given), _two(given["kernel_size"])
    if len(image.shape) != 4:
        return None
    stride = _two(given["stride"]) if given["stride"] else kernel
    settings = {"kernel": kernel, "stride": stride, "padding": _two(given["padding"]), "dilation": dilation}
    counted = bool(given.get("count_include_pad"))
    return builder.add("pool", [image], shape, {**_window(image, shape, settings), "name": name, "outside": counted})


def _adaptive(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    """The mean of each channel, which is what nearly every use of it is."""
    image = _image(given)
    return _reduced("mean", builder, image, shape, [-2, -1]) if shape[-2:] == (1, 1) else None


def _reduction(name: str, builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    image = _image(given)
    axes = cast("list[int]", given.get("dim")) or range(len(image.shape))
    return _reduced(name, builder, image, shape, axes)


def _reduced(name: str, builder: Builder, image: Value, shape: Shape, axes: Iterable[int]) -> Value:
    """Of each row, once what belongs together is in one."""
    axes = [axis % len(image.shape) for axis in axes]
    kept = [axis for axis in range(len(image.shape)) if axis not in axes]
    order = np.arange(image.size, dtype=np.int32).reshape(image.shape).transpose(*kept, *axes)
    if not np.array_equal(order.ravel(), np.arange(image.size)):
        image = builder.add("move", [image], order.shape, index=order.ravel())
    length = math.prod(order.shape[len(kept) :])
    return builder.add("reduce", [image], shape, {"name": name, "length": length})


def _batch_norm(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    mean, variance = given["running_mean"], given["running_var"]
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None
    scale = _or(given["weight"], torch.ones(len(mean))) / torch.sqrt(variance + cast("float", given["eps"]))
    shift = _or(given["bias"], torch.zeros(len(mean))) - mean * scale
    return _affine(builder, _image(given), scale, shift, math.prod(shape[2:]))


def _group_norm(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    length = math.prod(shape) // cast("int", given["num_groups"])
    normal = builder.add("standardize", [_image(given)], shape, {"length": length, "eps": cast("float", given["eps"])})
    weight, bias = _or(given["weight"], torch.ones(shape[1])), _or(given["bias"], torch.zeros(shape[1]))
    return _affine(builder, normal, weight, bias, math.prod(shape[2:]))


def _layer_norm(builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    length = math.prod(cast("list[int]", given["normalized_shape"]))
    normal = builder.add("standardize", [_image(given)], shape, {"length": length, "eps": cast("float", given["eps"])})
    weight, bias = _or(given["weight"], torch.ones(length)), _or(given["bias"], torch.zeros(length))
    return _affine(builder, normal, weight, bias, 1)


def _affine(builder: Builder, image: Value, scale: Tensor, shift: Tensor, inner: int) -> Value:
    weights = {"scale": scale.flatten(), "shift": shift.flatten()}
    return builder.add("affine", [image], image.shape, {"inner": inner}, weights)


def _softmax(name: str, builder: Builder, given: Arguments, shape: Shape) -> Value | None:
    if cast("int", given["dim"]) % len(shape) != len(shape) - 1:
        return None
    return builder.add(name, [_image(given)], shape, {"length": shape[-1]})


def _image(given: Arguments) -> Value:
    """What comes first, under one of two names."""
    return cast("Value", given["self"] if "self" in given else given["input"])


def _or(value: object, default: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else default


def _two(value: object) -> list[int]:
    """Of height and width; one number is for both."""
    sides = [value] if isinstance(value, int) else list(cast("Iterable[int]", value))
    return [sides[0], sides[-1]]


def _window(image: Value, shape: Sequence[int], settings: Mapping[str, list[int]]) -> dict[str, JsonValue]:
    """With the sizes of an image ``(1, C, H, W)``, and of what a window that moves over it makes."""
    _, channels, height, width = image.shape
    sizes = {"size": [height, width], "output": [*shape[2:]], **settings}
    return {**cast("dict[str, JsonValue]", sizes), "channels": channels, "pixels": math.prod(shape[2:])}


def _named(function: Callable[[str, Builder, Arguments, Shape], Value | None], name: str) -> _Operation:
    return lambda builder, given, shape: function(name, builder, given, shape)


_Operation: TypeAlias = Callable[[Builder, Arguments, Shape], Value | None]

#: By torch's names.
OPERATIONS: dict[str, _Operation] = {
    **{name: _named(_function, name) for name in FUNCTIONS},
    **{name: _named(_pair, name) for name in ("add", "sub", "mul", "div", "maximum", "minimum")},
    **{name: _named(_softmax, name) for name in ("softmax", "log_softmax")},
    "mean": _named(_reduction, "mean"),
    "sum": _named(_reduction, "sum"),
    "amax": _named(_reduction, "max"),
    "adaptive_avg_pool2d": _adaptive,
    "conv2d": _convolution,
    "linear": _linear,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
}
