import dataclasses

import pytest
import torch
from torch.utils.data import DataLoader

from mnistkit.data import TensorLoader
from mnistkit.types import Batch, StepOutput


def test_a_batch_unpacks_into_images_and_labels():
    images, labels = Batch(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64))
    assert (images.shape, labels.shape) == ((2, 1, 28, 28), (2,))


def test_a_step_output_is_frozen_and_takes_no_misspelt_field():
    output = StepOutput(torch.tensor(1.0))
    assert output.logits is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        output.loss = torch.tensor(2.0)
    with pytest.raises(TypeError, match="metric"):
        StepOutput(torch.tensor(1.0), metric={})
    assert not hasattr(output, "__dict__")


def test_two_step_outputs_do_not_share_their_metrics():
    first, second = StepOutput(torch.tensor(1.0)), StepOutput(torch.tensor(1.0))
    first.metrics["a"] = torch.tensor(1.0)
    assert second.metrics == {}


@pytest.mark.parametrize("make", [lambda data: DataLoader(data, 64), lambda data: TensorLoader(data, 64)])
def test_torchs_loader_and_our_own_are_loaders(make, small):
    loader = make(small.train)
    batches = list(loader)
    assert len(loader) == len(batches) == 5
    assert sum(len(labels) for _, labels in batches) == 300
    assert all(images.dtype == torch.float32 and labels.dtype == torch.int64 for images, labels in batches)
