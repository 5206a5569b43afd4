"""Tells PyInstaller where mnistkit's hook is: a program that is frozen then has the data files and what is imported late."""

from __future__ import annotations

from pathlib import Path

__all__ = ["hook_folders"]


def hook_folders() -> list[str]:
    """Where PyInstaller finds ``hook-mnistkit.py``; it asks by the entry point ``hook-dirs``."""
    return [str(Path(__file__).parent)]
