"""What a notebook shows of an object, and what JSON holds of it."""

import base64
import dataclasses
import html.parser
import io
import json
import pickle
import re
import sys
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from mnistkit import Classifier, Predictor, Report, Trainer, create_model, evaluate, plots, summary
from mnistkit._core import progress
from mnistkit.calibration import reliability
from mnistkit.callbacks import ProgressBar
from mnistkit.data import dataset_info
from mnistkit.evaluation import suspect_labels
from mnistkit.imaging import sample_picture

HOSTILE = "<script>alert('&')</script>"
KINDS = [
    "prediction", "rejected", "reading", "explanation", "data", "history", "trainer", "predictor", "classifier", "report",
    "summary",
]  # fmt: skip


class Elements(html.parser.HTMLParser):
    """The names of all elements, and the text; every one that is opened must be closed."""

    def __init__(self, text):
        super().__init__()
        self.names, self.open, self.sources, self.said = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        if tag == "img":
            self.sources.append(dict(attrs)["src"])
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


@pytest.fixture(scope="module")
def shown(mnist):
    """An object of each kind, all with a class name, or a name, that is meant to do harm."""
    classes = (HOSTILE, *"123456789")
    named = {
        split: dataclasses.replace(getattr(mnist, split).take_per_class(5), classes=classes)
        for split in ("train", "test")
    }
    data = dataclasses.replace(named["test"], name=HOSTILE)
    trainer = Trainer(create_model("softmax_regression"), progress=False)
    history = trainer.fit(named["train"], epochs=20)
    pretrained = Classifier.pretrained(device="cpu")
    card = dataclasses.replace(pretrained.card, licence=HOSTILE, limits="x" * 10_000)
    classifier = dataclasses.replace(pretrained, classes=classes, card=card)
    predictor = Predictor(classifier)
    zero = 255 - mnist.test.only(0).images[0, 0].numpy()
    noise = np.random.default_rng(0).integers(0, 255, (60, 60)).astype(np.uint8)
    model = type(HOSTILE, (type(create_model("mlp")),), {})
    network = create_model("mlp")
    network.__class__ = model
    return {
        "prediction": predictor.predict(zero),
        "rejected": predictor.predict(noise, coverage=0.98),
        "reading": predictor.read(np.concatenate([zero, zero], axis=1)),
        "explanation": predictor.explain(zero),
        "data": data,
        "history": history,
        "trainer": trainer,
        "predictor": predictor,
        "classifier": classifier,
        "report": evaluate(trainer.classifier(), data),
        "summary": summary(network),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_small_whole_part_of_a_page_without_anything_of_a_strangers(shown, kind):
    text = shown[kind]._repr_html_()
    elements = Elements(text)
    assert set(elements.names) <= {"div", "table", "thead", "tbody", "tr", "th", "td", "img"}
    assert len(text) < 20_000
    if kind not in ("rejected", "history", "trainer"):
        assert any(HOSTILE in said for said in elements.said)


@pytest.mark.parametrize("kind", ["prediction", "reading", "explanation", "data", "report"])
def test_its_pictures_are_inside(shown, kind):
    sources = Elements(shown[kind]._repr_html_()).sources
    assert sources
    for source in sources:
        address, file = source.split(",")
        assert re.fullmatch(r"data:image/(png|jpeg);base64", address)
        PIL.Image.open(io.BytesIO(base64.b64decode(file))).load()


def test_of_a_report_the_accuracy_comes_first(shown):
    report = shown["report"]
    said = [text for text in Elements(report._repr_html_()).said if text.strip()]
    assert said[1] == "accuracy"
    assert said[2].startswith(f"{report.accuracy:.2%} (95 % interval ")


def test_a_report_without_its_images_has_no_pictures(shown, tmp_path):
    shown["report"].save(tmp_path / "report.json")
    assert not Elements(Report.load(tmp_path / "report.json")._repr_html_()).sources


def test_of_a_long_history_the_first_and_the_last_epochs_are_shown(shown):
    said = Elements(shown["history"]._repr_html_()).said
    assert "… 5 more" in said
    assert {"1", "5", "11", "20"} <= set(said)
    assert not {"6", "10"} & set(said)


def test_a_rejected_picture_says_why(shown):
    assert shown["rejected"].rejected in Elements(shown["rejected"]._repr_html_()).said[0]


def test_a_trainer_says_what_it_is_before_its_run(shown):
    before = Elements(Trainer(create_model("lenet5"), progress=False)._repr_html_()).said
    assert "not yet" in before
    assert "LeNet, 61,706 parameters" in before
    assert any(part.startswith("20 of 20 epochs in ") for part in Elements(shown["trainer"]._repr_html_()).said)


def test_pictures_of_any_number_of_channels_are_shown(small):
    images = small.test.images[:2].repeat(1, 2, 1, 1).numpy()
    data = type(small.test).from_arrays(images, small.test.labels[:2])
    assert len(Elements(data._repr_html_()).sources) == len(set(small.test.labels[:2].tolist()))


def test_a_large_picture_is_made_small(shown):
    photo = np.asarray(sample_picture("seven").resize((3200, 2400)))
    assert len(Predictor(shown["classifier"]).explain(photo)._repr_html_()) < 40_000


@pytest.mark.parametrize("kind", ["prediction", "reading", "explanation", "history", "report", "summary"])
def test_all_of_it_goes_into_json(shown, kind):
    assert json.loads(json.dumps(shown[kind].to_json(), allow_nan=False)) == shown[kind].to_json()


def test_json_of_the_rest():
    bins = reliability(np.array([0.99, 0.95]), np.array([True, False])).to_json()
    assert bins["error"] == pytest.approx(0.47)
    assert bins["bins"][0]["accuracy"] is None
    assert bins["bins"][-1]["accuracy"] == 0.5
    suspect = suspect_labels("mnist")[0].to_json()
    assert (suspect["index"], suspect["suggestion"]) == (947, 9)
    info = dataset_info("emnist-letters").to_json()
    assert info["classes"][0] == "A"
    json.dumps([bins, suspect, info], allow_nan=False)


def test_a_figure_is_a_picture_without_any_magic(small):
    figure = plots.sample_grid(small.train, rows=1, columns=2)
    file, size = pickle.loads(pickle.dumps(figure))._repr_png_()
    picture = PIL.Image.open(io.BytesIO(file))
    assert picture.width / picture.height == pytest.approx(size["width"] / size["height"], rel=0.02)
    assert size["width"] < picture.width


@pytest.fixture
def cell(monkeypatch):
    """What is below a cell of a notebook: a list of texts, each replaced in place."""
    outputs = []

    class Handle:
        def __init__(self, shown):
            self.place = len(outputs)
            outputs.append(shown)

        def update(self, shown, raw):
            assert raw
            outputs[self.place] = shown

    def display(shown, raw, display_id):
        assert raw
        assert display_id
        return Handle(shown)

    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: object()))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return outputs


def test_a_run_has_one_line_below_its_cell(cell, small, capsys):
    trainer = Trainer(create_model("softmax_regression"), batch_size=10)
    trainer.fit(small.train, epochs=3)
    (line,) = cell
    assert line["text/plain"].startswith("epoch 3/3  train_loss ")
    assert capsys.readouterr() == ("", "")


def test_a_run_has_plain_lines_where_the_program_wants_them(cell, small):
    file = io.StringIO()
    trainer = Trainer(create_model("softmax_regression"), callbacks=[ProgressBar(file=file)], batch_size=10)
    trainer.fit(small.train, epochs=2)
    assert cell == []
    assert [line.split("  ")[0] for line in file.getvalue().splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_long_work_has_one_line_below_its_cell(cell):
    with progress.Progress(3, "pictures") as bar:
        for _ in range(3):
            bar.update()
    assert len(cell) == 1


def test_a_program_beside_a_kernel_has_lines(cell, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert progress.progress_stream() is sys.stderr
