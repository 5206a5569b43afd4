"""A part of a saved state, asked for by kind: what a file holds need not be what a program wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from torch import Tensor

from mnistkit.errors import CheckpointFormatError
from mnistkit.types import JsonValue

__all__ = ["Saved"]


class Saved:
    """A mapping out of a checkpoint, whose values are of the kind that is asked for or an error with their place.

    Args:
        values: the mapping.
        place: where it is in the file, for the error.

    Raises:
        CheckpointFormatError: here if it is no mapping with names, in every method if the value is missing or of another kind.

    >>> Saved({"epoch": 3}, "training").whole("epoch")
    3
    >>> Saved({"epoch": "x"}, "training").whole("epoch")
    Traceback (most recent call last):
    mnistkit.errors.CheckpointFormatError: training/epoch is 'x', expected a whole number from 0; use an earlier checkpoint
    """

    def __init__(self, values: object, place: str) -> None:
        self._place = place
        if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
            raise self._error(place, values, "named values")
        self._values: Mapping[str, object] = values

    def whole(self, name: str) -> int:
        """A whole number from 0."""
        value = self._value(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._error(f"{self._place}/{name}", value, "a whole number from 0")
        return value

    def number(self, name: str) -> float:
        """A number, which may be infinite but not NaN."""
        value = self._value(name)
        if not _is_number(value) or math.isnan(value):
            raise self._error(f"{self._place}/{name}", value, "a number")
        return value

    def part(self, name: str) -> Saved:
        """A mapping in this one."""
        return Saved(self._value(name), f"{self._place}/{name}")

    def numbers(self, name: str) -> dict[str, float]:
        """Numbers by name; a figure that could not be measured is NaN."""
        return _numbers(self._value(name), f"{self._place}/{name}")

    def sums(self, name: str) -> dict[str, Tensor | float]:
        """Numbers by name, and tensors of them for the metrics that are of such a shape."""
        values = self.mapping(name)
        shaped = {
            key: value for key, value in values.items() if key.startswith("metrics/") and isinstance(value, Tensor)
        }
        plain = _numbers({key: value for key, value in values.items() if key not in shaped}, f"{self._place}/{name}")
        return {key: shaped[key] if key in shaped else plain[key] for key in values}

    def numbered(self, name: str) -> dict[int, float]:
        """Numbers by whole number."""
        value = self._value(name)
        if not isinstance(value, Mapping) or not all(
            isinstance(key, int) and _is_number(item) for key, item in value.items()
        ):
            raise self._error(f"{self._place}/{name}", value, "numbers by whole number")
        return dict(value)

    def rows(self, name: str) -> list[dict[str, float]]:
        """A table: numbers by name, row for row."""
        value = self._value(name)
        if not isinstance(value, list):
            raise self._error(f"{self._place}/{name}", value, "a list of rows")
        return [_numbers(row, f"{self._place}/{name}/{index}") for index, row in enumerate(value)]

    def tensors(self, name: str) -> dict[str, Tensor] | None:
        """Tensors by name, or ``None`` where none were saved."""
        value = self._value(name)
        if value is None:
            return None
        if not isinstance(value, Mapping) or not all(
            isinstance(key, str) and isinstance(item, Tensor) for key, item in value.items()
        ):
            raise self._error(f"{self._place}/{name}", value, "tensors by name")
        return dict(value)

    def items(self, name: str) -> list[object]:
        """A list of anything."""
        value = self._value(name)
        if not isinstance(value, list):
            raise self._error(f"{self._place}/{name}", value, "a list")
        return value

    def mapping(self, name: str) -> dict[str, object]:
        """Values by name."""
        return dict(self.part(name)._values)

    def json(self, name: str) -> dict[str, JsonValue]:
        """Values by name that JSON can hold, at any depth: no tensors, no keys but names, and lists for tuples."""
        return {key: self._json(value, f"{self._place}/{name}/{key}") for key, value in self.mapping(name).items()}

    def _json(self, value: object, place: str) -> JsonValue:
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (list, tuple)):
            return [self._json(item, place) for item in value]
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: self._json(item, place) for key, item in value.items()}
        raise self._error(place, value, "what JSON can hold")

    def __getitem__(self, name: str) -> object:
        """Whatever is there."""
        return self._value(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def refused(self, name: str, expected: str) -> CheckpointFormatError:
        """The error for a value that is of the right kind and yet cannot be."""
        return self._error(f"{self._place}/{name}", self._values.get(name), expected)

    def _value(self, name: str) -> object:
        if name not in self._values:
            raise CheckpointFormatError(f"{self._place}/{name} is missing; use an earlier checkpoint")
        return self._values[name]

    @staticmethod
    def _error(place: str, value: object, expected: str) -> CheckpointFormatError:
        return CheckpointFormatError(f"{place} is {_brief(value)}, expected {expected}; use an earlier checkpoint")


def _numbers(value: object, place: str) -> dict[str, float]:
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and _is_number(item) for key, item in value.items()
    ):
        raise CheckpointFormatError(f"{place} is {_brief(value)}, expected numbers by name; use an earlier checkpoint")
    return dict(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _brief(value: object) -> str:
    """A value as an error shows it: whole if it is a short one, by its kind if not."""
    if isinstance(value, (str, int, float, bool)) and len(text := repr(value)) <= 80:
        return text
    return "None" if value is None else f"a {type(value).__name__}"
