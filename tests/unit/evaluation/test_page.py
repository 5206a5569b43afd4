import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import PIL.Image
import pytest

from mnistkit import DigitDataset, evaluate

VOID = {"meta", "img", "br", "line", "circle", "rect", "polyline"}


class Page(HTMLParser):
    """Every element with its attributes, and all text; fails where tags do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag, kind=None):
        return [a for t, a in self.elements if t == tag and (kind is None or kind in a.get("class", "").split())]


@pytest.fixture
def page_of(tmp_path):
    def page_of(report, **options):
        report.save_html(tmp_path / "page.html", **options)
        return Page((tmp_path / "page.html").read_text(encoding="utf-8"))

    return page_of


def test_it_is_one_page_that_needs_nothing_else(report, page_of):
    page = page_of(report)
    assert not page.all("script") + page.all("link") + page.all("iframe")
    sources = [value for _, a in page.elements for name, value in a.items() if name in {"src", "href", "srcset"}]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"url\(|@import|https?:", "".join(page.texts))
    assert page.all("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    assert "prefers-color-scheme: dark" in "".join(page.texts)


def test_it_has_every_figure(report, page_of):
    text = " ".join(page_of(report).texts)
    low, high = report.score.interval
    for figure in (f"{report.accuracy:.2%}", f"{low:.2%} to {high:.2%}", f"{report.loss:.4f}", report.fingerprint):
        assert figure in text
    for row in report.per_class:
        assert f"{row.precision:.2%}" in text
        assert f"{row.recall:.2%}" in text


def test_it_has_the_confusion_matrix(report, page_of):
    page = page_of(report)
    assert len(page.all("td", "right")) + len(page.all("td", "wrong")) == np.count_nonzero(report.confusion)
    label, prediction = report.confused_pairs[0].label, report.confused_pairs[0].prediction
    says = f"{report.confusion[label, prediction]} images: label {label}, prediction {prediction}"
    worst = next(a for a in page.all("td", "wrong") if a["title"] == says)
    assert worst["style"] == "--part:70%"


def test_it_shows_every_mistake_as_it_is_in_the_data_set(report, page_of):
    page = page_of(report, most=10_000)
    shown = page.all("img")[-len(report.mistakes) :]
    for image, outcome in zip(shown, report.mistakes, strict=True):
        png = base64.b64decode(image["src"].partition(",")[2])
        pixels = np.asarray(PIL.Image.open(io.BytesIO(png)))
        np.testing.assert_array_equal(pixels, report.data.images[outcome.index, 0])
        assert image["alt"].startswith(
            f"Image {outcome.index}: label {outcome.label}, prediction {outcome.prediction} ("
        )
    assert len(page.all("figure")) == len(report.mistakes)
    assert "All of them, highest loss first" in " ".join(page.texts)


def test_it_says_how_many_mistakes_it_leaves_out(report, page_of):
    page = page_of(report, most=7)
    assert len(page.all("figure")) == 7
    assert f"7 of {len(report.mistakes)}, highest loss first" in " ".join(page.texts)


def test_the_reliability_curve_has_a_point_for_each_bin_with_images(report, page_of):
    page = page_of(report)
    filled = report.reliability.filled
    assert len(page.all("circle")) == len(page.all("rect", "count")) == len(filled)
    x, y = page.all("polyline")[0]["points"].split()[-1].split(",")
    assert float(x) == pytest.approx(44 + 300 * filled[-1].confidence, abs=0.06)
    assert float(y) == pytest.approx(316 - 300 * filled[-1].score.accuracy, abs=0.06)


def test_a_model_without_mistakes_has_none_to_show(answering, page_of):
    page = page_of(evaluate(*answering([0, 1], [[9.0, 0], [0, 9.0]])))
    text = " ".join(page.texts)
    assert "There are none." in text
    assert "Most confused" not in text
    assert page.all("img") == []


def test_a_class_that_never_occurs_leaves_its_figures_out(answering, page_of):
    page = page_of(evaluate(*answering([0, 1], [[9.0, 0, 0], [9.0, 0, 0]])))
    assert page.texts.count("-") == 4


def test_names_from_the_data_are_text_never_markup(answering, page_of):
    model, dataset = answering([0, 1], [[0.0, 9], [9.0, 0]], classes=["<script>x</script>", "a&b"])
    page = page_of(evaluate(model, dataset, name="<b>me</b> & you"))
    assert page.all("script") == []
    assert {"<script>x</script>", "a&b", "<b>me</b> & you"} <= set(page.texts)


def test_colour_images_are_shown_in_colour(page_of):
    import torch

    images = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    data = DigitDataset.from_arrays(images, [1, 0, 1], classes="ab", framing="resize")
    wrong = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 2))
    torch.nn.init.zeros_(wrong[1].weight)
    wrong[1].bias.data = torch.tensor([2.0, 0.0])
    page = page_of(evaluate(wrong, data))
    png = base64.b64decode(page.all("img")[-1]["src"].partition(",")[2])
    assert np.asarray(PIL.Image.open(io.BytesIO(png))).shape == (8, 8, 3)


def test_the_bars_begin_below_the_worst_class_and_not_below_zero(answering, report, page_of):
    worst = min(row.f1 for row in report.per_class)
    text = " ".join(page_of(report).texts)
    start = int(next(word for word in text.split("F1 from ")[1].split()).rstrip("%")) / 100
    assert worst - 0.05 <= start < worst
    page = page_of(evaluate(*answering([0, 1], [[0.0, 9], [9.0, 0]])))
    assert "F1 from 0%" in page.texts
    assert [bar["style"] for bar in page.all("i")] == ["width:0.0%"] * 2
