"""Imports go one way only: a module imports from its own part and from the levels below."""

import ast
import sys
from pathlib import Path

import pytest

import mnistkit

SOURCE = Path(mnistkit.__file__).parent
# From the bottom up. Parts of one level do not know each other.
LEVELS = [
    {"errors"},
    {"types", "pyinstaller"},
    {"_core"},
    {"imaging", "calibration"},
    {"device", "precision", "distributed", "seeding", "runtime"},
    {"metrics"},
    {"models", "data"},
    {"checkpoint", "synthetic", "backends"},
    {"card", "export"},
    {"page_network"},
    {"classifier", "finder", "line_reader"},
    {"training"},
    {"callbacks", "reading"},
    {"interpret", "evaluation", "recipes", "sklearn", "zoo"},
    {"plots"},
    {"cli"},
    {"__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
# Besides the levels: what each of these must not import, though it is below.
FORBIDDEN = {"reading": {"training"}, "__main__": {"callbacks"}}
# What each of these may import from outside the standard library.
PACKAGES = {
    "errors": set(),
    "types": set(),
    "pyinstaller": {"PyInstaller"},
    "_core": {"numpy", "PIL", "tqdm", "matplotlib", "IPython"},
    "imaging": {"numpy", "PIL", "cv2", "pillow_heif", "pypdfium2"},
    "calibration": {"numpy"},
    "runtime": {"numpy", "onnxruntime"},
    "reading": {"numpy", "PIL", "matplotlib", "pandas"},
    "interpret": {"torch", "sklearn"},
    "plots": {"numpy", "torch", "PIL", "matplotlib"},
    "__main__": set(),
    "__init__": set(),
}


def _imports(tree):
    """Every ``(module, name)`` that is imported when the program runs, inside functions too."""

    class Visitor(ast.NodeVisitor):
        def __init__(self):
            self.found = []

        def visit_If(self, node):
            if ast.unparse(node.test) == "TYPE_CHECKING":
                for child in node.orelse:
                    self.visit(child)
            else:
                self.generic_visit(node)

        def visit_Import(self, node):
            self.found += [(alias.name, None) for alias in node.names]

        def visit_ImportFrom(self, node):
            assert node.level == 0, "imports are absolute"
            self.found += [(node.module, alias.name) for alias in node.names]

    visitor = Visitor()
    visitor.visit(tree)
    return visitor.found


def _problems(part, source):
    """What a module of a part imports that it must not."""
    problems = []
    for module, name in _imports(ast.parse(source)):
        package, _, inner = module.partition(".")
        if package != "mnistkit":
            allowed = PACKAGES.get(part)
            if allowed is not None and package not in sys.stdlib_module_names and package not in allowed:
                problems.append(f"{part} imports {package}")
            continue
        target = inner.split(".")[0] or name or package
        if target == "__version__" or target == part:
            continue
        below = target in LEVEL and part in LEVEL and LEVEL[target] < LEVEL[part]
        if not below or target in FORBIDDEN.get(part, ()):
            problems.append(f"{part} imports {target}")
    return problems


def _modules():
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).parts[0].removesuffix(".py"), path


def test_every_part_has_its_level():
    assert {part for part, _ in _modules()} == {*LEVEL, "__init__"}


def test_a_module_imports_only_from_below():
    found = {str(path): _problems(part, path.read_text(encoding="utf-8")) for part, path in _modules()}
    assert len(found) > 100
    assert {path: problems for path, problems in found.items() if problems} == {}


@pytest.mark.parametrize(
    ("part", "source", "problem"),
    [
        ("errors", "from mnistkit.types import Batch", "errors imports types"),
        ("metrics", "from mnistkit.data import Augment", "metrics imports data"),
        ("data", "from mnistkit.models import lenet5", "data imports models"),
        ("models", "import mnistkit.data.datasets", "models imports data"),
        ("checkpoint", "from mnistkit import training", "checkpoint imports training"),
        ("checkpoint", "from mnistkit import Trainer", "checkpoint imports Trainer"),
        ("checkpoint", "import mnistkit", "checkpoint imports mnistkit"),
        ("training", "def f():\n    from mnistkit.callbacks import EMA", "training imports callbacks"),
        ("reading", "from mnistkit.callbacks import EMA", "reading imports callbacks"),
        ("callbacks", "from mnistkit.reading import Predictor", "callbacks imports reading"),
        ("reading", "from mnistkit.training import Trainer", "reading imports training"),
        ("reading", "if True:\n    import mnistkit.training.state", "reading imports training"),
        ("reading", "from mnistkit.evaluation import Report", "reading imports evaluation"),
        ("evaluation", "from mnistkit.cli import main", "evaluation imports cli"),
        ("interpret", "from mnistkit import plots", "interpret imports plots"),
        ("interpret", "def f():\n    import matplotlib", "interpret imports matplotlib"),
        ("plots", "from mnistkit.cli import main", "plots imports cli"),
        ("data", "try:\n    from mnistkit.cli import main\nexcept ImportError: pass", "data imports cli"),
        ("imaging", "class A:\n    import torch", "imaging imports torch"),
        ("imaging", "def f():\n    from torchvision.io import read_image", "imaging imports torchvision"),
        ("imaging", "if TYPE_CHECKING:\n    pass\nelse:\n    import torch", "imaging imports torch"),
        ("types", "import numpy as np", "types imports numpy"),
        ("__init__", "from mnistkit.training import Trainer", "__init__ imports training"),
    ],
)
def test_a_forbidden_import_would_be_found(part, source, problem):
    assert _problems(part, source) == [problem]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("imaging", "import os.path\nimport numpy as np\nimport PIL.Image\nfrom mnistkit.imaging.ink import find_ink"),
        ("types", "if TYPE_CHECKING:\n    from torch import Tensor"),
        ("checkpoint", "def f():\n    from mnistkit import __version__"),
        ("data", "from mnistkit.imaging import load_image"),
        ("callbacks", "from mnistkit.training import Callback"),
        ("cli", "from mnistkit import callbacks\nfrom mnistkit.reading import Predictor"),
    ],
)
def test_an_allowed_import_is_left_alone(part, source):
    assert _problems(part, source) == []
