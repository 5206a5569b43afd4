"""Measures the accuracies that the documentation reports, and writes them down.

    python benchmarks/accuracy.py --seeds 5 --fashion-root FOLDER

runs `mnistkit train` and the tutorials of `examples/` with each seed, keeps every test result in
benchmarks/results/accuracy.json, and rewrites docs/results.md and the READMEs' table from it. `--only NAME ...` measures
some rows again; `--table` only rewrites the pages.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import kept as keeping
from kept import ROOT
from mnistkit.metrics import wilson_interval

PAGE = ROOT / "docs" / "results.md"
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


@dataclass(frozen=True)
class Row:
    """One line of the table: what is run, what its tutorial published, and where the figures are in its output."""

    title: str
    published: str
    command: str
    pattern: str = r"^test: .*?([\d,]+) of ([\d,]+)\)"


ROWS = {
    "train": Row(
        "`lenet5`, the default recipe of `mnistkit train`",
        "99.05 % (LeCun 1998)",
        "mnistkit train --seed {seed} --output {folder}",
        r"test loss.*?([\d,]+) of ([\d,]+)\)",
    ),
    "t0": Row(
        "T0: LeNet-5, Adam, 20 epochs",
        "99.86 % (on training images)",
        "python examples/t0_lenet5.py --seed {seed} --output {folder}",
    ),
    "t1": Row(
        "T1: LeNet with sigmoids on Fashion-MNIST, 5 epochs",
        "76.4 %",
        "python examples/t1_fashion.py --seed {seed} --root {fashion}",
    ),
    "t2a": Row(
        "T2a: 400-25-15-10 on 5,000 images, 40 epochs",
        "14 errors on the training images",
        "python examples/t2_dense.py --seed {seed} --output {folder}",
        r"errors on the 5,000 training images: (\d+)()",
    ),
    "t2a-test": Row(
        "T2a, its test accuracy",
        "-",
        "python examples/t2_dense.py --seed {seed} --output {folder}",
        r"^\(a\) test: .*?([\d,]+) of ([\d,]+)\)",
    ),
    "t2b": Row(
        "T2b: 784-25-15-10, 10 epochs",
        "93.27 %",
        "python examples/t2_dense.py --seed {seed} --output {folder}",
        r"^\(b\) test: .*?([\d,]+) of ([\d,]+)\)",
    ),
    "t3": Row("T3: ConvNet [4, 8], SGD, 20 epochs", "-", "python examples/t3_convnet.py --seed {seed}"),
    "t4": Row(
        "T4: small CNN, Adam, 20 epochs",
        "-",
        "python examples/t4_digit_cnn.py --seed {seed} --picture {folder}.png",
    ),
}


def measure(names: list[str], seeds: int, fashion: str) -> dict[str, list[list[int]]]:
    """For each row and seed: [correct, count], or [errors]."""
    results: dict[str, list[list[int]]] = {name: [] for name in names}
    for seed in range(seeds):
        outputs: dict[str, str] = {}
        for name in names:
            row = ROWS[name]
            if row.command not in outputs:
                with tempfile.TemporaryDirectory() as folder:
                    command = row.command.format(seed=seed, folder=f"{folder}/run", fashion=fashion)
                    print(command, flush=True)
                    arguments = [sys.executable, *command.split()[1:]]
                    if command.startswith("mnistkit"):
                        arguments[1:1] = ["-m", "mnistkit"]
                    run = subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
                outputs[row.command] = run.stdout
            found = re.search(row.pattern, outputs[row.command], re.MULTILINE)
            if found is None:
                raise SystemExit(f"no figure for {name} in:\n{outputs[row.command]}")
            results[name].append([int(group.replace(",", "")) for group in found.groups() if group])
            print(f"  {name} seed {seed}: {results[name][-1]}", flush=True)
    return results


def summarize(runs: list[list[int]]) -> tuple[str, str, str]:
    """The mean over the seeds, each seed's figure, and the interval of one model with that mean."""
    if len(runs[0]) == 1:
        errors = [run[0] for run in runs]
        return f"{statistics.mean(errors):.1f} errors", ", ".join(map(str, errors)), "-"
    accuracies = [correct / count for correct, count in runs]
    mean, count = statistics.mean(accuracies), runs[0][1]
    # The same test images every time: more seeds do not make the interval narrower.
    low, high = wilson_interval(round(mean * count), count)
    each = ", ".join(f"{accuracy:.2%}" for accuracy in accuracies)
    return f"**{mean:.2%}**", each, f"{low:.2%} to {high:.2%}"


def table(results: dict[str, list[list[int]]]) -> str:
    """All figures as a Markdown table."""
    lines = ["| | published | measured | each seed | 95 % interval | command |", "|---|---|---|---|---|---|"]
    for name, row in ROWS.items():
        if name in results:
            measured, each, interval = summarize(results[name])
            command = row.command.format(seed="SEED", folder="FOLDER", fashion="FASHION")
            lines.append(f"| {row.title} | {row.published} | {measured} | {each} | {interval} | `{command}` |")
    return "\n".join(lines)


def short_table(results: dict[str, list[list[int]]]) -> str:
    """Published and measured only."""
    lines = ["| | published | measured | seeds |", "|---|---|---|---|"]
    for name, row in ROWS.items():
        if name in results:
            lines.append(f"| {row.title} | {row.published} | {summarize(results[name])[0]} | {len(results[name])} |")
    return "\n".join(lines)


def write_pages(kept: dict[str, Any]) -> None:
    """Put the figures into docs/results.md and the README, in both languages."""
    PAGE.write_text(
        "# Results\n\n"
        "Everything was trained on training images and chosen on validation images; the test images were looked at once a "
        "run, after it. Where nothing is chosen (T1, T2a), all training images train. The figure is the mean over the seeds; "
        "its interval (Wilson) is that of one model with this accuracy on this many test images.\n\n"
        f"{table(kept['results'])}\n\n"
        f"Measured on {kept['machine']} by `python benchmarks/accuracy.py`, which also writes this page.\n"
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
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    kept = keeping.read("accuracy.json")
    if not options.table:
        kept["results"] |= measure(options.only, options.seeds, options.fashion_root)
        kept["machine"] = keeping.machine()
        keeping.write("accuracy.json", kept)
    write_pages(kept)


if __name__ == "__main__":
    main()
