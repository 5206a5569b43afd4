"""What JSON turns into something else, tuples, and what it cannot hold, NaN, at every depth."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mnistkit.types import JsonValue

__all__ = ["plain", "to_lists", "to_tuples"]


def to_tuples(value: JsonValue) -> object:
    """JSON's lists as the tuples that they were, at every depth."""
    return tuple(to_tuples(item) for item in value) if isinstance(value, list) else value


def to_lists(value: object) -> object:
    """Tuples as the lists that JSON makes of them, at every depth."""
    return [to_lists(item) for item in value] if isinstance(value, (tuple, list)) else value


def plain(value: object) -> JsonValue:
    """As JSON can hold it; NaN, which it cannot, is null."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value  # type: ignore[return-value]  # a number, a string or nothing
