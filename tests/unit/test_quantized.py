"""Weights that are written as bytes."""

import numpy as np
import pytest
import safetensors.torch
import torch

from mnistkit.checkpoint import CheckpointFile, read_checkpoint, write_checkpoint
from mnistkit.errors import CheckpointFormatError
from mnistkit.finder import Finder


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {
        "layer.weight": torch.randn(6, 4, 3, 3) * torch.logspace(-3, 2, 6)[:, None, None, None],
        "layer.bias": torch.randn(6),
        "empty.weight": torch.zeros(2, 3),
        "count": torch.tensor(7),
    }


def test_each_weight_is_within_half_a_step_of_what_it_was(weights, tmp_path):
    write_checkpoint(tmp_path / "bytes.safetensors", CheckpointFile(weights), quantized=0)
    again = read_checkpoint(tmp_path / "bytes.safetensors").weights
    assert again.keys() == weights.keys()
    layer = weights["layer.weight"]
    step = layer.abs().flatten(1).amax(1)[:, None, None, None] / 127
    assert ((again["layer.weight"].float() - layer).abs() <= 0.5 * step + 1e-3 * layer.abs()).all()
    assert again["layer.bias"] == pytest.approx(weights["layer.bias"], rel=1e-3)
    assert not again["empty.weight"].any()
    assert again["count"] == 7


def test_small_layers_may_keep_16_bits(weights, tmp_path):
    write_checkpoint(tmp_path / "some.safetensors", CheckpointFile(weights), quantized=100)
    stored = safetensors.torch.load_file(tmp_path / "some.safetensors")
    assert stored["model/layer.weight"].dtype == torch.int8
    assert stored["model/empty.weight"].dtype == torch.float16
    assert "steps/empty.weight" not in stored


def test_bytes_take_half_the_room_of_16_bits(tmp_path):
    weights = {"weight": torch.randn(64, 64, 3, 3)}
    for name, settings in {"half": {"half": True}, "bytes": {"quantized": 0}}.items():
        write_checkpoint(tmp_path / name, CheckpointFile(weights), **settings)
    assert (tmp_path / "bytes").stat().st_size < 0.55 * (tmp_path / "half").stat().st_size


@pytest.mark.parametrize("fault", ["no weights", "another number", "no bytes"])
def test_steps_that_do_not_fit_are_damage(fault, weights, tmp_path):
    path = tmp_path / "bytes.safetensors"
    write_checkpoint(path, CheckpointFile(weights), quantized=0)
    tensors = safetensors.torch.load(path.read_bytes())
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    if fault == "no weights":
        del tensors["model/layer.weight"]
    elif fault == "another number":
        tensors["steps/layer.weight"] = torch.ones(5)
    else:
        tensors["model/layer.weight"] = tensors["model/layer.weight"].float()
    safetensors.torch.save_file(tensors, path, metadata)
    with pytest.raises(CheckpointFormatError, match=r"layer\.weight|checksum|damaged"):
        read_checkpoint(path)


def test_a_network_of_bytes_sees_what_it_saw(tmp_path):
    finder = Finder.pretrained()
    finder.save(tmp_path / "finder.safetensors", quantized=0)
    again = Finder.load(tmp_path / "finder.safetensors")
    pages = np.random.default_rng(0).integers(0, 256, (1, 64, 96), np.uint8)
    assert again.maps(pages) == pytest.approx(finder.maps(pages), abs=0.3)
