"""Networks as estimators of scikit-learn's: tables, images, pipelines, and what is refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mnistkit import Predictor, load_mnist
from mnistkit.errors import SplitLeakError
from mnistkit.sklearn import DigitClassifier


@pytest.fixture(scope="module")
def kaggle():
    """Rows as in Kaggle's table: labels, and 784 columns of whole numbers."""
    test = load_mnist().test
    pixels = pd.DataFrame(
        test.images[:1200].flatten(1).numpy(), columns=[f"pixel{n}" for n in range(784)], dtype="int64"
    )
    return pixels, pd.Series(test.labels[:1200].numpy(), name="label")


@pytest.fixture(scope="module")
def fitted(kaggle):
    pixels, labels = kaggle
    return DigitClassifier(epochs=3, random_state=0).fit(pixels[:1000], labels[:1000])


def test_a_table_of_pixels_is_learnt(fitted, kaggle):
    pixels, labels = kaggle
    assert fitted.score(pixels[1000:], labels[1000:]) > 0.8
    probabilities = fitted.predict_proba(pixels[1000:])
    assert probabilities.shape == (200, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (fitted.classes_[probabilities.argmax(axis=1)] == fitted.predict(pixels[1000:])).all()
    assert fitted.n_features_in_ == 784
    assert fitted.white_ == 255
    assert len(fitted.history_.rows) == 3


def test_its_classifier_reads_pictures(fitted, kaggle, tmp_path):
    pixels, _ = kaggle
    image = pixels.iloc[1100].to_numpy(np.uint8).reshape(28, 28)
    fitted.classifier_.save(tmp_path / "kaggle.safetensors")
    answer = Predictor.from_checkpoint(tmp_path / "kaggle.safetensors").predict(image)
    assert answer.label == fitted.predict(pixels[1100:1101])[0]


def test_its_card_knows_what_it_was_trained_on(fitted, kaggle):
    seen = load_mnist().test[:500]
    with pytest.raises(SplitLeakError):
        fitted.classifier_.card.refuse_seen(seen, "calibration")
    assert fitted.classifier_.card.recipe["epochs"] == 3


def test_it_is_cloned_without_and_pickled_with_what_it_learnt(fitted, kaggle):
    pixels, _ = kaggle
    with pytest.raises(NotFittedError):
        clone(fitted).predict(pixels)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(pixels[:50]), fitted.predict_proba(pixels[:50]))


@pytest.mark.parametrize("model", ["mlp", "lenet5"])
def test_a_seed_makes_it_repeatable_and_leaves_numpys_generator_alone(model):
    X, y = load_digits(return_X_y=True)
    before = np.random.get_state()[1].copy()
    first, second = (DigitClassifier(model, epochs=1, random_state=3).fit(X[:200], y[:200]) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_images_and_rows_of_pixels_are_the_same(fitted, kaggle):
    pixels, _ = kaggle
    images = pixels[:40].to_numpy().reshape(-1, 28, 28)
    by_images = DigitClassifier(epochs=1, random_state=0).fit(images, ["odd", "even"] * 20)
    by_rows = DigitClassifier(epochs=1, random_state=0).fit(pixels[:40], ["odd", "even"] * 20)
    np.testing.assert_array_equal(by_images.predict(images), by_rows.predict(pixels[:40]))
    np.testing.assert_array_equal(by_images.classes_, ["even", "odd"])


@pytest.mark.parametrize("scale", [1, 1 / 16], ids=["0 to 16", "0 to 1"])
def test_scikit_learns_own_digits_are_images_of_8_by_8(scale):
    X, y = load_digits(return_X_y=True)
    names = np.array(list("zyxwvutsrq"))[y]
    reader = DigitClassifier(epochs=3, random_state=0).fit(scale * X[:800], names[:800])
    assert reader.white_ == 16 * scale
    assert reader.score(scale * X[1500:], names[1500:]) > 0.7


def test_in_a_pipeline_and_a_search():
    X, y = load_digits(return_X_y=True)
    whole = make_pipeline(StandardScaler(), DigitClassifier("mlp", epochs=10, random_state=0))
    search = GridSearchCV(whole, {"digitclassifier__lr": [0.00001, 0.02]}, cv=2).fit(X[:600], y[:600])
    assert search.best_params_ == {"digitclassifier__lr": 0.02}
    assert cross_val_score(search.best_estimator_, X[:600], y[:600], cv=2).mean() > 0.6


def test_columns_without_variation_are_no_harm():
    X = np.column_stack([np.linspace(-1, 1, 60), np.full(60, 7.0)])
    reader = DigitClassifier("softmax_regression", epochs=60, lr=0.1, random_state=0).fit(X, X[:, 0] > 0)
    assert reader.score(X, X[:, 0] > 0) > 0.9


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((4, 783)), "783 numbers, which make no square image"),
        (np.full((4, 784), -1.0), "from -1 to -1, expected 0 to 1 for white"),
        (np.full((4, 784), 1023.0), "to 1023, expected at most 255; say what stands for white"),
        (np.full((4, 784), np.nan), "NaN"),
    ],
)
def test_what_is_no_image_is_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        DigitClassifier(epochs=1).fit(samples, [0, 1, 0, 1])


def test_brighter_images_than_those_learnt_from_are_refused(kaggle):
    pixels, labels = kaggle
    reader = DigitClassifier(epochs=0.1).fit(pixels[:64] / 255, labels[:64])
    with pytest.raises(ValueError, match="to 255, expected 0 to 1 for white"):
        reader.predict(pixels[:64])


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="1 class"):
        DigitClassifier("mlp").fit(np.eye(4), [3, 3, 3, 3])


def test_white_can_be_said():
    X, y = load_digits(return_X_y=True)
    reader = DigitClassifier(epochs=1, white=32, random_state=0).fit(X[:50], y[:50])
    assert reader.white_ == 32
