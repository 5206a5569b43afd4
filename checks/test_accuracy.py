"""The pages show the accuracies that were kept, and each of them can be measured again by its recipe and seed."""

import copy
import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from mnistkit.recipes import get_recipe

ROOT = Path(__file__).parents[1]


@pytest.fixture
def accuracy(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("accuracy")


@pytest.fixture
def kept(accuracy):
    return importlib.import_module("kept").read("accuracy.json")


def test_the_pages_show_what_was_kept(accuracy, kept):
    assert accuracy.table(kept) in accuracy.PAGE.read_text()
    for readme in accuracy.READMES:
        assert accuracy.short_table(kept["results"]) in readme.read_text()


def test_a_figure_is_measured_again_to_the_image(accuracy, monkeypatch, capsys):
    monkeypatch.setattr(accuracy, "get_recipe", lambda name: replace(get_recipe(name), per_class=30, epochs=2))
    names = ["t2a", "t2a-test", "t2b"]
    kept = {"results": {name: [] for name in names}}
    for _, name, found in accuracy.measured([(0, name) for name in names], ""):
        kept["results"][name].append(found)
    assert accuracy.check(kept, names, 1, "") == 0

    another = copy.deepcopy(kept)
    another["results"]["t2b"][0][0] += 1
    capsys.readouterr()
    assert accuracy.check(another, names, 5, "") == 1
    assert capsys.readouterr().out.splitlines()[-1].endswith(f", kept was {another['results']['t2b'][0]}")
