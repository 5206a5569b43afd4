import ast
import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import mnistkit


def _imported_by(statement):
    """The modules that a fresh interpreter has after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return set(result.stdout.split())


def _seen_by_type_checkers():
    tree = ast.parse(Path(mnistkit.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return [(node.module, alias.name, alias.asname) for node in block.body for alias in node.names]


def test_there_are_at_most_32_public_names_and_all_are_documented():
    assert len(mnistkit.__all__) <= 32
    assert mnistkit.__all__ == sorted(set(mnistkit.__all__))
    assert all(getattr(mnistkit, name).__doc__ for name in mnistkit.__all__)


def test_type_checkers_see_the_names_that_are_there_at_run_time():
    seen = _seen_by_type_checkers()
    assert sorted(name for _, name, _ in seen) == mnistkit.__all__
    for home, name, exported in seen:
        value = getattr(importlib.import_module(home), name)
        assert exported == name
        assert getattr(mnistkit, name) is value, name
        assert vars(mnistkit)[name] is value, name


def test_dir_and_the_star_have_every_name():
    assert {*mnistkit.__all__, "__version__"} <= set(dir(mnistkit))
    assert dir(mnistkit) == sorted(set(dir(mnistkit)))
    namespace = {}
    exec("from mnistkit import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(mnistkit.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error_and_an_import_error():
    with pytest.raises(AttributeError, match=r"^module 'mnistkit' has no attribute 'Trainr'$"):
        mnistkit.Trainr  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Trainr' from 'mnistkit'"):
        exec("from mnistkit import Trainr")
    assert not hasattr(mnistkit, "torch")


def test_the_version_is_the_installed_one():
    assert mnistkit.__version__ == importlib.metadata.version("mnistkit")


@pytest.mark.processes
@pytest.mark.parametrize(
    "statement",
    [
        "import mnistkit",
        "import mnistkit; dir(mnistkit), mnistkit.__all__, mnistkit.__version__",
        "from mnistkit import MnistkitError",
        "import mnistkit.errors, mnistkit.types",
    ],
)
def test_importing_it_imports_neither_torch_nor_numpy(statement):
    assert not {"torch", "torchvision", "numpy", "PIL", "safetensors", "tqdm"} & _imported_by(statement)


@pytest.mark.processes
def test_every_module_is_there_after_import_mnistkit_alone():
    root = Path(mnistkit.__file__).parent
    # Not the programs, and not the one private package.
    names = {path.stem for path in root.glob("*.py")} | {path.parent.name for path in root.glob("*/__init__.py")}
    public = sorted(name for name in names if not name.startswith("_") and name not in {"cli", "pyinstaller"})
    # Which also shows that torch would be noticed where it is not to be.
    assert "torch" in _imported_by(f"import mnistkit; [getattr(mnistkit, name) for name in {public}]")
    assert set(public) <= set(dir(mnistkit))


@pytest.mark.processes
def test_imaging_needs_numpy_and_pillow_but_no_torch():
    modules = _imported_by("import mnistkit.imaging")
    assert {"numpy", "PIL"} <= modules
    assert not {"torch", "torchvision"} & modules
