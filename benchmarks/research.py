"""Runs the studies in examples/research, and writes the page of the documentation that shows what they reached.

    python benchmarks/research.py

runs each study with its seeds, keeps the figures in benchmarks/results/research.json and the pictures of seed 0 in
docs/_static/research as soon as they are there, and rewrites docs/research.md. Figures that are kept are not measured again:
what was interrupted goes on with the same command, and `--anew` forgets first. `--only NAME ...` does this for some studies;
`--check` runs again what is kept and compares, which the same machine should pass; `--table` only rewrites the page.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import kept as keeping
from kept import ROOT
from mnistkit.evaluation import Repetition

FOLDER = ROOT / "examples" / "research"
PICTURES = ROOT / "docs" / "_static" / "research"
PAGE = ROOT / "docs" / "research.md"

# With how many seeds each is run, in the order of the page.
SEEDS = {
    "conditional_vae": 1,
    "wgan_gp": 1,
    "distillation": 5,
    "fixmatch": 1,
    "simclr": 1,
    "pgd_training": 1,
    "sam": 3,
    "mixup": 3,
    "lbfgs": 1,
    "split_mnist": 3,
}
TITLES = {
    "conditional_vae": "Conditional variational autoencoder",
    "wgan_gp": "Conditional WGAN with gradient penalty",
    "distillation": "Distillation",
    "fixmatch": "FixMatch",
    "simclr": "SimCLR with a linear probe",
    "pgd_training": "PGD training",
    "sam": "Sharpness-aware minimisation",
    "mixup": "Mixup and CutMix",
    "lbfgs": "L-BFGS",
    "split_mnist": "Split MNIST: EWC and replay",
}
# With what the other figures of a study are compared, seed by seed.
BESIDE = {"distillation": "alone", "sam": "SGD", "mixup": "neither"}
INTRODUCTION = """# Research

Ten methods from papers, each a program in `examples/research/` whose method is a subclass of {class}`mnistkit.Trainer`;
{doc}`training` says how to write one. All learn from MNIST's training images; what was to be chosen was chosen on validation
images, and the test images were looked at once a run, after it. A program takes `--seed`, `--epochs`, `--images` to try it out on
fewer, and `--output` for its picture.
"""


def load(name: str) -> ModuleType:
    """A study's program, as a module."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    return importlib.import_module(name)


def measure(name: str, seed: int) -> dict[str, float]:
    """The figures of one run, to a hundredth of a percent; the picture of seed 0 is kept."""
    module = load(name)
    outcome = load("study").run(module.study, seed, module.EPOCHS)
    if seed == 0:
        PICTURES.mkdir(parents=True, exist_ok=True)
        outcome.picture.savefig(PICTURES / f"{name}.png", dpi=80)
    return {figure: round(share, 4) for figure, share in outcome.figures.items()}


def check(kept: dict[str, Any], names: list[str]) -> int:
    """Say of each run whether it gives its figures again; returns how many do not."""
    others = 0
    for name in names:
        for seed, there in enumerate(kept["results"].get(name, [])):
            found = measure(name, seed)
            others += found != there
            print(f"{name} seed {seed}: {found}, {'as kept' if found == there else f'kept was {there}'}", flush=True)
    return others


def trainer_lines(name: str) -> int:
    """Code lines of a study's Trainer subclasses: no blank lines, no docstrings."""
    source = (FOLDER / f"{name}.py").read_text()
    trainers, lines = {"Trainer"}, 0
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or not any(
            base.split("[")[0] in trainers for base in map(ast.unparse, node.bases)
        ):
            continue
        trainers.add(node.name)
        text = ast.get_docstring(node, clean=False)
        code = [line for line in source.splitlines()[node.lineno - 1 : node.end_lineno] if line.strip()]
        lines += len(code) - (0 if text is None else text.count("\n") + 1)
    return lines


def figures(runs: list[dict[str, float]], beside: str | None = None) -> str:
    """The mean of each figure over the seeds, with its interval, and what it gained beside another one."""
    found = []
    for name in runs[0]:
        said = f"{name} {mean_of(run[name] for run in runs)}"
        if beside is not None and name != beside and len(runs) > 1:
            gain = Repetition(tuple(range(len(runs))), tuple(100 * (run[name] - run[beside]) for run in runs))
            low, high = gain.interval
            chance = ", so it may be chance" if low <= 0 <= high else ""
            said += f", {gain.mean:+.2f} points beside {beside} ({low:+.2f} to {high:+.2f}{chance})"
        found.append(said)
    return "; ".join(found)


def mean_of(shares: Iterable[float]) -> str:
    """The mean, and of several its interval."""
    values = tuple(shares)
    over_seeds = Repetition(tuple(range(len(values))), values)
    low, high = over_seeds.interval
    return f"**{over_seeds.mean:.2%}**" + (f" ({low:.2%} to {high:.2%})" if len(values) > 1 else "")


def program(name: str) -> str:
    """A study's code, as the page includes it: all but its docstring, which is the text above."""
    path = FOLDER / f"{name}.py"
    first = ast.parse(path.read_text()).body[1].lineno
    return f"```{{literalinclude}} ../{path.relative_to(ROOT)}\n:language: python\n:lines: {first}-\n```"


def page(kept: dict[str, Any]) -> str:
    """docs/research.md: figures, commands and pictures."""
    table = ["| method | reached | seeds | lines of `Trainer` |", "|---|---|---|---|"]
    parts = []
    for name, title in TITLES.items():
        runs, label = kept["results"].get(name, []), name.replace("_", "-")
        reached = figures(runs, BESIDE.get(name)) if runs else "not measured yet"
        table.append(f"| [{title}](#{label}) | {reached} | {len(runs)} | {trainer_lines(name)} |")
        *texts, command = (load(name).__doc__ or "").strip().split("\n\n")
        part = [f"({label})=\n## {title}", *texts, f"```sh\n{command}\n```", program(name)]
        if runs:
            part.append(f"![{title}: {', '.join(runs[0])}](_static/research/{name}.png)")
        parts.append("\n\n".join(part) + "\n")
    measured = (
        f"Measured on {kept.get('machine')} by `python benchmarks/research.py`, which also writes this page. In brackets is "
        "the 95 % interval of the mean over the seeds (Student's t), of one figure beside another that of their differences; the "
        "pictures are those of seed 0.\n"
    )
    return "\n".join([INTRODUCTION, *table, "", measured, *parts])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(SEEDS), default=list(SEEDS))
    parser.add_argument("--anew", action="store_true", help="measure also what is kept")
    parser.add_argument("--check", action="store_true", help="run again what is kept, and compare")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    kept = keeping.read("research.json")
    if options.check:
        raise SystemExit(check(kept, options.only))
    if not options.table:
        wanted = [
            run for name in options.only for run in keeping.to_measure(kept, [name], SEEDS[name], anew=options.anew)
        ]
        # The first seed of all, then the second.
        for seed, name in sorted(wanted, key=lambda run: run[0]):
            kept["results"][name].append(measure(name, seed))
            print(f"{name} seed {seed}: {kept['results'][name][-1]}", flush=True)
            kept["machine"] = keeping.machine()
            keeping.write("research.json", kept)
    PAGE.write_text(page(kept))


if __name__ == "__main__":
    main()
