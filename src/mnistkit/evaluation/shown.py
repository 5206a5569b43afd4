"""A report as it is shown: as text, and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mnistkit._core import html
from mnistkit.evaluation.figures import percent

if TYPE_CHECKING:
    from mnistkit.evaluation.report import Report

__all__ = ["as_panel", "as_text"]

# Mistakes that a notebook sees.
_SHOWN = 8


def as_text(report: Report) -> str:
    """The figures, each class and the pairs that are confused most often."""
    width = max(5, *map(len, report.classes))
    lines = [
        f"{report.model} on {report.data_name}, {report.count:,} images",
        "",
        f"accuracy           {report.score}",
        f"loss               {report.loss:.4f}",
        f"calibration error  {report.reliability.error:.2%}   mean confidence {report.confidences.mean():.2%}",
        "",
        f"{'class':<{width}}  precision   recall       F1   images",
    ]
    lines += [
        f"{row.name:<{width}}  {percent(row.precision):>9}  {percent(row.recall):>7}  {percent(row.f1):>7}  {row.support:>7,}"
        for row in (*report.per_class, report.macro)
    ]
    return "\n".join([*lines, "", f"most confused: {', '.join(_confused(report)) or 'nothing'}"])


def as_panel(report: Report) -> str:
    """The same as HTML, with pictures of the mistakes that cost most."""
    known = {
        "accuracy": str(report.score),
        "loss": f"{report.loss:.4f}",
        "calibration error": f"{report.reliability.error:.2%}",
        "most confused": ", ".join(_confused(report)),
    }
    head = ("class", "precision", "recall", "F1", "images")
    rows = [
        (row.name, percent(row.precision), percent(row.recall), percent(row.f1), f"{row.support:,}")
        for row in (*report.per_class, report.macro)
    ]
    return html.panel(
        f"{report.model} on {report.data_name}", html.facts(known), _worst(report), html.table(head, rows)
    )


def _confused(report: Report) -> list[str]:
    """The pairs that occur most often, in words."""
    return [
        f"{report.classes[pair.label]} as {report.classes[pair.prediction]} ({pair.count:,})"
        for pair in report.confused_pairs[:5]
    ]


def _worst(report: Report) -> str:
    """The mistakes that cost most, as pictures, where the data set is here."""
    data = report.data
    if data is None:
        return ""
    pictures = (
        html.picture(
            data.images[one.index].permute(1, 2, 0).numpy(force=True),
            f"image {one.index}",
            side=56,
            caption=f"{report.classes[one.label]:.12} as {report.classes[one.prediction]:.12}",
        )
        for one in report.mistakes[:_SHOWN]
    )
    return html.row(*pictures)
