import dataclasses

import pytest
import torch
import torch.distributed as dist
from torch import nn

from mnistkit.distributed import World
from mnistkit.errors import ConfigError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("size", [None, "1"])
def test_one_process_is_a_world_of_one_that_joins_no_group(size, monkeypatch):
    if size is not None:
        monkeypatch.setenv("WORLD_SIZE", size)
    assert World.current() == World(0, 1)
    assert not dist.is_initialized()


def test_one_process_joins_no_group_and_leaves_none():
    with World.joined(CPU) as world:
        assert world == World(0, 1)
        assert not dist.is_initialized()


def test_how_many_there_are_is_known_without_joining(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("RANK", "2")
    assert World.current() == World(2, 3)
    assert not dist.is_initialized()


def test_an_environment_with_half_of_what_torchrun_sets_is_told(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="WORLD_SIZE=2 and no RANK: start the program with torchrun"):
        World.current()


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_timeout_is_a_positive_number_of_seconds(timeout):
    with pytest.raises(ConfigError, match="expected a positive number of seconds"), World.joined(CPU, timeout):
        pass


def test_a_group_of_the_programs_own_is_used_and_left_as_it_is(tmp_path):
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        with World.joined(CPU) as world:
            assert world == World.current() == World(0, 1)
        assert dist.is_initialized()
    finally:
        dist.destroy_process_group()


def test_the_first_rank_alone_writes():
    assert [World(rank, 3).is_main for rank in range(3)] == [True, False, False]
    assert World().is_main


def test_a_world_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        World().size = 2


def test_in_a_world_of_one_every_exchange_gives_back_what_it_got():
    world, tensor = World(), torch.tensor([1.0, 2.0])
    assert world.sum(tensor) is tensor
    assert torch.equal(tensor, torch.tensor([1.0, 2.0]))
    assert world.min(7) == 7
    assert [world.any(True), world.any(False)] == [True, False]
    assert world.union(["b", "a", "b"]) == ["a", "b"]
    assert world.union({}) == []
    world.broadcast([tensor])
    world.barrier()
    assert torch.equal(tensor, torch.tensor([1.0, 2.0]))


def test_in_a_world_of_one_gradients_are_left_alone_also_where_there_are_none():
    model = nn.Linear(2, 2)
    model.weight.grad = torch.ones(2, 2)
    World().average_gradients(model.parameters())
    assert torch.equal(model.weight.grad, torch.ones(2, 2))
    assert model.bias.grad is None
