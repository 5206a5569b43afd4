"""What the benchmarks keep of their results."""

import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_programs_that_change_the_same_results_take_turns(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    kept = importlib.import_module("kept")
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "results")

    def add(row):
        with kept.changing("some.json") as results:
            time.sleep(0.01)  # as long as another one might come in between
            results["results"][row] = True

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, map(str, range(12))))
    assert len(kept.read("some.json")["results"]) == 12
