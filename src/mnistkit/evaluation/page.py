"""A report as one HTML page, see :mod:`mnistkit.evaluation.document`."""

from __future__ import annotations

import io
import math
from html import escape
from typing import TYPE_CHECKING

import PIL.Image

from mnistkit._core.html import image_source
from mnistkit.calibration import Reliability
from mnistkit.data import DigitDataset
from mnistkit.evaluation.document import cards, document
from mnistkit.evaluation.figures import ClassFigures, ConfusedPair, Outcome, percent

if TYPE_CHECKING:
    from mnistkit.evaluation.report import Report

__all__ = ["render"]

_PAIRS, _PICTURES_OF_A_PAIR = 10, 6
# The plot's own units: its lower left corner, and the length of its axes.
_LEFT, _BOTTOM, _SIDE = 44, 316, 300


def render(report: Report, data: DigitDataset, most: int) -> str:
    """The page.

    Args:
        report: what was measured.
        data: the data set that it is about.
        most: how many mistakes to show.
    """
    body = f"""<h1>{escape(report.model)}</h1>
<p class="faint">on {escape(report.data_name)}, {report.count:,} images</p>
{_cards(report)}
<h2>Each class</h2>
{_classes(report)}
<h2>Confusion</h2>
<p class="faint">A row for each label, a column for each prediction.</p>
{_confusion(report)}
{_pairs(report, data)}
<h2>Calibration</h2>
<p>Accuracy against confidence. On the dashed line confidence means what it says; below it the model is too sure of itself.
Upright lines are 95 % intervals; grey bars show how many images there are.</p>
{_reliability(report.reliability)}
<h2>Mistakes</h2>
{_mistakes(report, data, most)}
<footer class="faint">
<p>Interval: 95 %, Wilson (1927). Calibration error: the distance between accuracy and mean confidence in
{len(report.reliability.bins)} bins of equal width, weighted by their images (Guo et al. 2017). Loss: cross-entropy, the mean
over the images.</p>
<p>Fingerprint of the data: {escape(report.fingerprint)}.</p>
</footer>"""
    return document(f"{report.model} on {report.data_name}", body)


def _cards(report: Report) -> str:
    low, high = report.score.interval
    return cards(
        (f"{report.accuracy:.2%}", "accuracy", f"95 % interval {low:.2%} to {high:.2%}"),
        (f"{len(report.mistakes):,}", "mistakes", f"of {report.count:,} images"),
        (f"{report.loss:.4f}", "loss", "mean cross-entropy"),
        (f"{report.reliability.error:.2%}", "calibration error", f"mean confidence {report.confidences.mean():.2%}"),
    )


def _classes(report: Report) -> str:
    def row(figures: ClassFigures, bar: str) -> str:
        cells = "".join(f"<td>{percent(value)}</td>" for value in (figures.precision, figures.recall, figures.f1))
        return f'<tr><th scope="row">{escape(figures.name)}</th>{cells}<td>{figures.support:,}</td>{bar}</tr>'

    known = [figures.f1 for figures in report.per_class if not math.isnan(figures.f1)]
    # From a round figure below the worst class: among 99 % and 98 % the difference is what matters.
    start = max(0.0, math.floor(min(known) * 20 - 1e-9) / 20)
    rows = [row(figures, f'<td class="bar">{_bar(figures.f1, start)}</td>') for figures in report.per_class]
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("class", "precision", "recall", "F1", "images"))
    return f"""<div class="wide"><table class="classes">
<thead><tr>{heads}<th scope="col" class="bar">F1 from {start:.0%}</th></tr></thead>
<tbody>{"".join(rows)}</tbody>
<tfoot>{row(report.macro, '<td class="bar"></td>')}</tfoot>
</table></div>"""


def _bar(value: float, start: float) -> str:
    return "" if math.isnan(value) else f'<i style="width:{(value - start) / (1 - start):.1%}"></i>'


