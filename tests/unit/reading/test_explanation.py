import sys

import numpy as np
import pytest

from mnistkit import Classifier, Predictor, create_model
from mnistkit.data import Preprocessing
from mnistkit.errors import BlankImageError, ImageError, MissingExtraError
from mnistkit.imaging import frame_image

TITLES = ["the picture", "its ink", "the digit", "strokes of\nMNIST's width", "what the\nnetwork saw"]


@pytest.fixture(scope="module")
def reader():
    return Predictor(device="cpu")


@pytest.fixture(scope="module")
def photo(mnist):
    """A seven in blue ink in the corner of grey paper, and a line at the border."""
    paper = np.full((120, 90, 3), 215, np.uint8)
    digit = 255 - np.kron(mnist.validation.only(7).images[0, 0].numpy(), np.ones((2, 2), np.uint8))
    ink = paper[20:76, 15:71]
    ink[..., 0] = np.minimum(ink[..., 0], digit)
    ink[..., 1] = np.minimum(ink[..., 1], digit)
    paper[110:114] = 90
    return paper


def test_every_stage_is_a_picture(reader, photo):
    explanation = reader.explain(photo)
    stages = explanation.stages
    assert list(stages) == ["picture", "ink", "digit", "strokes", "frame"]
    assert all(stage.dtype == np.uint8 for stage in stages.values())
    assert np.array_equal(stages["picture"], photo)
    assert stages["ink"].shape == stages["digit"].shape == photo.shape[:2]
    # The line at the border is ink, and no part of the digit.
    assert stages["ink"][112].any()
    assert not stages["digit"][112].any()
    assert ((stages["digit"] == stages["ink"]) | (stages["digit"] == 0)).all()
    assert stages["frame"].shape == (28, 28)
    assert np.array_equal(stages["frame"], frame_image(photo)[0])


def test_the_prediction_is_that_of_predict(reader, photo):
    explanation = reader.explain(photo)
    assert explanation.prediction.label == 7
    assert explanation.prediction == reader.predict(photo)
    assert np.array_equal(explanation.prediction.frame, explanation.stages["frame"])
    assert "array" not in repr(explanation)


def test_mnists_own_frames_go_through_as_they_are(reader, mnist):
    digit = mnist.validation.images[0, 0].numpy()
    stages = reader.explain(digit).stages
    assert np.array_equal(stages["frame"], digit)
    assert np.array_equal(stages["digit"], digit)


def test_the_figure_shows_the_stages_in_a_row_and_the_probabilities(reader, photo):
    explanation = reader.explain(photo)
    figure = explanation.figure()
    *pictures, bars = figure.axes
    assert [axes.get_title() for axes in pictures] == TITLES
    for axes, stage in zip(pictures, explanation.stages.values(), strict=True):
        assert np.array_equal(axes.images[0].get_array(), stage)
    assert bars.get_title() == f"7, {explanation.prediction.confidence:.1%}"
    top = explanation.prediction.top(5)
    assert [label.get_text() for label in bars.get_yticklabels()] == [name for name, _ in reversed(top)]
    assert [bar.get_width() for bar in bars.patches] == [share for _, share in reversed(top)]
    figure.canvas.draw()


def test_the_figure_of_a_rejected_picture_says_why(reader, photo):
    import dataclasses

    explanation = reader.explain(photo)
    rejected = dataclasses.replace(
        explanation,
        prediction=dataclasses.replace(explanation.prediction, rejected="it looks like none of the classes"),
    )
    figure = rejected.figure()
    assert figure.axes[-1].get_title() == "rejected"
    assert figure.get_supxlabel() == "it looks like none of the classes"


@pytest.mark.parametrize(("channels", "shape"), [(1, (20, 20)), (3, (20, 20, 3))])
def test_a_model_of_resized_pictures_has_two_stages(channels, shape, photo):
    preprocessing = Preprocessing((0.5,) * channels, (0.5,) * channels, framing="resize", size=(20, 20))
    model = create_model("mlp", image_size=20, channels=channels)
    explanation = Predictor(Classifier(model, preprocessing)).explain(photo)
    assert list(explanation.stages) == ["picture", "frame"]
    assert explanation.stages["frame"].shape == shape
    assert np.array_equal(explanation.stages["frame"], explanation.prediction.frame)
    assert len(explanation.figure().axes) == 3


def test_what_cannot_be_read_cannot_be_explained(reader, tmp_path):
    with pytest.raises(BlankImageError, match="the image is blank"):
        reader.explain(np.full((60, 60), 230, np.uint8))
    with pytest.raises(ImageError, match="there is no image file"):
        reader.explain(tmp_path / "no.png")


def test_without_matplotlib_the_pip_line_is_said(reader, photo, monkeypatch):
    explanation = reader.explain(photo)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        MissingExtraError, match=r"^Explanation.figure\(\) needs matplotlib, .*pip install 'mnistkit\[plot\]'"
    ):
        explanation.figure()
