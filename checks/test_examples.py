import runpy
import sys
from pathlib import Path

import matplotlib
import pytest

import mnistkit

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = sorted((EXAMPLES.parent / "src" / "mnistkit" / "imaging" / "samples").glob("*.png"))
ARGUMENTS = {
    "draw_pictures": [],
    "plots_gallery": ["--epochs", "1", "--images", "640", "--points", "150", "--output", "pictures"],
    "train_pages": ["lines", "--pages", "16", "--validation", "4", "--hands", matplotlib.get_data_path()],
    "train_weights": ["--epochs", "1", "--images", "320", "--drawn", "40", "--threads", "1"],
}


def test_every_example_is_run():
    assert sorted(ARGUMENTS) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_an_example_runs(name, small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # What an example reads and measures is then as few images as it trains on.
    monkeypatch.setattr(mnistkit, "load_mnist", lambda validation=5000: small)
    monkeypatch.setattr(sys, "argv", [name, *ARGUMENTS[name]])
    if name == "draw_pictures":
        before = [picture.read_bytes() for picture in PICTURES]
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    if name == "draw_pictures":
        assert [picture.read_bytes() for picture in PICTURES] == before
    elif name == "plots_gallery":
        assert "accuracy" in printed
        assert len(list((tmp_path / "pictures").glob("*.png"))) == 21
        assert (tmp_path / "pictures" / "kernels.gif").read_bytes().startswith(b"GIF89a")
    elif name == "train_pages":
        assert "DejaVu Sans" in printed
        assert (tmp_path / "lines" / "lines.safetensors").exists()
    else:
        assert "accuracy" in printed