def _confusion(report: Report) -> str:
    names, counts = report.classes, report.confusion.tolist()
    worst = max((pair.share for pair in report.confused_pairs), default=1.0)
    rows = []
    for label, row in enumerate(counts):
        support = sum(row)
        cells = []
        for prediction, count in enumerate(row):
            if not count:
                cells.append('<td class="none">0</td>')
                continue
            kind = "right" if label == prediction else "wrong"
            # A few mistakes shall show beside a thousand hits, so they have a scale of their own, up to the worst pair.
            part = count / support if kind == "right" else math.sqrt(count / support / worst)
            says = f"{count:,} images: label {names[label]}, prediction {names[prediction]}"
            cells.append(f'<td class="{kind}" style="--part:{70 * part:.0f}%" title="{escape(says)}">{count}</td>')
        rows.append(f'<tr><th scope="row">{escape(names[label])}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f'<div class="wide"><table class="confusion"><tr><th></th>{heads}</tr>{"".join(rows)}</table></div>'


def _pairs(report: Report, data: DigitDataset) -> str:
    pairs = report.confused_pairs[:_PAIRS]
    if not pairs:
        return ""
    return f'<h2>Most confused</h2>\n<ul class="pairs">{"".join(_pair(pair, report, data) for pair in pairs)}</ul>'


def _pair(pair: ConfusedPair, report: Report, data: DigitDataset) -> str:
    label, prediction = report.classes[pair.label], report.classes[pair.prediction]
    chosen = [o for o in report.mistakes if (o.label, o.prediction) == (pair.label, pair.prediction)]
    pictures = "".join(_picture(outcome, report, data) for outcome in chosen[:_PICTURES_OF_A_PAIR])
    images = "image" if pair.count == 1 else "images"
    share = f"{pair.count:,} {images}, {pair.share:.2%} of this label"
    text = f"<b>{escape(label)}</b> read as <b>{escape(prediction)}</b>: {share}"
    return f"<li><span>{text}</span>{pictures}</li>"


def _reliability(reliability: Reliability) -> str:
    def x(value: float) -> float:
        return _LEFT + _SIDE * value

    def y(value: float) -> float:
        return _BOTTOM - _SIDE * value

    filled = reliability.filled
    most = max(part.score.count for part in filled)
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<line class="grid-line" x1="{x(0)}" x2="{x(1)}" y1="{y(tick)}" y2="{y(tick)}"/>')
        parts.append(f'<text x="{x(0) - 6}" y="{y(tick) + 4}" text-anchor="end">{tick:.0%}</text>')
        parts.append(f'<text x="{x(tick)}" y="{y(0) + 16}" text-anchor="middle">{tick:.0%}</text>')
    width = _SIDE / len(reliability.bins) - 2
    for part in filled:
        # By the root, for the last bin holds nearly everything.
        height = 0.25 * _SIDE * math.sqrt(part.score.count / most)
        place = f'x="{x(part.low) + 1:.1f}" y="{_BOTTOM - height:.1f}" width="{width:.1f}" height="{height:.1f}"'
        parts.append(f'<rect class="count" {place}><title>{part.score.count:,} images</title></rect>')
    parts.append(f'<line class="ideal" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>')
    for part in filled:
        low, high = part.score.interval
        place = f'x1="{x(part.confidence):.1f}" x2="{x(part.confidence):.1f}"'
        parts.append(f'<line class="interval" {place} y1="{y(low):.1f}" y2="{y(high):.1f}"/>')
    points = " ".join(f"{x(part.confidence):.1f},{y(part.score.accuracy):.1f}" for part in filled)
    parts.append(f'<polyline class="curve" points="{points}"/>')
    for part in filled:
        says = f"{part.score.count:,} images with confidence {part.confidence:.1%}: {part.score.accuracy:.1%} right"
        place = f'cx="{x(part.confidence):.1f}" cy="{y(part.score.accuracy):.1f}" r="4"'
        parts.append(f'<circle class="fill-right" {place}><title>{says}</title></circle>')
    parts.append(f'<text x="{x(0.5)}" y="{y(0) + 34}" text-anchor="middle">confidence</text>')
    parts.append(f'<text transform="rotate(-90 10 {y(0.5)})" x="10" y="{y(0.5)}" text-anchor="middle">accuracy</text>')
    return f'<svg viewBox="0 0 360 356" width="420" role="img" aria-label="Accuracy against confidence">{"".join(parts)}</svg>'


def _mistakes(report: Report, data: DigitDataset, most: int) -> str:
    count = len(report.mistakes)
    if not count:
        return "<p>There are none.</p>"
    shown = report.mistakes[:most]
    which = "All of them" if len(shown) == count else f"{len(shown):,} of {count:,}"
    figures = "".join(_mistake(outcome, report, data) for outcome in shown)
    return f"""<p>{which}, highest loss first: <b class="label">label</b> → <b class="prediction">prediction</b>. The bars are the
probabilities of the classes in their order; the number is the image's index in the data set.</p>
<div class="mistakes">{figures}</div>"""


def _mistake(outcome: Outcome, report: Report, data: DigitDataset) -> str:
    label, prediction = escape(report.classes[outcome.label]), escape(report.classes[outcome.prediction])
    return (
        f"<figure>{_picture(outcome, report, data)}{_probabilities(outcome)}<figcaption>"
        f'<b class="label">{label}</b> → <b class="prediction">{prediction}</b><br>'
        f"{outcome.confidence:.1%} sure<br>no. {outcome.index}</figcaption></figure>"
    )


def _probabilities(outcome: Outcome) -> str:
    bars = []
    for label, probability in enumerate(outcome.probabilities):
        kind = "right" if label == outcome.label else "wrong" if label == outcome.prediction else "other"
        height = max(0.6, 20 * probability)
        bars.append(
            f'<rect class="fill-{kind}" x="{label * 10 + 1}" y="{20 - height:.1f}" width="8" height="{height:.1f}"/>'
        )
    frame = f'viewBox="0 0 {10 * len(bars)} 20" preserveAspectRatio="none" height="22" aria-hidden="true"'
    return f"<svg {frame}>{''.join(bars)}</svg>"


def _picture(outcome: Outcome, report: Report, data: DigitDataset) -> str:
    pixels = data.images[outcome.index].permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    PIL.Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG", optimize=True)
    text = (
        f"Image {outcome.index}: label {report.classes[outcome.label]}, prediction {report.classes[outcome.prediction]} "
        f"({outcome.confidence:.1%})"
    )
    source = image_source(file.getvalue(), "png")
    height, width = pixels.shape[:2]
    return f'<img width="{width}" height="{height}" alt="{escape(text)}" title="{escape(text)}" src="{source}">'
