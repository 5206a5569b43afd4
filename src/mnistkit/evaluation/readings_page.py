"""A report on reading as one HTML page, see :mod:`mnistkit.evaluation.document`."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING

import PIL.Image

from mnistkit._core.html import image_source
from mnistkit.evaluation.document import cards, document
from mnistkit.evaluation.figures import percent

if TYPE_CHECKING:
    from mnistkit.evaluation.readings import PageOutcome, ReadingFigures, ReadingReport

__all__ = ["render"]


def render(report: ReadingReport, most: int) -> str:
    """The page.

    Args:
        report: what was measured.
        most: how many of the pictures that were read wrongly to show.
    """
    figures, shown = report.figures, report.mistakes[:most]
    whole, (low, high) = figures.whole, figures.whole.interval
    count = len(report.mistakes)
    which = "All of them" if len(shown) == count else f"{len(shown):,} of {count:,}"
    mistakes = f"""<p>{which}, those with the largest share of errors first: <b class="label">label</b> →
<b class="prediction">what was read</b>. The boxes are what was taken for a digit.</p>
<div class="pages">{"".join(map(_mistake, shown))}</div>"""
    first = cards(
        (
            f"{whole.correct:,}",
            "pictures without error",
            f"of {whole.count:,}; 95 % interval {low:.1%} to {high:.1%}",
        ),
        (percent(figures.error_rate), "character error rate", _between(figures.error_interval)),
        (percent(figures.mean_error), "mean of the pictures", _between(figures.mean_interval)),
        (f"{figures.errors:,}", "errors", f"of {figures.digits:,} digits"),
    )
    body = f"""<h1>Reading</h1>
<p class="faint">{whole.count:,} pictures, {figures.digits:,} digits</p>
{first}
{_kinds(report)}
<h2>Read wrongly</h2>
{mistakes if count else "<p>There are none.</p>"}
<footer class="faint">
<p>Errors: digits to insert, delete or replace (Levenshtein 1966). Character error rate: errors for each digit of the labels.
Mean of the pictures: of the errors for each digit of a picture, at most 1. Intervals: 95 %, of pictures without error Wilson's
(1927), of the others from 2,000 samples of the pictures (bootstrap).</p>
</footer>"""
    return document("Reading", body)


def _between(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"95 % interval {percent(low)} to {percent(high)}"


def _kinds(report: ReadingReport) -> str:
    if not report.kinds:
        return ""

    def row(name: str, figures: ReadingFigures) -> str:
        whole, (low, high) = figures.whole, figures.whole.interval
        cells = (
            f"{whole.correct:,} of {whole.count:,}",
            f"{low:.0%} to {high:.0%}",
            percent(figures.error_rate),
            percent(figures.mean_error),
        )
        return f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'

    heads = "".join(
        f'<th scope="col">{head}</th>'
        for head in ("kind", "without error", "95 % interval", "error rate", "mean of the pictures")
    )
    rows = "".join(row(name, figures) for name, figures in report.kinds.items())
    return f"""<h2>Each kind</h2>
<div class="wide"><table class="classes">
<thead><tr>{heads}</tr></thead>
<tbody>{rows}</tbody>
<tfoot>{row("all", report.figures)}</tfoot>
</table></div>"""


def _mistake(outcome: PageOutcome) -> str:
    with PIL.Image.open(io.BytesIO(outcome.preview)) as picture:
        width, height = picture.size
    text = f"{outcome.name}: {outcome.label or 'no digits'} read as {outcome.text or 'nothing'}"
    source = image_source(outcome.preview, "jpeg")
    boxes = "".join(_box(box, width, height) for box in outcome.boxes)
    frame = f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(text)}"'
    return (
        f'<figure><svg {frame}><image href="{source}" width="{width}" height="{height}"/>{boxes}</svg><figcaption>'
        f'<b class="label">{escape(outcome.label) or "no digits"}</b> → '
        f'<b class="prediction">{escape(outcome.text) or "nothing"}</b><br>'
        f"{escape(outcome.name)}</figcaption></figure>"
    )


def _box(box: tuple[str, float, float, float, float], width: int, height: int) -> str:
    text, left, top, right, bottom = box
    x, y, wide, high = left * width, top * height, (right - left) * width, (bottom - top) * height
    size = max(10.0, min(0.5 * high, width / 20))
    return (
        f'<rect class="found" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"/>'
        f'<text class="found-text" x="{x + wide:.1f}" y="{y + size:.1f}" style="font-size:{size:.1f}px">{escape(text)}</text>'
    )
