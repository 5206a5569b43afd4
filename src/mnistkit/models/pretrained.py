"""The files of the weights that ship."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from mnistkit.errors import ConfigError, unknown_name

__all__ = ["list_pretrained", "pretrained_file"]

_FOLDER = resources.files("mnistkit.models") / "weights"
_SUFFIX = ".safetensors"


def list_pretrained() -> list[str]:
    """The names that :meth:`mnistkit.Classifier.pretrained` knows, sorted."""
    files = (file.name for file in _FOLDER.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX))


def pretrained_file(name: str) -> Traversable:
    """The file in the package with the weights of that name.

    Raises:
        ConfigError: for an unknown name, with the likeliest meant one.
    """
    if name not in list_pretrained():
        raise ConfigError(unknown_name("weights", name, list_pretrained()))
    return _FOLDER / f"{name}{_SUFFIX}"
