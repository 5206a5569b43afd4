"""Results as JSON files: written whole or not at all, and checked when they are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from mnistkit._core.files import open_regular, write_atomically
from mnistkit.errors import DataError
from mnistkit.types import JsonValue, PathLike

__all__ = ["read_json", "shortest", "write_json"]

_VERSION = 1
_T = TypeVar("_T")


def write_json(path: PathLike, kind: str, content: Mapping[str, JsonValue]) -> None:
    """Write a result of this kind.

    Raises:
        WriteError: if it cannot be written.
    """
    text = json.dumps({"format": f"mnistkit {kind}", "version": _VERSION, **content}, allow_nan=False)
    write_atomically(path, text.encode())


def read_json(path: PathLike, kind: str, parse: Callable[[dict[str, JsonValue]], _T]) -> _T:
    """Read what :func:`write_json` wrote.

    Raises:
        DataError: if there is no such file, or it holds something else.
    """
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(), parse_constant=_refuse_constant)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a saved {kind}: {error}") from error
    if not isinstance(content, dict) or content.get("format") != f"mnistkit {kind}":
        raise DataError(f"{path} is not a saved {kind}")
    if content.get("version") != _VERSION:
        raise DataError(
            f"{path} is a {kind} of version {content.get('version')}, this mnistkit reads version {_VERSION}: upgrade it with "
            "pip install --upgrade mnistkit"
        )
    try:
        return parse(content)
    except (KeyError, TypeError, ValueError, OverflowError, DataError) as error:
        raise DataError(f"{path} is a damaged {kind} ({error!r}); measure again") from error


def _refuse_constant(name: str) -> None:
    # NaN and Infinity are no JSON, though Python reads them.
    raise ValueError(f"{name} is no number")


def shortest(values: np.ndarray) -> JsonValue:
    """Float32 numbers with as many digits as tell them apart: half of what they have as float64, and read back exactly."""
    short: JsonValue = values.astype(str).astype(np.float64).tolist()
    return short
