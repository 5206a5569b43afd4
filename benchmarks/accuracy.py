"""Measures the accuracies that the documentation reports, and writes them down.

    python benchmarks/accuracy.py --seeds 5 --fashion-root FOLDER

runs the recipes of `mnistkit recipes` with each seed, keeps every test result in benchmarks/results/accuracy.json as soon as it
is there, and rewrites docs/results.md and the READMEs' table. Figures that are kept are not measured again: what was interrupted
goes on with the same command, `--seeds 10` adds the seeds from 5 on, and `--anew` forgets first. `--only NAME ...` does this for
some rows; `--check` runs again what is kept and compares to the image, which the same machine should pass; `--table` only
rewrites the pages.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch

import kept as keeping
from kept import ROOT
from mnistkit import evaluate
from mnistkit.metrics import Proportion
from mnistkit.recipes import Recipe, Result, get_recipe

PAGE = ROOT / "docs" / "results.md"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


@dataclass(frozen=True)
class Row:
    """One line of the table: which recipe is run, what its source published, and whether errors in training are counted."""

    recipe: str
    published: str = "-"
    title: str = ""
    training_errors: bool = False


ROWS = {
    "train": Row("lenet5", "99.05 % (LeCun 1998)", "`lenet5`, the default recipe of `mnistkit train`"),
    "t0": Row("t0", "99.86 % (on training images)"),
    "t1": Row("t1", "76.4 %"),
    "t2a": Row("t2a", "14 errors on the training images", training_errors=True),
    "t2a-test": Row("t2a", title="T2a, its test accuracy"),
    "t2b": Row("t2b", "93.27 %"),
    "t3": Row("t3"),
    "t4": Row("t4"),
}


def measured(wanted: Iterable[tuple[int, str]], fashion: str) -> Iterator[tuple[int, str, list[int]]]:
    """For each seed and row: [correct, count], or [errors]."""
    result: Result | None = None
    for seed, name in wanted:
        row = ROWS[name]
        recipe = get_recipe(row.recipe)
        root = fashion or None if recipe.dataset == "fashion-mnist" else None
        # Two rows of one recipe follow each other.
        if result is None or (result.recipe, result.seed) != (row.recipe, seed):
            result = recipe.run(seed, root=root)
        yield seed, name, figures(recipe, result, root, training_errors=row.training_errors)


def check(kept: dict[str, Any], names: list[str], seeds: int, fashion: str) -> int:
    """Say of each figure whether the same recipe with the same seed gives it again; returns how many it does not."""
    wanted = [(seed, name) for seed in range(seeds) for name in names if seed < len(kept["results"].get(name, []))]
    others = 0
    for seed, name, found in measured(wanted, fashion):
        there = kept["results"][name][seed]
        others += found != there
        print(f"{name} seed {seed}: {found}, {'as kept' if found == there else f'kept was {there}'}", flush=True)
    return others


def figures(recipe: Recipe, result: Result, root: str | None, *, training_errors: bool) -> list[int]:
    """What a row has of one run."""
    if training_errors:
        report = evaluate(result.classifier, recipe.load(result.seed, root=root).train)
        return [len(report.mistakes)]
    assert result.evaluation.score is not None
    return [result.evaluation.score.correct, result.evaluation.count]


def title(row: Row) -> str:
    """What the row is called."""
    return row.title or get_recipe(row.recipe).title


def command(row: Row) -> str:
    """What runs it from a shell."""
    name = "" if row.recipe == "lenet5" else f" --recipe {row.recipe}"
    root = " --root FASHION" if get_recipe(row.recipe).dataset == "fashion-mnist" else ""
    return f"mnistkit train{name} --seed SEED --output FOLDER{root}"


def summarize(runs: list[list[int]]) -> tuple[str, str, str]:
    """The mean over the seeds, each seed's figure, and the interval of one model with that mean."""
    if len(runs[0]) == 1:
        errors = [run[0] for run in runs]
        return f"{statistics.mean(errors):.1f} errors", ", ".join(map(str, errors)), "-"
    accuracies = [correct / count for correct, count in runs]
    mean, count = statistics.mean(accuracies), runs[0][1]
    # The same test images every time: more seeds do not make the interval narrower.
    low, high = Proportion(round(mean * count), count).interval
    each = ", ".join(f"{accuracy:.2%}" for accuracy in accuracies)
    return f"**{mean:.2%}**", each, f"{low:.2%} to {high:.2%}"


def table(kept: dict[str, Any]) -> str:
    """All figures as a Markdown table."""
    lines = ["| | published | measured | each seed | 95 % interval | on | command |", "|---|---|---|---|---|---|---|"]
    for name, row in ROWS.items():
        if kept["results"].get(name):
            figures = " | ".join(summarize(kept["results"][name]))
            lines.append(f"| {title(row)} | {row.published} | {figures} | {kept['dates'][name]} | `{command(row)}` |")
    return "\n".join(lines)


def short_table(results: dict[str, list[list[int]]]) -> str:
    """Published and measured only."""
    lines = ["| | published | measured | seeds |", "|---|---|---|---|"]
    for name, row in ROWS.items():
        if results.get(name):
            lines.append(f"| {title(row)} | {row.published} | {summarize(results[name])[0]} | {len(results[name])} |")
    return "\n".join(lines)


def write_pages(kept: dict[str, Any]) -> None:
    """Put the figures into docs/results.md and the README, in both languages."""
    PAGE.write_text(
        "# Results\n\n"
        "Everything was trained on training images and chosen on validation images; the test images were looked at once a "
        "run, after it. Where nothing is chosen (T1, T2a), all training images train. The figure is the mean over the seeds; "
        "its interval (Wilson) is that of one model with this accuracy on this many test images.\n\n"
        f"{table(kept)}\n\n"
        f"Measured on {kept['machine']}, in one thread each, by `python benchmarks/accuracy.py`, which also writes this page. "
        "Its `--check` runs a recipe again and compares to the image: the same machine and versions give the same figures.\n"
    )
    begin = "<!-- results: begin, written by benchmarks/accuracy.py -->\n"
    for readme in READMES:
        keeping.replace_between(readme, begin, "<!-- results: end -->", short_table(kept["results"]) + "\n")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fashion-root", default="", help="the folder with Fashion-MNIST's files")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--anew", action="store_true", help="measure also what is kept")
    parser.add_argument("--check", action="store_true", help="run again what is kept, and compare to the image")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    # Sums of more threads differ in their last digits, and a training goes its own way from there.
    torch.set_num_threads(1)
    kept = keeping.read("accuracy.json")
    if options.check:
        raise SystemExit(check(kept, options.only, options.seeds, options.fashion_root))
    if not options.table:
        wanted = keeping.to_measure(kept, options.only, options.seeds, anew=options.anew)
        for seed, name, found in measured(wanted, options.fashion_root):
            print(f"{name} seed {seed}: {found}", flush=True)
            if not kept["results"][name]:
                kept.setdefault("dates", {})[name] = datetime.now(UTC).date().isoformat()
            kept["results"][name].append(found)
            kept["machine"] = keeping.machine()
            keeping.write("accuracy.json", kept)
    write_pages(kept)


if __name__ == "__main__":
    main()
