"""That each hostile kind still runs: a case or two of it, however fast the machine is."""

import json
from pathlib import Path

import pytest

import mnistkit
from tests.hostile import Outcome
from tests.hostile.__main__ import KINDS, alone, keep
from tests.hostile.mutations import MUTATIONS


@pytest.mark.parametrize("kind", KINDS)
def test_no_first_case_fails(kind):
    outcome = alone(kind, seed=0, seconds=0)
    assert outcome.tried > 0
    assert outcome.failed == 0


def test_the_figures_of_other_kinds_and_seeds_stay(tmp_path):
    path = tmp_path / "figures.json"
    for kind, seed, tried in (("names", 1, 10), ("names", 2, 20), ("data", 1, 30), ("names", 1, 40)):
        keep(path, kind, Outcome(tried, 0), seed, 1.5)
    kept = {
        kind: [(run["seed"], run["tried"]) for run in figures["runs"]]
        for kind, figures in json.loads(path.read_text()).items()
    }
    assert kept == {"names": [(2, 20), (1, 40)], "data": [(1, 30)]}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_still_finds_the_defence_that_it_takes_out(mutation):
    source = (Path(mnistkit.__file__).parent / mutation.file).read_text(encoding="utf-8")
    assert source.count(mutation.text) == 1
