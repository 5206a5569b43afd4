"""Other programs to compute a network with, where they are faster than torch: ONNX Runtime and OpenVINO."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn

from mnistkit._core.files import write_atomically
from mnistkit.errors import ConfigError, MissingExtraError, unknown_name
from mnistkit.models.network import copy_of
from mnistkit.runtime.program import Program, import_onnxruntime
from mnistkit.types import PathLike

if TYPE_CHECKING:
    import onnx

__all__ = ["BackendName", "CompiledModel", "compile_model", "export_onnx", "onnx_model"]

#: ``"torch"`` itself, ``"onnx"`` (ONNX Runtime) or ``"openvino"``.
BackendName: TypeAlias = Literal["torch", "onnx", "openvino"]

# Images for which it pays to start a thread, which takes as long as one small network does for a few.
_LEAST_FOR_A_THREAD = 32


class CompiledModel(nn.Module):
    """A network that another program computes, in float32 on the CPU: for prediction only, it has no gradients.

    Any number of threads may use it at once. Copied or pickled it is compiled again, which takes some seconds.

    Shape:
        input: float ``(N, *input_shape)`` on any device. output: float32 ``(N, classes)``, on the same one.

    Attributes:
        backend: which program.
    """

    def __init__(self, model: nn.Module, backend: Literal["onnx", "openvino"], input_shape: Sequence[int]) -> None:
        super().__init__()
        self.backend: BackendName = backend
        # In a tuple: torch would take the model for a part of this one.
        self._made_from = (model, backend, tuple(input_shape))
        self._run = {"onnx": _onnx, "openvino": _openvino}[backend](model, input_shape)

    def __reduce__(self) -> tuple[type[CompiledModel], tuple[nn.Module, str, tuple[int, ...]]]:
        """Another process compiles it anew: what was compiled belongs to this one."""
        return CompiledModel, self._made_from

    def computes(self, model: nn.Module, input_shape: Sequence[int]) -> bool:
        """Whether it was made from this network, for images of this shape."""
        made_from, _, shape = self._made_from
        return made_from is model and shape == tuple(input_shape)

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        # Few and cheap steps: for a single image they weigh as much as the network.
        array = np.asarray(images.numpy(force=True), dtype=np.float32, order="C")
        logits = torch.from_numpy(self._run(array))
        return logits if images.is_cpu else logits.to(images.device)


def compile_model(model: nn.Module, backend: BackendName, input_shape: Sequence[int]) -> CompiledModel | None:
    """A model that computes the same with another program; it takes some seconds to make.

    Args:
        model: from images to logits.
        backend: for ``"torch"`` there is nothing to make: ``None``.
        input_shape: of one image, such as ``(1, 28, 28)``; see :attr:`mnistkit.imaging.Preprocessing.input_shape`.

    Raises:
        ConfigError: for an unknown backend, with those that there are.
        MissingExtraError: if the program is not installed.
        ConfigError: for OpenVINO in a forked process whose parent had used it.
    """
    if backend not in get_args(BackendName):
        raise ConfigError(unknown_name("backend", backend, get_args(BackendName)))
    return None if backend == "torch" else CompiledModel(model, backend, input_shape)


def export_onnx(model: nn.Module, path: PathLike, input_shape: Sequence[int]) -> None:
    """Write a model as an ONNX file, from ``images`` ``(N, *input_shape)``, normalised, to ``logits`` ``(N, classes)``.

    Raises:
        MissingExtraError: if onnx or onnxscript is not installed.
    """
    write_atomically(path, _onnx_bytes(model, input_shape))


def _exported(model: nn.Module, input_shape: Sequence[int]) -> torch.export.ExportedProgram:
    """The computation alone, on the CPU, for any number of images."""
    # A size of 1 would be taken for one that never changes.
    example = torch.zeros(2, *input_shape)
    model = copy_of(model).to("cpu").eval()
    return torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))


def onnx_model(program: torch.export.ExportedProgram, image: str, outputs: Sequence[str]) -> onnx.ModelProto:
    """An exported computation as a model of ONNX's.

    Args:
        program: of one input.
        image: the input's name.
        outputs: names of the outputs.

    Raises:
        MissingExtraError: if onnx or onnxscript is not installed.
    """
    for package in ("onnx", "onnxscript"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtraError(package, "onnx", "export to ONNX") from error
    exported = torch.onnx.export(
        program, (), dynamo=True, verbose=False, input_names=[image], output_names=list(outputs)
    )
    assert exported is not None  # what it is for dynamo=True
    return exported.model_proto


def _onnx_bytes(model: nn.Module, input_shape: Sequence[int]) -> bytes:
    data: bytes = onnx_model(_exported(model, input_shape), "images", ["logits"]).SerializeToString()
    return data


def _onnx(model: nn.Module, input_shape: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    # Before the seconds that the export takes, and before anything there imports it.
    import_onnxruntime("backend='onnx'")
    program = Program(_onnx_bytes(model, input_shape), "the network")
    compute = functools.partial(program, "images")

    def run(images: np.ndarray) -> np.ndarray:
        threads = min(torch.get_num_threads(), len(images) // _LEAST_FOR_A_THREAD)
        if threads < 2:
            return compute(images)
        # Ended before this returns: threads that ONNX Runtime keeps are missing in a forked child, which waits for them.
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(compute, np.array_split(images, threads))))

    return run


@functools.cache
def _openvino_process() -> int:
    """Which process has OpenVINO's threads: a child that is forked later has none, and would end in an abort without them."""
    return os.getpid()


def _openvino(model: nn.Module, input_shape: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("openvino", "openvino", "backend='openvino'") from error
    if _openvino_process() != os.getpid():
        raise ConfigError(
            "OpenVINO was used before this process was forked from its parent, and can compile nothing here: make the "
            "predictor before the fork, where it goes on working, or start processes by "
            "multiprocessing.get_context('spawn')"
        )
    settings = {
        # Its own default is bfloat16 where the CPU has it: faster, and no longer the same numbers.
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    program = openvino.convert_model(_exported(model, input_shape))
    # It gives the thread that it is loaded in a stack for signals, and may leave that thread with one that was freed:
    # there, the next Ctrl-C would end in a segmentation fault.
    with ThreadPoolExecutor(1) as another_thread:
        compiled = another_thread.submit(openvino.Core().compile_model, program, "CPU", settings).result()

    # A request is for one thread at a time: shared, it answers one thread with the digits of another.
    own = threading.local()

    def run(images: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        logits: np.ndarray = own.request.infer([images], share_inputs=True)[0]
        return logits

    return run
