"""The tutorials' notebooks, as the pages offer them for download, run to their end in a kernel, on a few thousand images.

Their code is the same in both languages, so one is run. A notebook that leaves a run behind goes to its end a second time, on a
few hundred images, in the folder where the first has left it.
"""

import ast
import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from notebooks import notebook
from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF

ROOT = Path(__file__).parents[1]

TUTORIALS = sorted((ROOT / "examples" / "tutorials").glob("tutorial_*.py"))
# Splits of so many training images of each class, with 30 of each where a tutorial takes hundreds.
FEW = """
import dataclasses
import mnistkit
from mnistkit.data import DigitDataset, Splits
take, splits = DigitDataset.take_per_class, mnistkit.load_mnist()
few = Splits(take(splits.train, {each}), splits.validation[:500], splits.test[:1000])
fashion = Splits(*(dataclasses.replace(part, name="fashion-mnist") for part in few))
DigitDataset.take_per_class = lambda data, count, seed=0: take(data, min(count, 30), seed)
mnistkit.load_mnist = lambda validation=5000: few
mnistkit.load_dataset = lambda name, validation=5000: fashion
"""
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def cells(language, tutorial):
    made = notebook(tutorial, ROOT / "docs", language, DEFAULT_GALLERY_CONF | {"pypandoc": False})
    return nbformat.reads(json.dumps(made), as_version=4)


def sources(made, kind):
    return [cell.source for cell in made.cells if cell.cell_type == kind]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a notebook, after a cell that makes the data small, in the folder "work", which is empty at first."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()

    def execute(made, each=250):
        few = nbformat.v4.new_code_cell(FEW.format(each=each))
        prepared = nbformat.NotebookNode(made | {"cells": [few, *made.cells]})
        place = {"metadata": {"path": str(tmp_path / "work")}}
        NotebookClient(prepared, startup_timeout=300, timeout=300, resources=place).execute()

    return execute


def outputs(made):
    return [output for cell in made.cells if cell.cell_type == "code" for output in cell.outputs]


def is_a_picture(source):
    """Whether a cell ends in a figure."""
    last = ast.parse(source).body[-1]
    return (isinstance(last, ast.Expr) and ast.unparse(last).startswith("plots.")) or source.endswith(".figure()")


def test_there_are_five():
    assert [path.stem.split("_")[1] for path in TUTORIALS] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_notebook_is_written_in_the_language_of_its_page_without_sphinx(tutorial):
    english, chinese = cells("en", tutorial), cells("zh_CN", tutorial)
    assert sources(english, "code") == sources(chinese, "code")
    texts = sources(english, "markdown"), sources(chinese, "markdown")
    assert not any(CHINESE.search(text) for text in texts[0])
    assert all(CHINESE.search(text) for text in texts[1])
    for text in itertools.chain(*texts):
        assert not re.search(r":\w+:`|^\s*\.\. \w+::", text, re.MULTILINE), text


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_its_figures_and_finds_what_it_has_left(tutorial, run, tmp_path):
    made = cells("en", tutorial)
    run(made)
    for cell in made.cells:
        if cell.cell_type == "code" and is_a_picture(cell.source):
            assert "image/png" in cell.outputs[-1].data, cell.source
    streams = [output for output in outputs(made) if output.output_type == "stream"]
    assert {output.name for output in streams} == {"stdout"}
    printed = "".join(output.text for output in streams)
    assert "accuracy" in printed
    # Nothing was measured as "not a number" but the softmax that is meant to be.
    assert printed.lower().count("nan") == (2 if "2_dense" in tutorial.name else 0)
    if any((tmp_path / "work").rglob("*.safetensors")):
        run(cells("zh_CN", tutorial), each=30)


def test_a_run_leaves_one_line_of_progress_in_a_saved_notebook(run):
    made = nbformat.v4.new_notebook()
    program = """
from mnistkit import *
train, validation, _ = load_mnist()
Trainer(create_model("softmax_regression"), batch_size=25).fit(train, validation, epochs=3)
"""
    made.cells = [nbformat.v4.new_code_cell(program)]
    run(made)
    progress, history = outputs(made)
    assert re.fullmatch(r"epoch 3/3  train_loss .*  val_accuracy \d+\.\d\d%  \d+\.\d s", progress.data["text/plain"])
    assert "val_accuracy" in history.data["text/html"]
