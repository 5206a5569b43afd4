"""What the benchmarks share: results kept as JSON, the machine that they came from, and the part of a page between two marks."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def read(name: str) -> dict[str, Any]:
    """What an earlier run kept."""
    file = RESULTS / name
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"results": {}}
    return kept


def write(name: str, kept: dict[str, Any]) -> None:
    """Keep the results, with the machine that they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps(kept, indent=1) + "\n")


@contextlib.contextmanager
def changing(name: str) -> Iterator[dict[str, Any]]:
    """The results as they are at this moment, to be changed; programs that do so at the same time take turns."""
    RESULTS.mkdir(exist_ok=True)
    folder = os.open(RESULTS, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        kept = read(name)
        yield kept
        write(name, kept)
    finally:
        os.close(folder)


def to_measure(kept: dict[str, Any], names: list[str], seeds: int, *, anew: bool) -> Iterator[tuple[int, str]]:
    """Seeds and rows of which no figure is kept yet, one seed of all rows after another.

    Args:
        kept: the figures of each row's seeds, under ``"results"``.
        names: the rows.
        seeds: how many.
        anew: forget the figures of these rows first.
    """
    for name in names:
        runs = kept["results"].setdefault(name, [])
        if anew:
            runs.clear()
    for seed in range(seeds):
        for name in names:
            if len(kept["results"][name]) <= seed:
                yield seed, name


def machine() -> str:
    """The kind of processor, and the software."""
    return f"{platform.machine()}, torch {torch.__version__}, Python {platform.python_version()}"


def processor() -> str:
    """The processor, as far as torch tells it, and the threads that are used of it."""
    capabilities = torch.cpu.get_capabilities()
    units = [name for name in ("avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16") if capabilities.get(name)]
    return (
        f"{capabilities.get('cpu_name', platform.processor())} ({', '.join(units)}), {torch.get_num_threads()} threads"
    )


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between two marks of a page."""
    before, mark, rest = page.read_text().partition(begin)
    _, end_mark, after = rest.partition(end)
    if not (mark and end_mark):
        raise SystemExit(f"{page} has no {begin!r} followed by {end!r}")
    page.write_text(f"{before}{begin}{text}{end}{after}")


def on_gpu(run: dict[str, Any]) -> bool:
    """Whether a run was one on a GPU, so that the processor's time is not what it took."""
    return "NVIDIA" in run["machine"]
