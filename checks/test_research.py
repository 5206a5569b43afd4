"""The studies in examples/research run, are as short as the page says, and the page shows what was kept of them."""

import ast
import importlib
import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "research"
STUDIES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "study")


@pytest.fixture
def research(monkeypatch):
    """The program that measures them all."""
    for folder in (FOLDER, ROOT / "benchmarks"):
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("research")


def test_every_study_is_measured(research):
    assert sorted(research.SEEDS) == sorted(research.TITLES) == STUDIES


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_prints_its_figures_and_writes_its_picture(name, research, tmp_path, monkeypatch, capsys):
    picture = tmp_path / "picture.png"
    monkeypatch.setattr(sys, "argv", [name, "--epochs", "1", "--images", "320", "--output", str(picture)])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[\w ,]+: -?\d+\.\d\d%", line)] == []
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_replay_has_its_training_accuracy_also_from_its_second_pair_on(research, mnist):
    split = importlib.import_module("split_mnist")
    trainer = split.Replay(split.create_model("mlp", hidden=(8,)), progress=False)
    for pair in [(0, 1), (2, 3)]:
        trainer.learn(mnist.train.only(*pair)[:320], 1)
        assert trainer.state.history.last.keys() >= {"train_loss", "train_accuracy"}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_short_and_says_where_its_method_is_from(name, research):
    source = (FOLDER / f"{name}.py").read_text()
    said = ast.get_docstring(ast.parse(source), clean=False)
    code = [line for line in source[len(said) + 6 :].splitlines() if line.strip()]
    assert len(code) <= 80
    assert re.search(r"\b(19|20)\d\d\b, \"", said)
    assert said.endswith(f"\n\npython examples/research/{name}.py --seed 0\n")


@pytest.mark.parametrize(("name", "lines"), [("lbfgs", 3), ("sam", 12), ("wgan_gp", 14)])
def test_a_trainer_of_two_optimizers_or_of_many_gradients_is_short_too(name, lines, research):
    assert research.trainer_lines(name) <= lines


def test_macro_f1_and_top_2_of_the_page_on_training_are_short_too():
    page = (ROOT / "docs" / "training.md").read_text()
    code = page[page.index("def top2(") : page.index("trainer = Trainer(", page.index("class MacroF1"))]
    assert len([line for line in code.splitlines() if line.strip()]) == 8


def test_the_page_shows_what_was_kept(research):
    kept = importlib.import_module("kept").read("research.json")
    assert research.page(kept) == research.PAGE.read_text()
