"""Writes the tables of docs/zoo.md from what `zoo.py` kept, and from the weights in the package.

    python benchmarks/zoo_page.py

reads the test images again, after everything was chosen: to compare every two neighbours of the table image by image, and to
count without the images whose labels people doubt.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import kept as keeping
from kept import ROOT
from mnistkit import Classifier, compare, create_model, evaluate, load_mnist
from mnistkit.evaluation import Report
from mnistkit.metrics import Proportion
from mnistkit.models import summary
from mnistkit.recipes import get_recipe
from mnistkit.zoo import ZooEntry, list_zoo
from zoo import FILE, LARGE

PAGE = ROOT / "docs" / "zoo.md"
# Five people were shown each test image that another network of theirs doubted, and asked for its label, another digit, or
# neither. These are the images of whose label fewer than three were for: Northcutt, Athalye and Mueller 2021, *Pervasive label
# errors in test sets*; the votes are mturk/mnist_mturk.json of github.com/cleanlab/label-errors. The image's number: its label,
# the other digit; votes for the first, the second, neither.
DOUBTED = {
    947: (8, 9, 0, 5, 0),
    1621: (0, 6, 2, 3, 0),
    1901: (9, 4, 2, 3, 0),
    2130: (4, 9, 2, 2, 1),
    2462: (2, 0, 0, 4, 1),
    2597: (5, 3, 0, 4, 1),
    2654: (6, 1, 0, 2, 3),
    3520: (6, 4, 2, 0, 3),
    3558: (5, 0, 1, 4, 0),
    5937: (5, 3, 1, 3, 1),
    6651: (0, 6, 0, 5, 0),
    6783: (1, 6, 2, 3, 0),
    8527: (4, 9, 2, 2, 1),
    9679: (6, 3, 2, 0, 3),
    9729: (5, 6, 2, 3, 0),
}


def page() -> None:
    """Compare every two neighbours, and write the tables of the page."""
    every = sorted(list_zoo(), key=lambda entry: entry.score.accuracy, reverse=True)
    entries = [entry for entry in every if entry.measured_on == "mnist test"]
    test = load_mnist().test
    reports = {entry.name: evaluate(Classifier.pretrained(entry.name, device="cpu"), test) for entry in entries}
    with keeping.changing(FILE) as kept:
        rows = [Row.of_shipped(entry, kept) for entry in every] + [Row.of_large(name, kept) for name in LARGE]
        ours = [row for row in rows if row.dataset == "mnist"]
        networks: list[ZooEntry | Row] = [*entries, *(row for row in ours if row.name in LARGE)]
        kept["networks"] = {
            network.name: {"parameters": network.parameters, "macs": network.macs, **network.score.to_json()}
            for network in networks
        }
    tables: list[Iterable[str]] = [
        accuracies(ours),
        harder(kept, entries),
        neighbours(reports),
        doubted(reports),
    ]
    tables += [group(kept)] if "test" in kept.get("group", {}) else []
    tables += [whole(kept)] if "whole" in kept else []
    others = [row for row in rows if row not in ours]
    tables += [["Of Fashion-MNIST's own images:", "", *accuracies(others)], earlier(kept)]
    keeping.replace_between(
        PAGE,
        "<!-- zoo: begin, written by benchmarks/zoo_page.py -->\n",
        "<!-- zoo: end -->",
        "\n\n".join("\n".join(lines) for lines in tables) + "\n",
    )


@dataclass(frozen=True)
class Row:
    """What is told of a network, whether it ships or not.

    Attributes:
        name: of its recipe.
        dataset: that its recipe trains on.
        parameters: how many it has.
        macs: multiply-accumulate operations for one image.
        kilobytes: its file in the package, or a dash.
        runs: that the test images were looked at for.
        tests: right and all test images, of each run; of the card, if no run is kept.
    """

    name: str
    dataset: str
    parameters: int
    macs: int
    kilobytes: str
    runs: list[dict[str, Any]]
    tests: list[list[int]]

    @classmethod
    def of_shipped(cls, entry: ZooEntry, kept: dict[str, Any]) -> Row:
        """Of a network in the package."""
        runs = looked_at(kept, entry.name)
        tests = [run["test"] for run in runs] or [[entry.score.correct, entry.score.count]]
        dataset, kilobytes = entry.measured_on.removesuffix(" test"), f"{entry.kilobytes:,.0f}"
        return cls(entry.name, dataset, entry.parameters, entry.macs, kilobytes, runs, tests)

    @classmethod
    def of_large(cls, name: str, kept: dict[str, Any]) -> Row:
        """Of a network that does not ship."""
        recipe, runs = get_recipe(name), looked_at(kept, name)
        counted = summary(create_model(recipe.model, **recipe.arguments))
        tests = [run["test"] for run in runs]
        return cls(name, recipe.dataset, counted.parameters, counted.macs, "-", runs, tests)

    @property
    def mean(self) -> float:
        """The mean accuracy of its runs."""
        return mean_of(self.tests)

    @property
    def score(self) -> Proportion:
        """The mean as that of one run: the test images are the same, and more seeds make the interval no narrower."""
        count = self.tests[0][1]
        return Proportion(round(self.mean * count), count)


def mean_of(tests: list[list[int]]) -> float:
    """The mean accuracy of some runs, from the right and all test images of each."""
    return statistics.mean(correct / count for correct, count in tests)


def looked_at(kept: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The runs of a recipe that the test images were looked at for."""
    return [run for run in kept["results"].get(name, {}).values() if "test" in run]


