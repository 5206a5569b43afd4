"""The files of the weights that ship."""

from __future__ import annotations

from pathlib import Path

from mnistkit._core.files import package_data
from mnistkit.errors import ConfigError, unknown_name

__all__ = ["list_pretrained", "pretrained_file"]


def list_pretrained() -> list[str]:
    """The names that :meth:`mnistkit.Classifier.pretrained` knows, sorted."""
    return sorted(file.stem for file in package_data("models", "weights").glob("*.safetensors"))


def pretrained_file(name: str) -> Path:
    """The file in the package with the weights of that name.

    Raises:
        ConfigError: for an unknown name, with the likeliest meant one.
    """
    if name not in list_pretrained():
        raise ConfigError(unknown_name("weights", name, list_pretrained()))
    return package_data("models", "weights", f"{name}.safetensors")
