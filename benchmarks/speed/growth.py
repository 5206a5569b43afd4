"""A thousand images to a million: seconds for each image, and the memory that the process needs at most."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from speed.environments import here
from speed.timing import part

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
# In a process of its own: the highest memory use of a process never falls again. MNIST is repeated as often as need be.
SCRIPT = """
import json, resource, sys, time
from mnistkit import Augment, DigitDataset, Trainer, create_model, load_mnist
from mnistkit.data import concatenate

what, count = sys.argv[1], int(sys.argv[2])
train = load_mnist(validation=0).train
whole, rest = divmod(count, len(train))
data = concatenate([train] * whole + ([train[:rest]] if rest else []))
trainer = Trainer(create_model("mlp", hidden=(64,)), augment=Augment(rotate=10, shift=2), batch_size=64, progress=False)
trainer.evaluate(train[:1000])
start = time.perf_counter()
if what == "train":
    trainer.fit(data, epochs=1)
else:
    trainer.evaluate(data)
seconds = time.perf_counter() - start
print(json.dumps([1e6 * seconds / count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def measure(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (all parts are called alike)
    """Training and evaluation of a small network on augmented, repeated images."""
    figures: dict[str, list[float]] = {}
    memory: dict[str, str] = {}
    for what in ("train", "evaluate"):
        for count in COUNTS:
            done = subprocess.run(
                [here(), "-c", SCRIPT, what, str(count)], stdout=subprocess.PIPE, text=True, check=True
            )
            microseconds, megabytes = json.loads(done.stdout)
            name = f"{what}, {count:,} images"
            figures[name], memory[name] = [microseconds], f"{megabytes:,.0f} MB"
            print(f"  {name}: {microseconds:.1f} µs an image, {megabytes:.0f} MB", flush=True)
    return part(
        "From a thousand to a million images: 784-64-10, augmented",
        "µs an image",
        figures,
        f"train, {COUNTS[-1]:,} images",
        "constant, with memory of the images and little more",
        notes=memory,
        note="most memory",
    )
