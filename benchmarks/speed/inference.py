"""Prediction by the network alone: torch, ONNX Runtime and OpenVINO, the last two also behind mnistkit's own interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from mnistkit import create_model, load_mnist
from mnistkit.backends import CompiledModel, export_onnx
from speed.timing import Clock, Contestant, alternate, part, seconds_of_each

SHAPE = (1, 28, 28)
BATCH = 256
Network = Callable[[np.ndarray], object]


def _networks(name: str, cache: Path) -> dict[str, Network]:
    """The same network in each program, from a float array to logits."""
    torch.manual_seed(0)
    model = create_model(name).eval()
    file = cache / f"{name}.onnx"
    export_onnx(model, file, SHAPE)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    onnx, openvino = (CompiledModel(model, backend, SHAPE) for backend in ("onnx", "openvino"))

    def with_torch(images: np.ndarray) -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(images))

    return {
        f"{name}, onnxruntime itself": lambda images: session.run(None, {"images": images}),
        f"{name}, torch": with_torch,
        # These have no gradients to turn off.
        f"{name}, backend onnx": lambda images: onnx(torch.from_numpy(images)),
        f"{name}, backend openvino": lambda images: openvino(torch.from_numpy(images)),
    }


def _side_by_side(timed: Callable[[Network], Contestant], cache: Path, runs: int) -> dict[str, list[float]]:
    """One way to time networks, for all of them; those of one model take turns."""
    figures: dict[str, list[float]] = {}
    for name in ("lenet5", "example_cnn"):
        networks = _networks(name, cache)
        figures |= alternate({title: timed(network) for title, network in networks.items()}, runs)
    return figures


def measure(cache: Path, runs: int) -> dict[str, Any]:
    """Microseconds for one image, the median of 300 in each run."""
    image = np.random.default_rng(0).standard_normal((1, *SHAPE), np.float32)

    def latency(network: Network) -> Contestant:
        return seconds_of_each(lambda: network(image), 300, scale=1e6)

    return part(
        "One 28x28 image, network alone",
        "µs",
        _side_by_side(latency, cache, runs),
        "lenet5, onnxruntime itself",
        "at most 1.3 x onnxruntime's own latency",
    )


def measure_throughput(cache: Path, runs: int) -> dict[str, Any]:
    """Images a second, of 10,000 prepared ones in batches of 256."""
    data = load_mnist().test
    batches = [batch.numpy() for batch in torch.split(data.preprocessing.normalize(data.images), BATCH)]

    def throughput(network: Network) -> Contestant:
        def run() -> float:
            start = Clock.now()
            for batch in batches:
                network(batch)
            return len(data) / (Clock.now() - start)

        return run

    return part(
        "10,000 prepared images, batches of 256",
        "images/s",
        _side_by_side(throughput, cache, runs),
        "lenet5, onnxruntime itself",
        "at least onnxruntime's throughput",
    )
