"""A thousand images to a million: seconds for each image, and the memory that the process needs at most."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import PIL.Image

from mnistkit import load_mnist
from speed.environments import here
from speed.timing import Contestant, alternate, part

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
# Each in a process of its own: the highest memory use of a process never falls again. MNIST is repeated as often as need be.
TRAIN = """
import sys, time
from mnistkit import Augment, Trainer, create_model, load_mnist
from mnistkit.data import concatenate

what, count = sys.argv[1], int(sys.argv[2])
train = load_mnist(validation=0).train
whole, rest = divmod(count, len(train))
data = concatenate(*[train] * whole, *([train[:rest]] if rest else []))
trainer = Trainer(create_model("mlp", hidden=(64,)), augment=Augment(rotate=10, shift=2), batch_size=64, progress=False)
# The first steps of a process also pay for what torch sets up once.
trainer.fit(train[:64], epochs=1)
start = time.perf_counter()
if what == "train":
    trainer.fit(data, epochs=1)
else:
    trainer.evaluate(data)
seconds = time.perf_counter() - start
"""
READ = """
import sys, time
import numpy as np
from mnistkit import Predictor, load_mnist
from mnistkit.cli import main

what, count, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
images = load_mnist().test.images[:, 0].numpy()
predictor = Predictor()
predictor.predict(images[0])
array = np.resize(images, (count, 28, 28)) if what == "array" else None
start = time.perf_counter()
if what == "array":
    assert sum(1 for _ in predictor.stream(array)) == count
else:
    assert main(["predict", folder, "--csv", folder + ".csv", "--json"]) == 0
seconds = time.perf_counter() - start
"""
# How each ends. The most memory, not by getrusage: there a process begins with what its parent had.
PRINT = """
import json
from pathlib import Path
most = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([1e6 * seconds / count, int(most.split()[1]) / 1024]))
"""


def _folder(cache: Path, count: int) -> Path:
    """So many PNG files of test images: a thousand, and further names of the same ones."""
    folder = cache / f"growth-{count}"
    if not folder.is_dir():
        unfinished = cache / f"growth-{count}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        for number, image in enumerate(load_mnist().test.images[:1000, 0].numpy()):
            PIL.Image.fromarray(255 - image).save(unfinished / f"{number:07}.png")
        for number in range(1000, count):
            (unfinished / f"{number:07}.png").hardlink_to(unfinished / f"{number % 1000:07}.png")
        unfinished.rename(folder)
    return folder


def measure_training(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (all parts are called alike)
    """Training and evaluation of a small network on augmented, repeated images."""
    scripts = {
        f"{what}, {count:,} images": (TRAIN, what, str(count)) for what in ("train", "evaluate") for count in COUNTS
    }
    return _measure("Training on a thousand to a million images: 784-64-10, augmented", scripts, runs)


def measure_reading(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (a million take long enough once)
    """Reading of an array and of files."""
    scripts = {f"Predictor.stream, an array of {count:,}": (READ, "array", str(count), "") for count in COUNTS}
    scripts |= {
        f"mnistkit predict --csv, {count:,} PNG files": (READ, "files", str(count), str(_folder(cache, count)))
        for count in COUNTS
    }
    return _measure("Reading a thousand to a million images, with the weights that ship", scripts, 1)


def _measure(title: str, scripts: Mapping[str, tuple[str, ...]], runs: int) -> dict[str, Any]:
    """Microseconds an image of each script with its arguments, and the most memory of any run."""
    memory = dict.fromkeys(scripts, 0.0)

    def contestant(name: str) -> Contestant:
        def run() -> float:
            script, *arguments = scripts[name]
            command = [here(), "-c", script + PRINT, *arguments]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            microseconds, megabytes = map(float, json.loads(done.stdout.splitlines()[-1]))
            memory[name] = max(memory[name], megabytes)
            print(f"  {name}: {microseconds:.1f} µs an image, {megabytes:.0f} MB", flush=True)
            return microseconds

        return run

    return part(
        title,
        "µs an image",
        alternate({name: contestant(name) for name in scripts}, runs, warm_up=False),
        next(iter(scripts)),
        "constant, with memory of the images and little more",
        notes={name: f"{megabytes:,.0f} MB" for name, megabytes in memory.items()},
        note="most memory",
    )
