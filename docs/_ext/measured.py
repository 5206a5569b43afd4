"""The role ``measured``: an accuracy of benchmarks/results/accuracy.json, so that none is typed by hand."""

import json
import statistics
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxRole

from mnistkit.metrics import Proportion

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "accuracy.json"


def figure(runs):
    """Mean, interval and number of seeds, in a form that needs no translation."""
    if len(runs[0]) == 1:
        return f"{statistics.mean(run[0] for run in runs):.1f}, n = {len(runs)}"
    mean, count = statistics.mean(correct / of for correct, of in runs), runs[0][1]
    low, high = Proportion(round(mean * count), count).interval
    return f"{mean:.2%} [{low:.2%}, {high:.2%}], n = {len(runs)}"


def shown(name):
    """The figure of this name; an ellipsis while there is none."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))["results"]
    return figure(results[name]) if name in results else "…"


class Measured(SphinxRole):
    def run(self):
        self.env.note_dependency(str(RESULTS))
        return [nodes.strong(self.rawtext, shown(self.text))], []


def setup(app):
    app.add_role("measured", Measured())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
