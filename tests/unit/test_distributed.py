import dataclasses

import pytest
import torch
import torch.distributed as dist
from torch import nn

from mnistkit.distributed import World


@pytest.fixture(autouse=True)
def _no_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("size", [None, "1"])
def test_one_process_is_a_world_of_one_that_joins_no_group(size, monkeypatch):
    if size is not None:
        monkeypatch.setenv("WORLD_SIZE", size)
    assert World.current() == World.current(torch.device("cpu")) == World(0, 1)
    assert not dist.is_initialized()


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
