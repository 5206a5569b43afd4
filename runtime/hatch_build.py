"""Writes the weights that ship as ONNX files, for the wheel that is being built."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path(__file__).parents[1] / "src"


class WeightsHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sys.path.insert(0, str(SOURCE))
        from mnistkit import Classifier
        from mnistkit.export.graph import finder_bytes, line_bytes
        from mnistkit.finder import Finder
        from mnistkit.line_reader import LineReader

        self.folder = tempfile.TemporaryDirectory()
        weights = Path(self.folder.name)
        Classifier.pretrained(device="cpu").export(weights / "handwriting.onnx")
        (weights / "finder.onnx").write_bytes(finder_bytes(Finder.pretrained().network))
        (weights / "lines.onnx").write_bytes(line_bytes(LineReader.pretrained().network))
        for file in weights.iterdir():
            build_data["force_include"][str(file)] = f"mnistkit/runtime/weights/{file.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self.folder.cleanup()
