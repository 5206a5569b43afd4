"""The JSON header of a checkpoint: what it must look like, and how that of an older version becomes one of this."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias, TypedDict

from torch import Tensor

from mnistkit.calibration import Calibration
from mnistkit.checkpoint.packing import unpack
from mnistkit.checkpoint.saved import Saved
from mnistkit.errors import CheckpointFormatError
from mnistkit.imaging import Preprocessing
from mnistkit.models import ModelSpec
from mnistkit.types import JsonValue

__all__ = ["FORMAT_VERSION", "NO_CHECKSUM", "has_checksum", "parse_header", "with_checksum"]

FORMAT_VERSION = 3

Header: TypeAlias = dict[str, JsonValue]


def _with_card(header: Header) -> Header:
    """Version 2 had less of a card, and another word for the background class."""
    calibration = header["calibration"]
    if not isinstance(calibration, dict):
        raise ValueError(f"no calibration: {calibration!r}")
    renamed = {"background" if name == "knows_none" else name: value for name, value in calibration.items()}
    return header | {"calibration": renamed, "about": {}}


# One change of the format each: from the header of a version to that of the next. Version 1 had no checksum; nothing else
# was different.
_MIGRATIONS: Mapping[int, Callable[[Header], Header]] = MappingProxyType({1: lambda header: header, 2: _with_card})

NO_CHECKSUM = "00000000"
# In the file the header is JSON inside of JSON.
_CHECKSUM = re.compile(rb'\\"checksum\\": \\"([0-9a-f]{8})\\"')
_LENGTH = 8

_MOST_CLASSES = 10_000
_MOST_ARGUMENTS = 10_000


class Fields(TypedDict):
    """What a header tells: a :class:`~mnistkit.checkpoint.CheckpointFile` but for its weights."""

    spec: ModelSpec | None
    preprocessing: Preprocessing | None
    classes: tuple[str, ...]
    calibration: Calibration
    metrics: dict[str, JsonValue]
    data: dict[str, JsonValue]
    about: dict[str, JsonValue]
    versions: dict[str, str]
    training: dict[str, object] | None


def parse_header(text: str, tensors: dict[str, Tensor], *, checked: bool) -> Fields:
    """Read a header, of this version or an older one.

    Args:
        text: JSON.
        tensors: those of the file that are no weights; the ones that the header speaks of are taken out.
        checked: whether the file has a checksum.

    Raises:
        CheckpointFormatError: if it is of a newer version, or a value is of another kind.
        KeyError, TypeError, ValueError, RecursionError: if it is damaged in other ways.
    """
    header: JsonValue = json.loads(text)
    if not isinstance(header, dict):
        raise ValueError("it is no JSON object")
    if not checked and header["format_version"] != 1:
        raise ValueError("there is no checksum")
    # Half a character is text to JSON, and to nothing else.
    json.dumps(header, ensure_ascii=False).encode()
    header = _migrated(header)
    content = Saved({name: unpack(value, tensors) for name, value in header.items()}, "header")
    return {
        "spec": None if content["model"] is None else _spec(content.part("model")),
        "preprocessing": None
        if content["preprocessing"] is None
        else Preprocessing.from_json(content.json("preprocessing")),
        "classes": _classes(content.items("classes")),
        "calibration": Calibration.from_json(content.json("calibration")),
        "metrics": content.json("metrics"),
        "data": content.json("data"),
        "about": content.json("about"),
        "versions": _texts(content.mapping("versions")),
        "training": None if content["training"] is None else content.mapping("training"),
    }


def _migrated(header: Header) -> Header:
    version = header["format_version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"format version {version!r}")
    if version > FORMAT_VERSION:
        raise CheckpointFormatError(
            f"format version {version}, and this mnistkit reads versions 1 to {FORMAT_VERSION}: upgrade it with "
            "pip install --upgrade mnistkit"
        )
    for older in range(version, FORMAT_VERSION):
        header = _MIGRATIONS[older](header)
    return header


def _spec(model: Saved) -> ModelSpec:
    name, arguments = model["name"], model.json("arguments")
    if not isinstance(name, str):
        raise model.refused("name", "a model's name")
    if sum(map(_count, arguments.values())) > _MOST_ARGUMENTS:
        raise ValueError(f"the model has more than {_MOST_ARGUMENTS:,} arguments")
    return ModelSpec(name, arguments)


def _classes(names: list[object]) -> tuple[str, ...]:
    if len(names) > _MOST_CLASSES:
        raise ValueError(f"{len(names):,} classes, expected at most {_MOST_CLASSES:,}")
    classes = tuple(name for name in names if isinstance(name, str) and name)
    if len(classes) < len(names) or len(set(classes)) < len(classes):
        raise ValueError("the classes are not names that differ")
    return classes


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    texts = {name: text for name, text in values.items() if isinstance(text, str)}
    if len(texts) < len(values):
        raise ValueError("a version is no text")
    return texts


def _count(value: JsonValue) -> int:
    if isinstance(value, list):
        return 1 + sum(map(_count, value))
    return 1 + sum(map(_count, value.values())) if isinstance(value, dict) else 1


def with_checksum(data: bytes) -> bytes:
    """A file's bytes with their checksum in the header, in the place of eight zeros."""
    place = _CHECKSUM.search(data)
    if place is None:
        raise ValueError("the header has no place for a checksum")
    return b"".join((data[: place.start(1)], _checksum(data, place.start(1)), data[place.end(1) :]))


def has_checksum(data: bytes) -> bool:
    """Whether a file has a checksum; it is then the right one.

    Raises:
        ValueError: if it is another.
    """
    end = min(len(data), _LENGTH + int.from_bytes(data[:_LENGTH], "little"))
    place = _CHECKSUM.search(data, _LENGTH, end)
    if place is None:
        return False
    if _checksum(data, place.start(1)) != place[1]:
        raise ValueError("its checksum is not that of what was written")
    return True


def _checksum(data: bytes, place: int) -> bytes:
    """The CRC-32 of all bytes, with zeros for its own eight digits."""
    whole = memoryview(data)
    checksum = zlib.crc32(whole[:place])
    checksum = zlib.crc32(NO_CHECKSUM.encode(), checksum)
    return f"{zlib.crc32(whole[place + len(NO_CHECKSUM) :], checksum):08x}".encode()
