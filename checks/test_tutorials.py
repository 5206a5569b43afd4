"""The tutorials of the documentation run to their end, unchanged, on a few thousand images."""

import dataclasses
import runpy
import shutil
from pathlib import Path

import pytest

import mnistkit
from mnistkit.data import DigitDataset, Splits

EXAMPLES = Path(__file__).parents[1] / "examples"
TUTORIALS = sorted((EXAMPLES / "tutorials").glob("tutorial_*.py"))


@pytest.fixture
def few(mnist, monkeypatch):
    """Splits of a few thousand images, which give 30 of each class where a tutorial takes hundreds."""
    take = DigitDataset.take_per_class
    monkeypatch.setattr(DigitDataset, "take_per_class", lambda data, count, seed=0: take(data, min(count, 30), seed))
    return Splits(take(mnist.train, 250), mnist.validation[:500], mnist.test[:1000])


def test_there_are_five():
    assert [path.stem.split("_")[1] for path in TUTORIALS] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(tutorial, few, tmp_path, monkeypatch, capsys):
    fashion = Splits(*(dataclasses.replace(part, name="fashion-mnist") for part in few))
    monkeypatch.setattr(mnistkit, "load_mnist", lambda validation=5000: few)
    monkeypatch.setattr(mnistkit, "load_dataset", lambda name, validation=5000: fashion)
    shutil.copytree(EXAMPLES / "pictures", tmp_path / "pictures")
    (tmp_path / "tutorials").mkdir()
    monkeypatch.chdir(tmp_path / "tutorials")
    runpy.run_path(str(tutorial))
    printed = capsys.readouterr().out
    assert "accuracy" in printed
    # Nothing was measured as "not a number" but the softmax that is meant to be.
    assert printed.lower().count("nan") == (2 if "2_dense" in tutorial.name else 0)
