"""A thousand images to a million: seconds for each image, and the memory that the process needs at most."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import PIL.Image

from mnistkit import load_mnist
from speed.environments import here
from speed.timing import part

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
# Each in a process of its own: the highest memory use of a process never falls again. MNIST is repeated as often as need be.
TRAIN = """
import json, resource, sys, time
from mnistkit import Augment, Trainer, create_model, load_mnist
from mnistkit.data import concatenate

what, count = sys.argv[1], int(sys.argv[2])
train = load_mnist(validation=0).train
whole, rest = divmod(count, len(train))
data = concatenate(*[train] * whole, *([train[:rest]] if rest else []))
trainer = Trainer(create_model("mlp", hidden=(64,)), augment=Augment(rotate=10, shift=2), batch_size=64, progress=False)
# The first optimizer of a process imports torch's compiler, for a second.
trainer.fit(train[:64], epochs=1)
start = time.perf_counter()
if what == "train":
    trainer.fit(data, epochs=1)
else:
    trainer.evaluate(data)
seconds = time.perf_counter() - start
print(json.dumps([1e6 * seconds / count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""
READ = """
import json, resource, sys, time
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
print(json.dumps([1e6 * seconds / count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
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


def measure(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (all parts are called alike)
    """Training and evaluation of a small network on augmented, repeated images; reading of an array and of files."""
    figures: dict[str, list[float]] = {}
    memory: dict[str, str] = {}

    def run(title: str, script: str, *arguments: str) -> None:
        done = subprocess.run([here(), "-c", script, *arguments], stdout=subprocess.PIPE, text=True, check=True)
        microseconds, megabytes = json.loads(done.stdout.splitlines()[-1])
        figures[title], memory[title] = [microseconds], f"{megabytes:,.0f} MB"
        print(f"  {title}: {microseconds:.1f} µs an image, {megabytes:.0f} MB", flush=True)

    for what in ("train", "evaluate"):
        for count in COUNTS:
            run(f"{what}, {count:,} images", TRAIN, what, str(count))
    for count in COUNTS:
        run(f"Predictor.stream, an array of {count:,}", READ, "array", str(count), "")
    for count in COUNTS:
        run(f"mnistkit predict --csv, {count:,} PNG files", READ, "files", str(count), str(_folder(cache, count)))
    return part(
        "From a thousand to a million images: 784-64-10, augmented; the handwriting weights",
        "µs an image",
        figures,
        f"train, {COUNTS[-1]:,} images",
        "constant, with memory of the images and little more",
        notes=memory,
        note="most memory",
    )
