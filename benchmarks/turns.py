"""Measures this tree and an earlier commit in turns: how much quicker or slower each thing has become.

    python benchmarks/turns.py COMMIT

Each alternation runs both trees in processes of their own, in an order drawn anew. The ratio of a part is the median of the
alternations' ratios, new seconds over old, with a bootstrap interval of 95 %. Seconds are the processor's, of one thread, so that
other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import kept as keeping

ROOT = Path(__file__).resolve().parent.parent

# Names that both commits know; a part's time is the least of a few, which other work disturbs least.
PROGRAM = """
import json, time

times = {}


def least(name, work, times_over):
    seconds = []
    for _ in range(times_over):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    times[name] = min(seconds)


start = time.process_time()
import mnistkit
from mnistkit import Predictor, Trainer, create_model, load_mnist, seed_everything

reader = Predictor(device="cpu")
times["start: import, weights that ship"] = time.process_time() - start
train, validation, test = load_mnist()
digits = [image[0].numpy() for image in test.images[:40]]
reader.predict(digits[0])
least("predict, 40 pictures one by one", lambda: [reader.predict(digit) for digit in digits], 9)
least("predict, 1,000 pictures at once", lambda: reader.predict(test.images[:1000, 0].numpy()), 3)
seed_everything(0)
trainer = Trainer(create_model("lenet5"), device="cpu", progress=False)
least("fit, 200 steps of lenet5", lambda: trainer.fit(train[:12800], epochs=1), 2)
least("evaluate, 10,000 images with lenet5", lambda: trainer.evaluate(test), 3)
print(json.dumps(times))
"""


def run(tree: Path) -> dict[str, float]:
    """The seconds of each part."""
    settings = os.environ | {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=settings, check=True, stdout=subprocess.PIPE, text=True
    )
    seconds: dict[str, float] = json.loads(output.stdout.splitlines()[-1])
    return seconds


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="the earlier one")
    parser.add_argument("--alternations", type=int, default=20)
    options = parser.parse_args()
    pairs: list[tuple[dict[str, float], dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder, "earlier")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(earlier), options.commit], check=True)
        try:
            for number in range(options.alternations):
                trees = [ROOT, earlier]
                random.shuffle(trees)
                seconds = {tree: run(tree) for tree in trees}
                pairs.append((seconds[ROOT], seconds[earlier]))
                print(f"{number + 1} of {options.alternations}", file=sys.stderr, flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(earlier)], check=True)
    generator = np.random.default_rng(0)
    results = {}
    for part in pairs[0][0]:
        ratios = np.array([new[part] / old[part] for new, old in pairs])
        medians = np.median(generator.choice(ratios, (10_000, len(ratios))), axis=1)
        low, high = np.quantile(medians, (0.025, 0.975))
        results[part] = {"ratio": float(np.median(ratios)), "interval": [float(low), float(high)], "runs": len(ratios)}
        print(f"{part:40} {np.median(ratios):.3f}  {low:.3f} to {high:.3f}")
    keeping.write("turns.json", {"commit": options.commit, "machine": keeping.machine(), "results": results})


if __name__ == "__main__":
    main()
