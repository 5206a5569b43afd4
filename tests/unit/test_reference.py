"""Every public name is in the reference."""

import importlib
import pkgutil
import re
import types
from pathlib import Path

import mnistkit

DOCS = Path(__file__).parents[2] / "docs"
DIRECTIVE = re.compile(r"^\.\. (?:auto|py:)(?:function|class|data|exception|module):: (\S+)", re.MULTILINE)


def public_modules():
    """Every public module and package but those for programs; a package's own parts are reached through it."""
    yield mnistkit
    for found in pkgutil.iter_modules(mnistkit.__path__):
        if not found.name.startswith("_") and found.name not in {"cli", "pyinstaller"}:
            yield importlib.import_module(f"mnistkit.{found.name}")


def public_names(module):
    if hasattr(module, "__all__"):
        return set(module.__all__)
    names = {name for name, value in vars(module).items() if not isinstance(value, types.ModuleType)}
    return {name for name in names if not name.startswith("_")}


def resolve(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def documented():
    text = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    objects = []
    for path in DIRECTIVE.findall(text):
        if path == "mnistkit.errors":
            errors = importlib.import_module(path)
            objects += [getattr(errors, name) for name in errors.__all__]
        else:
            objects.append(resolve(path))
    return objects


def test_every_public_name_is_documented():
    objects = documented()
    names = [(module, name) for module in public_modules() for name in sorted(public_names(module))]
    assert len(names) > 200
    missing = [(module, name) for module, name in names if not any(getattr(module, name) is found for found in objects)]
    assert missing == []