def accuracies(rows: list[Row]) -> Iterator[str]:
    """A line for each network, the best first."""
    yield (
        "| name | parameters | MACs | kB | test images, mean of the seeds | each seed | 95 % interval | validation "
        "| core seconds |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in sorted(rows, key=lambda row: row.mean, reverse=True):
        low, high = row.score.interval
        each = ", ".join(map(of, row.tests))
        validation = ", ".join(of(run["validation"]) for run in row.runs) or "-"
        spent = [run["core seconds"] for run in row.runs if run.get("core seconds")]
        seconds = f"{statistics.median(spent):,.0f}" if spent else "-"
        if any(map(keeping.on_gpu, row.runs)):
            seconds += " beside a GPU"
        yield (
            f"| `{row.name}` | {row.parameters:,} | {row.macs:,} | {row.kilobytes} | **{row.mean:.2%}** | {each} "
            f"| {low:.2%} to {high:.2%} | {validation} | {seconds} |"
        )


def group(kept: dict[str, Any]) -> Iterator[str]:
    """What several networks get together."""
    found = kept["group"]
    members = ", ".join(f"`{name}` (seed {seed})" for name, seed in found["members"])
    low, high = Proportion(*found["test"]).interval
    yield (
        f"The mean of the probabilities of {members}: **{of(found['test'])}** of the test images ({low:.2%} to "
        f"{high:.2%}), {of(found['validation'])} of the validation images, by which these were chosen."
    )


def whole(kept: dict[str, Any]) -> Iterator[str]:
    """A line for each recipe that was trained on all training images, too."""
    yield "Trained on all 60,000 training images, of which none are left to choose by:"
    yield ""
    yield "| name | test images, mean of the seeds | each seed | with 55,000 images, the same seeds |"
    yield "|---|---|---|---|"
    for name, runs in kept["whole"].items():
        tests = [run["test"] for run in runs.values()]
        before = [kept["results"][name][seed]["test"] for seed in runs if seed in kept["results"][name]]
        yield f"| `{name}` | **{mean_of(tests):.2%}** | {', '.join(map(of, tests))} | {mean_of(before):.2%} |"


def earlier(kept: dict[str, Any]) -> Iterator[str]:
    """Looks at the test images that no table above is about."""
    looks = sum("test" in run for runs in kept["results"].values() for run in runs.values()) + ("test" in kept["group"])
    looks += sum(map(len, kept.get("whole", {}).values()))
    yield f"Looks at the test images: {looks + len(kept['earlier'])}, of which these were for what was made anew since:"
    yield ""
    yield "| what | test images | validation | looked |"
    yield "|---|---|---|---|"
    for run in kept["earlier"]:
        what = f"`{run['recipe']}`, {run['made']}" if "recipe" in run else f"a group of {len(run['group'])}"
        yield f"| {what} | {of(run['test'])} | {of(run['validation'])} | {run['looked']} |"


def harder(kept: dict[str, Any], entries: list[ZooEntry]) -> Iterator[str]:
    """A line for each network on harder images."""
    yield "| name | corrupted | attacked | pictures | calibration error |"
    yield "|---|---|---|---|---|"
    for entry in entries:
        figures = kept.get("harder", {}).get(entry.name)
        if figures:
            kinds = ("corrupted", "attacked", "pictures")
            scores = " | ".join(share(figures[kind]) if kind in figures else "-" for kind in kinds)
            yield f"| `{entry.name}` | {scores} | {figures['calibration error']:.2%} |"


def doubted(reports: dict[str, Report]) -> Iterator[str]:
    """The images whose labels are doubted, and a line for each network without them."""
    yield "| test image | label | other digit | people for the label | for the other | for neither | networks for the label |"
    yield "|---|---|---|---|---|---|---|"
    for number, (label, other, *votes) in DOUBTED.items():
        agreeing = sum(int(report.predictions[number]) == label for report in reports.values())
        yield f"| {number} | {label} | {other} | {' | '.join(map(str, votes))} | {agreeing} of {len(reports)} |"
    yield ""
    yield f"| name | all test images | without these {len(DOUBTED)} | of these, as their label |"
    yield "|---|---|---|---|"
    for name, report in reports.items():
        hits = report.predictions == report.labels
        without = np.delete(hits, list(DOUBTED))
        yield f"| `{name}` | {hits.mean():.2%} | {without.mean():.2%} | {int(hits[list(DOUBTED)].sum())} |"


def of(score: list[int]) -> str:
    """A share, to a hundredth of a point."""
    return f"{score[0] / score[1]:.2%}"


def share(score: list[int]) -> str:
    """A share with its interval."""
    found = Proportion(*score)
    low, high = found.interval
    return f"{found.accuracy:.1%} ({low:.1%} to {high:.1%})"


def neighbours(reports: dict[str, Report]) -> Iterator[str]:
    """A line for every two that follow each other."""
    yield "| better | next | only the first is right | only the second | p | verdict |"
    yield "|---|---|---|---|---|---|"
    for (first, report), (second, other) in pairwise(reports.items()):
        found = compare(report, other)
        verdict = "better" if found.significant else "a tie"
        yield f"| `{first}` | `{second}` | {found.only_first} | {found.only_second} | {found.p_value:.2g} | {verdict} |"


if __name__ == "__main__":
    page()
