"""What JSON turns into something else: tuples, at every depth."""

from __future__ import annotations

from mnistkit.types import JsonValue

__all__ = ["to_lists", "to_tuples"]


def to_tuples(value: JsonValue) -> object:
    """JSON's lists as the tuples that they were, at every depth."""
    return tuple(to_tuples(item) for item in value) if isinstance(value, list) else value


def to_lists(value: object) -> object:
    """Tuples as the lists that JSON makes of them, at every depth."""
    return [to_lists(item) for item in value] if isinstance(value, (tuple, list)) else value
