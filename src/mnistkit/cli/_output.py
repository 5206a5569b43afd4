"""What the commands share: how they report."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mnistkit.metrics import Evaluation

__all__ = ["evaluation_row", "print_json"]


def print_json(options: argparse.Namespace, report: dict[str, object]) -> None:
    """Print the one JSON object of a command, if it is wanted."""
    if options.json:
        print(json.dumps(report))


def evaluation_row(result: Evaluation) -> dict[str, object]:
    """An evaluation as JSON can hold it."""
    return {
        "loss": result.loss,
        "accuracy": result.accuracy,
        "interval": list(result.interval),
        "correct": result.correct,
        "count": result.count,
    }
