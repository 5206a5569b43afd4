"""What the commands share: how they report."""

from __future__ import annotations

import argparse
import json
import os

__all__ = ["print_json", "print_text", "reports_here"]


def print_json(options: argparse.Namespace, report: dict[str, object]) -> None:
    """Print the one JSON object of a command, if it is wanted."""
    if options.json and reports_here():
        print(json.dumps(report))


def print_text(options: argparse.Namespace, text: str) -> None:
    """Print what a command reports to people, unless JSON is wanted."""
    if not options.json and reports_here():
        print(text)


def reports_here() -> bool:
    """Whether this process speaks."""
    # torchrun numbers the processes that it starts; the first speaks for all.
    return os.environ.get("RANK", "0") == "0"
