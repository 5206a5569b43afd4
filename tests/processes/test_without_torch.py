"""Imaging, preprocessing, calibration and reading work where there is no torch: arrays in, predictions out."""

import subprocess
import sys
import zlib

import numpy as np
import PIL.Image
import pytest

from mnistkit import Classifier, Predictor
from mnistkit.finder import Finder
from mnistkit.line_reader import LineReader
from mnistkit.reading.page import load_page, read_page

BLOCKED = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "safetensors"}:
            raise ImportError(f"no {name} here")

sys.meta_path.insert(0, NoTorch())
"""

SCRIPT = """
import zlib
import numpy as np
from mnistkit import Predictor
from mnistkit.imaging import load_image
from mnistkit.reading.page import load_page, read_page
from mnistkit.runtime import OnnxClassifier

light = OnnxClassifier.load(NETWORK)
predictor = Predictor(light)
print(*[predictor.predict(PICTURE, coverage=c).label for c in (None, 0.98)])
with np.load(MAPS) as kept:
    seen = lambda picture: kept[str(zlib.crc32(picture))]
    print(read_page(*load_page(STRING), light, seen, seen).text)
print(predictor.explain(PICTURE).prediction.to_json()["name"])
print(*(len(list(predictor.stream([PICTURE, b"", np.zeros((9, 9))])))  for _ in range(2)))
print("torch" in sys.modules)
"""


@pytest.mark.processes
def test_pictures_are_read_where_torch_cannot_be_imported(mnist, tmp_path):
    classifier = Classifier.pretrained(device="cpu")
    classifier.export(tmp_path / "network.onnx")
    digits = 255 - mnist.test.images[:2, 0].numpy()
    PIL.Image.fromarray(digits[0]).save(tmp_path / "seven.png")
    PIL.Image.fromarray(np.concatenate(digits, axis=1)).save(tmp_path / "seventy_two.png")
    # What the networks see, by the page or strip that they see.
    maps = {}

    def keep(pages):
        return maps.setdefault(str(zlib.crc32(pages)), Finder.pretrained().maps(pages))

    def keep_too(strips):
        return maps.setdefault(str(zlib.crc32(strips)), LineReader.pretrained().columns(strips))

    read_page(*load_page(tmp_path / "seventy_two.png"), Predictor(classifier).classifier, keep, keep_too)
    np.savez(tmp_path / "maps.npz", **maps)
    names = {
        "MAPS": str(tmp_path / "maps.npz"),
        "NETWORK": str(tmp_path / "network.onnx"),
        "PICTURE": str(tmp_path / "seven.png"),
        "STRING": str(tmp_path / "seventy_two.png"),
    }
    code = BLOCKED + "".join(f"{name} = {value!r}\n" for name, value in names.items()) + SCRIPT
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.splitlines() == ["7 7", "72", "7", "3 3", "False"], result.stderr


@pytest.mark.processes
def test_where_torch_is_needed_its_absence_would_be_noticed():
    code = BLOCKED + "import mnistkit.classifier"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "no torch here" in result.stderr
