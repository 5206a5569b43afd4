"""Whole processes: import, read MNIST, train lenet5 for one epoch on 60,000 images, evaluate on the test images."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speed.environments import here, prepare_data, python_of
from speed.timing import Clock, alternate, median, part

SCRIPTS = Path(__file__).with_name("peers")
#: What is run, in whose environment, with which variables. What each does, and why, stands at the top of its script.
CONTESTANTS: dict[str, tuple[str, str | None, dict[str, str]]] = {
    "mnistkit": ("mnistkit_defaults.py", None, {}),
    "bare torch loop": ("bare_loop.py", None, {}),
    "PyTorch example": ("pytorch_example.py", None, {}),
    "Lightning": ("with_lightning.py", "lightning", {}),
    "skorch": ("with_skorch.py", "skorch", {}),
    "fastai": ("with_fastai.py", "fastai", {}),
    "Keras on TensorFlow": ("with_keras.py", "keras-tensorflow", {"KERAS_BACKEND": "tensorflow"}),
    "Keras on JAX": ("with_keras.py", "keras-jax", {"KERAS_BACKEND": "jax"}),
    "Keras on torch": ("with_keras.py", "keras-torch", {"KERAS_BACKEND": "torch"}),
}


def measure(cache: Path, runs: int) -> dict[str, Any]:
    """Seconds and test accuracy of each; run number n has seed n."""
    data = prepare_data(cache)
    accuracies: dict[str, list[float]] = {name: [] for name in CONTESTANTS}

    def contestant(name: str) -> Callable[[], float]:
        script, peer, variables = CONTESTANTS[name]
        python = here() if peer is None else python_of(peer, cache)

        def run() -> float:
            command = [python, str(SCRIPTS / script), str(data), str(len(accuracies[name]))]
            start = Clock.now()
            done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
            seconds = Clock.now() - start
            if done.returncode:
                raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
            accuracies[name].append(json.loads(done.stdout.splitlines()[-1])["accuracy"])
            print(f"  {name}: {seconds:.1f} s, {accuracies[name][-1]:.2%}", flush=True)
            return seconds

        return run

    figures = alternate({name: contestant(name) for name in CONTESTANTS}, runs, warm_up=False)
    return part(
        "Whole process: import, one epoch of lenet5 (batch 64, Adam), evaluation",
        "s",
        figures,
        "mnistkit",
        "Keras on TensorFlow and skorch 1.6 x, the PyTorch example 2 x, Lightning and fastai 2.5 x",
        notes={name: f"{median(values):.2%}" for name, values in accuracies.items()},
        note="test accuracy, median",
        accuracies=accuracies,
    )
