"""docs/performance.md, from the figures that were kept."""

from __future__ import annotations

from statistics import mode
from typing import Any

from kept import ROOT
from speed.timing import median

PAGE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- measured: begin, written by benchmarks/run.py -->\n"
END = "<!-- measured: end -->"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(part: dict[str, Any], machine: str) -> str:
    """One part: each contestant's median, its ratio to the reference's, the spread, a remark, and a machine of its own."""
    figures: dict[str, list[float]] = part["figures"]
    notes: dict[str, str] = part.get("notes", {})
    unit = f", {part['unit']}" if part["unit"] else ""
    reference: str = part["reference"]
    head = ["", f"median{unit}", *([f"relative to: {reference}", "lowest to highest"] if reference else [])]
    head += [part["note"]] if notes else []
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, values in figures.items():
        cells = [name, _figure(median(values))]
        if reference:
            spread = f"{_figure(min(values))} to {_figure(max(values))}" if len(values) > 1 else "-"
            cells += [f"{median(values) / median(figures[reference]):.2f}", spread]
        cells += [notes.get(name, "")] if notes else []
        lines.append(f"| {' | '.join(cells)} |")
    runs = max(map(len, figures.values()))
    aim = f"Aim: {part['goal']}. Runs in turns: {runs}.\n" if part["goal"] else ""
    aim += f"On {part['machine']}.\n" if part["machine"] != machine else ""
    return f"### {part['title']}\n\n" + "\n".join(lines) + f"\n\n{aim}"


def text(kept: dict[str, Any], order: list[str]) -> str:
    """All parts, and the machine."""
    # That of most parts: one that was measured elsewhere says so itself.
    machine = mode(part["machine"] for part in kept["results"].values())
    parts = [table(kept["results"][name], machine) for name in order if name in kept["results"]]
    return (
        f"Measured on {machine} by `python benchmarks/run.py`. Figures of one table were taken in turns on one "
        "machine; compare the ratios.\n\n" + "\n".join(parts) + "\n"
    )
