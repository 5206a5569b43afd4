import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mnistkit import seed_everything
from mnistkit.models import create_model
from mnistkit.seeding import derive_seed, generator_states, seed_generators, set_generator_states


@pytest.mark.parametrize(
    ("parts", "seed"),
    [
        ((), 2847183694713211083),
        ((0,), 2631537505891389924),
        ((0, "order", 1), 2002067703672271585),
        ((123456789, "augment", 7, 3, 0), 9004022002461500776),
    ],
)
def test_a_derived_seed_is_the_same_in_every_process_and_version(parts, seed):
    assert derive_seed(*parts) == seed


def test_derived_seeds_are_generator_seeds():
    seeds = [derive_seed(part) for part in range(500)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62
    torch.Generator().manual_seed(max(seeds))


def test_no_two_positions_of_runs_with_neighbouring_seeds_share_a_seed():
    positions = [
        (seed, use, epoch, rank)
        for seed in range(10)
        for use in ("order", "epoch", "augment")
        for epoch in range(20)
        for rank in range(4)
    ]
    assert len({derive_seed(*position) for position in positions}) == len(positions)


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, 2), (2, 1)), ((1,), ("1",)), ((1, 23), (12, 3)), (("a", "b"), ("ab",)), ((0,), (0, 0)), ((-1,), (1,))],
)
def test_parts_their_order_their_number_and_their_kind_all_matter(first, second):
    assert derive_seed(*first) != derive_seed(*second)


def _draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("seed", [0, 1, 2**32 + 1, 2**63 - 1, -5])
def test_everything_random_can_be_repeated(seed):
    seed_everything(seed)
    first = _draw()
    assert all(a != b for a, b in zip(first, _draw(), strict=True))
    seed_everything(seed)
    assert _draw() == first


def test_another_seed_gives_other_numbers_everywhere():
    seed_everything(1)
    first = _draw()
    seed_everything(2)
    assert all(a != b for a, b in zip(first, _draw(), strict=True))


def test_a_seed_decides_the_weights_of_a_new_model():
    seed_everything(11)
    first = create_model("lenet5").state_dict()
    seed_everything(11)
    assert all(torch.equal(value, first[name]) for name, value in create_model("lenet5").state_dict().items())


def test_the_generator_of_a_gpu_is_saved_and_put_back_where_there_is_one(monkeypatch):
    """With a module in place of a GPU's; a file from a GPU can also be resumed without one."""
    given = []
    gpu = SimpleNamespace(get_rng_state=lambda: torch.tensor([1, 2], dtype=torch.uint8), set_rng_state=given.append)
    monkeypatch.setattr(torch, "get_device_module", lambda device: gpu)
    saved = generator_states(torch.device("cuda"))
    drawn = torch.rand(3)
    set_generator_states(saved, torch.device("cpu"))
    assert torch.equal(torch.rand(3), drawn)
    assert given == []
    set_generator_states(saved, torch.device("cuda"))
    assert torch.equal(torch.rand(3), drawn)
    assert [state.tolist() for state in given] == [[1, 2]]
    set_generator_states({"cpu": saved["cpu"]}, torch.device("cuda"))
    assert len(given) == 1


def test_the_generators_of_a_device_are_seeded_as_torch_does(monkeypatch):
    torch.manual_seed(5)
    expected, seeds = torch.rand(3), []
    torch.rand(1)
    seed_generators(5, torch.device("cpu"))
    assert torch.equal(torch.rand(3), expected)
    for one in (
        SimpleNamespace(manual_seed_all=seeds.append, manual_seed=None),
        SimpleNamespace(manual_seed=seeds.append),
    ):
        monkeypatch.setattr(torch, "get_device_module", lambda device, one=one: one)
        seed_generators(5, torch.device("cuda"))
    assert seeds == [5, 5]
