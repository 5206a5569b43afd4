"""Every block of Python in README.md and in docs/*.md runs as it is written, one after the other.

The pages find what they speak of: pictures, folders of pictures, files of data and of weights. Their ``load_mnist`` has a few
hundred real images.
"""

import re
import shutil
import sys
import textwrap
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

import mnistkit
from mnistkit.data import Splits, write_idx
from mnistkit.imaging import sample_picture
from mnistkit.synthetic import draw_digits

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
# What a page's snippets print and write, where a reader is promised it.
PRINTED = {
    "README": ["accuracy", "7 ("],
    "evaluation": ["lenet5 on mnist test", "McNemar's test", "mean ", "zigzag ", "947 8 9"],
    "errors": ["unknown model 'lennet5'; did you mean 'lenet5'?", "test images"],
    "faq": [
        "is a web page, not an IDX file",
        "rejected",
        "torch.Size([7, 10])",
        "True\n",
        "kmnist is not in",
    ],
    "index": ["accuracy", "7 ("],
    "install": [mnistkit.__version__],
    "quickstart": ["7 ("],
    "reading": ["721", "1 ('0123456789',)", "0123456789"],
    "recipes": ["fast-99.0, seed 0: test loss", "95 % interval of the mean"],
}
WRITTEN = {
    "drawing": ["digits.html"],
    "evaluation": ["report.html", "report.json", "robustness.json", "reading.html", "reading.json"],
    "frames": ["stages.png"],
    "plots": ["mistakes.png", "confusion.png", "rates.png", "kernels.gif", "why.png", "edit.png"],
    "reading": ["boxes.png", "my_handwriting.safetensors"],
    "quickstart": ["runs/lenet5/best.safetensors", "report.html", "curves.png", "mistakes.png"],
}


def blocks(page):
    return [textwrap.dedent(body) for _, body in BLOCK.findall(page.read_text(encoding="utf-8"))]


def test_no_block_is_overlooked():
    for page in PAGES:
        assert len(blocks(page)) == len(re.findall(r"^ *```python", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert sum(bool(blocks(page)) for page in PAGES) >= 12


def _write_pages(folder):
    """Two pages in somebody's hand, and both as a document."""
    pages = []
    for number in (1, 2):
        drawn = draw_digits(100, seed=number)
        row = np.concatenate([drawn.only(digit).images[0, 0].numpy() for digit in range(10)], axis=1)
        pages.append(Image.fromarray(255 - np.pad(row, 8)).resize((888, 132)))
        pages[-1].save(folder / f"mine-{number}.png")
    pages[0].save(folder / "scan.pdf", save_all=True, append_images=pages[1:], resolution=200)


@pytest.fixture(scope="module")
def hundreds(mnist):
    """Enough images of each digit for everything that a page does with them, few enough to train in no time."""
    return Splits(mnist.train.take_per_class(40), mnist.validation[:1000], mnist.test[:1000])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, hundreds):
    """A folder with all that the pages speak of."""
    folder = tmp_path_factory.mktemp("shelf")
    seven = sample_picture("seven")
    for name in ("my_seven.jpg", "a.png", "b.png"):
        seven.save(folder / name)
    number = np.concatenate([image[0] for image in hundreds.test.images[:3].numpy()], axis=1)
    Image.fromarray(number).resize((252, 84)).save(folder / "number.png")
    _write_pages(folder)
    for label in range(10):
        (folder / "pictures" / str(label)).mkdir(parents=True)
        for number, image in enumerate(hundreds.train.only(label).images[:4, 0].numpy()):
            Image.fromarray(255 - image).save(folder / "pictures" / str(label) / f"{number}.png")
    (folder / "files").mkdir()
    for prefix, data in (("train", hundreds.train), ("t10k", hundreds.test)):
        # 5,000 are set aside, so a few copies of each image.
        copies = 15 if prefix == "train" else 1
        write_idx(folder / f"files/{prefix}-images-idx3-ubyte.gz", data.images[:, 0].repeat(copies, 1, 1).numpy())
        write_idx(folder / f"files/{prefix}-labels-idx1-ubyte.gz", data.labels.repeat(copies).numpy().astype("uint8"))
    model = mnistkit.create_model("lenet5")
    trainer = mnistkit.Trainer(model, callbacks=[mnistkit.Checkpoint(folder / "runs/lenet5")], progress=False)
    trainer.fit(hundreds.train, hundreds.validation, epochs=1)
    torch.save(model.state_dict(), folder / "weights.pt")
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_every_snippet_runs(page, shelf, hundreds, tmp_path, monkeypatch, capsys):
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    if any('Checkpoint("runs/lenet5")' in snippet for snippet in blocks(page)):
        shutil.rmtree(tmp_path / "runs")  # the page makes this run itself
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "gradio", mock.MagicMock())  # a page shows it; no check needs a server of it
    monkeypatch.setattr(mnistkit, "load_mnist", lambda validation=5000, seed=0: hundreds)
    monkeypatch.setattr("mnistkit.recipes.recipe.load_dataset", lambda name, root=None, validation=5000: hundreds)
    names = {}
    for number, snippet in enumerate(blocks(page), 1):
        exec(compile(snippet, f"{page.name}, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    for text in PRINTED.get(page.stem, []):
        assert text in printed
    for name in WRITTEN.get(page.stem, []):
        assert (tmp_path / name).stat().st_size > 0
