"""A classifier as one C99 header that needs the standard library only."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from mnistkit.errors import ConfigError
from mnistkit.export.c_source import HEADER, KERNELS
from mnistkit.export.steps import Program, Step
from mnistkit.export.tracing import trace

if TYPE_CHECKING:
    from mnistkit.classifier import Classifier

__all__ = ["c_header"]


def c_header(classifier: Classifier) -> str:
    """A header with ``predict(const uint8_t image[], float probabilities[])``, and weights and program in it.

    Args:
        classifier: a network of convolutions, linear layers, poolings, normalisations and activations.

    Raises:
        ConfigError: for a network with an operation that is not known here, by its name.
    """
    preprocessing = classifier.preprocessing
    channels, height, width = replace(preprocessing, flat=False).input_shape
    program = trace(classifier.network, preprocessing.input_shape)
    if program.sizes[program.output] != len(classifier.classes):
        raise ConfigError(
            f"the network has {program.sizes[program.output]} outputs for {len(classifier.classes)} classes; expected as many"
        )
    places, floats = _places(program)
    arrays: list[str] = []
    calls = [_call(step, program, places, arrays) for step in program.steps]
    weights = sum(array.nbytes for step in program.steps for array in step.weights.values())
    used = {"softmax" if step.operation == "log_softmax" else step.operation for step in program.steps}
    return HEADER.format(
        name=_comment(classifier.name),
        classes=_comment(", ".join(classifier.classes)),
        weights=f"{weights:,}",
        memory=f"{4 * floats:,}",
        channels=channels,
        height=height,
        width=width,
        pixels=channels * height * width,
        area=height * width,
        outputs=len(classifier.classes),
        names=", ".join(_text(name) for name in classifier.classes),
        arrays="\n".join(arrays),
        kernels="\n".join(kernel for operation, kernel in KERNELS.items() if operation in used),
        mean=", ".join(map(_number, preprocessing.mean)),
        std=", ".join(map(_number, preprocessing.std)),
        floats=floats,
        start=places[0],
        end=places[program.output],
        calls="\n".join(calls),
        temperature=_number(classifier.calibration.temperature),
    )


def _places(program: Program) -> tuple[dict[int, int], int]:
    """Where in memory each value begins, such that those that are needed at one time do not overlap; and how much it takes."""
    last = {program.output: len(program.steps), 0: 0}
    for number, step in enumerate(program.steps):
        last.update(dict.fromkeys((*step.inputs, step.output), number))
    last[program.output] = len(program.steps)
    places, whole = {0: 0}, program.sizes[0]
    for number, step in enumerate(program.steps):
        taken = sorted(
            (start, start + program.sizes[value]) for value, start in places.items() if last[value] >= number
        )
        place = 0
        for start, end in taken:
            if place + program.sizes[step.output] <= start:
                break
            place = max(place, end)
        places[step.output] = place
        whole = max(whole, place + program.sizes[step.output])
    return places, whole


def _call(step: Step, program: Program, places: Mapping[int, int], arrays: list[str]) -> str:
    """The lines that compute a step; what it needs is added to the arrays."""
    size, settings = program.sizes[step.output], step.settings
    inputs = [f"memory + {places[number]}" for number in step.inputs]
    out = f"memory + {places[step.output]}"
    named = {name: _array(f"{name}_{step.output}", "float", array, arrays) for name, array in step.weights.items()}
    match step.operation:
        case "linear":
            outputs, depth = step.weights["matrix"].shape
            rows = size // outputs
            return f"    mnistkit_linear({inputs[0]}, {out}, {named['matrix']}, {named['bias']}, {rows}, {outputs}, {depth});"
        case "conv":
            groups, channels = cast("int", settings["groups"]), cast("int", settings["channels"])
            first = [channels // groups, len(step.weights["bias"]) // groups, groups]
            sizes = _array(f"sizes_{step.output}", "int", np.array(first + _window(step)), arrays)
            return f"    mnistkit_conv({inputs[0]}, {out}, {named['matrix']}, {named['bias']}, {sizes});"
        case "pool":
            first = [cast("int", settings["channels"]), settings["name"] == "max", bool(settings["outside"])]
            sizes = _array(f"sizes_{step.output}", "int", np.array(first + _window(step)), arrays)
            return f"    mnistkit_pool({inputs[0]}, {out}, {sizes});"
        case "standardize":
            eps = _number(cast("float", settings["eps"]))
            return f"    mnistkit_standardize({inputs[0]}, {out}, {size}, {settings['length']}, {eps});"
        case "softmax" | "log_softmax":
            logarithm = int(step.operation == "log_softmax")
            return f"    mnistkit_softmax({inputs[0]}, {out}, {size}, {settings['length']}, {logarithm});"
        case "constant":
            return f"    memcpy({out}, {named['values']}, sizeof(float) * {size});"
        case "move":
            return _move(step, program, places, arrays)
        case "reduce":
            return _reduce(step, places, size)
    expression = _expression(step, places, program, named)
    return f"    for (i = 0; i < {size}; i++)\n        memory[{places[step.output]} + i] = {expression};"


def _window(step: Step) -> list[int]:
    settings = cast("Mapping[str, list[int]]", step.settings)
    parts = (settings[name] for name in ("size", "output", "kernel", "stride", "padding", "dilation"))
    return list(itertools.chain.from_iterable(parts))


def _move(step: Step, program: Program, places: Mapping[int, int], arrays: list[str]) -> str:
    """Where each number comes from is known in memory."""
    origins = np.concatenate([places[number] + np.arange(program.sizes[number]) for number in step.inputs])
    index = np.arange(len(origins)) if step.index is None else step.index
    name = _array(f"origin_{step.output}", "int32_t", np.where(index < 0, -1, origins[index]), arrays)
    size, place = program.sizes[step.output], places[step.output]
    return f"    for (i = 0; i < {size}; i++)\n        memory[{place} + i] = {name}[i] < 0 ? 0.0f : memory[{name}[i]];"


def _reduce(step: Step, places: Mapping[int, int], size: int) -> str:
    length, name = cast("int", step.settings["length"]), step.settings["name"]
    first, result = f"memory[{places[step.inputs[0]]} + i * {length}", f"memory[{places[step.output]} + i]"
    join = f"fmaxf({result}, {first} + k])" if name == "max" else f"{result} + {first} + k]"
    divide = f"\n        {result} /= {length};" if name == "mean" else ""
    return (
        f"    for (i = 0; i < {size}; i++) {{\n        int k;\n        {result} = {first}];\n"
        f"        for (k = 1; k < {length}; k++)\n            {result} = {join};{divide}\n    }}"
    )


def _expression(step: Step, places: Mapping[int, int], program: Program, named: Mapping[str, str]) -> str:
    settings = step.settings
    if step.operation == "affine":
        row = f"i / {settings['inner']} % {len(step.weights['scale'])}"
        return f"memory[{places[step.inputs[0]]} + i] * {named['scale']}[{row}] + {named['shift']}[{row}]"
    if step.operation == "pair":
        inner = cast("list[int]", settings["inner"])
        first, second = (
            f"memory[{places[number]} + i / {times} % {program.sizes[number]}]"
            for number, times in zip(step.inputs, inner, strict=True)
        )
        return _PAIRS[str(settings["name"])].format(a=first, b=second)
    x = f"memory[{places[step.inputs[0]]} + i]"
    values = {name: value for name, value in settings.items() if name != "name"}
    return _FUNCTIONS[str(settings["name"])](x, values)


def _clamped(x: str, low: object, high: object) -> str:
    above = x if low is None else f"fmaxf({x}, {_number(low)})"
    return above if high is None else f"fminf({above}, {_number(high)})"


def _sigmoid(x: str) -> str:
    return f"(1.0f / (1.0f + expf(-{x})))"


def _softplus(x: str, beta: object, threshold: object) -> str:
    scaled = f"{x} * {_number(beta)}"
    return f"({scaled} > {_number(threshold)} ? {x} : log1pf(expf({scaled})) / {_number(beta)})"


def _gelu(x: str, way: object) -> str:
    if way == "tanh":
        return f"0.5f * {x} * (1.0f + tanhf(0.79788456f * ({x} + 0.044715f * {x} * {x} * {x})))"
    return f"0.5f * {x} * (1.0f + erff({x} * 0.70710678f))"


_PAIRS = {
    "add": "{a} + {b}",
    "sub": "{a} - {b}",
    "mul": "{a} * {b}",
    "div": "{a} / {b}",
    "maximum": "fmaxf({a}, {b})",
    "minimum": "fminf({a}, {b})",
}
_FUNCTIONS: dict[str, Callable[[str, Mapping[str, object]], str]] = {
    "relu": lambda x, _: f"fmaxf({x}, 0.0f)",
    "relu6": lambda x, _: _clamped(x, 0, 6),
    "hardtanh": lambda x, s: _clamped(x, s["min_val"], s["max_val"]),
    "clamp": lambda x, s: _clamped(x, s["min"], s["max"]),
    "leaky_relu": lambda x, s: f"{x} > 0.0f ? {x} : {_number(s['negative_slope'])} * {x}",
    "elu": lambda x, s: f"{x} > 0.0f ? {x} : {_number(s['alpha'])} * expm1f({x})",
    "gelu": lambda x, s: _gelu(x, s["approximate"]),
    "silu": lambda x, _: f"{x} * {_sigmoid(x)}",
    "mish": lambda x, _: f"{x} * tanhf({_softplus(x, 1, 20)})",
    "sigmoid": lambda x, _: _sigmoid(x),
    "hardsigmoid": lambda x, _: _clamped(f"{x} / 6.0f + 0.5f", 0, 1),
    "hardswish": lambda x, _: f"{x} * {_clamped(f'{x} / 6.0f + 0.5f', 0, 1)}",
    "tanh": lambda x, _: f"tanhf({x})",
    "softplus": lambda x, s: _softplus(x, s["beta"], s["threshold"]),
    "abs": lambda x, _: f"fabsf({x})",
    "neg": lambda x, _: f"-{x}",
}


def _array(name: str, kind: str, values: np.ndarray, arrays: list[str]) -> str:
    numbers = values.ravel().tolist()
    texts = [_number(value) if kind == "float" else str(int(value)) for value in numbers]
    lines = (", ".join(texts[start : start + 10]) for start in range(0, len(texts), 10))
    body = ",\n    ".join(lines)
    arrays.append(f"static const {kind} mnistkit_{name}[] = {{\n    {body}}};")
    return f"mnistkit_{name}"


def _number(value: object) -> str:
    """A float as C writes it, of which no digit is lost."""
    text = f"{float(np.float32(cast('float', value))):.9g}"
    return (text if re.search(r"[.e]", text) else f"{text}.0") + "f"


def _text(name: str) -> str:
    """A string of C's, in UTF-8 and without what could end it."""
    return (
        '"' + "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in name.encode()) + '"'
    )


def _comment(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)[1:-1].replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")
