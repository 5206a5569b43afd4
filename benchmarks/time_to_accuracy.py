"""Seconds of training to an accuracy, by the recipes of `mnistkit train --fast`: every seed reported.

    python benchmarks/time_to_accuracy.py --seeds 10

trains each recipe with each seed on 55,000 images, looks at the test images once a run, after it, keeps the results in
benchmarks/results/time_to_accuracy.json, each as soon as it is there, and writes them into docs/performance.md. What was
interrupted goes on with the same command; `--anew` forgets first. Seconds are those of building the network
and of `fit`; reading MNIST and importing come before. `--validation` measures validation images instead, and keeps nothing:
that is how the recipes were chosen. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import kept as keeping
from mnistkit import load_mnist
from mnistkit.recipes import get_recipe
from speed.page import PAGE
from speed.timing import Clock

TARGETS = ["99.0", "99.4", "99.6"]
BEGIN = "<!-- time to accuracy: begin, written by benchmarks/time_to_accuracy.py -->\n"
END = "<!-- time to accuracy: end -->"


def measure(target: str, seed: int, *, validation: bool) -> tuple[float, float]:
    """Seconds of training, and accuracy after it."""
    data = load_mnist(validation=10_000 if validation else 5_000)
    recipe = get_recipe(f"fast-{target}")
    start = Clock.now()
    trainer = recipe.trainer(data.train, seed=seed, progress=False)
    trainer.fit(data.train, epochs=recipe.epochs)
    seconds = Clock.now() - start
    return seconds, trainer.evaluate(data.validation if validation else data.test).accuracy


def text(kept: dict[str, Any]) -> str:
    """A line for each target."""
    lines = [
        f"| target | mean | every seed | {kept['clock']} of training, median | lowest to highest |",
        "|---|---|---|---|---|",
    ]
    for target, runs in kept["results"].items():
        if not runs:
            continue
        seconds, accuracies = [run[0] for run in runs], [run[1] for run in runs]
        each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
        lines.append(
            f"| {target} % | **{statistics.mean(accuracies):.3%}** | {each} | {statistics.median(seconds):.2f} | "
            f"{min(seconds):.2f} to {max(seconds):.2f} |"
        )
    return "\n".join(lines) + f"\n\nMeasured on {kept['machine']} by `python benchmarks/time_to_accuracy.py`.\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--anew", action="store_true", help="measure also what is kept")
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--busy", action="store_true", help="something else runs: measure CPU seconds on one core")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.busy:
        Clock.use_one_core()
    kept = {"results": {}} if options.validation else keeping.read("time_to_accuracy.json")
    if not options.table:
        measure("99.0", 0, validation=True)  # The first run of a process also pays for what torch sets up once.
        for seed, target in keeping.to_measure(kept, options.only, options.seeds, anew=options.anew):
            seconds, accuracy = measure(target, seed, validation=options.validation)
            print(f"{target}: seed {seed}: {seconds:.2f} s, {accuracy:.2%}", flush=True)
            kept["results"][target].append([seconds, accuracy])
            if not options.validation:
                kept |= {"machine": f"{keeping.processor()}, {keeping.machine()}", "clock": Clock.name()}
                keeping.write("time_to_accuracy.json", kept)
        for target in options.only:
            print(f"{target}: mean {statistics.mean(run[1] for run in kept['results'][target]):.3%}", flush=True)
    if not options.validation:
        keeping.replace_between(PAGE, BEGIN, END, text(kept))


if __name__ == "__main__":
    main()
