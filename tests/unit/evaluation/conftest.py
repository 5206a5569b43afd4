import numpy as np
import pytest
import torch
from torch import nn

from mnistkit import DigitDataset, Trainer, create_model, evaluate, seed_everything


@pytest.fixture(scope="session")
def model(mnist):
    """A softmax regression that is right most of the time, and wrong in every way."""
    seed_everything(0)
    model = create_model("softmax_regression")
    Trainer(model, lr=0.01, progress=False).fit(mnist.train[:2000], epochs=2)
    return model


@pytest.fixture(scope="session")
def report(model, mnist):
    """What it is worth on 1,000 test images."""
    return evaluate(model, mnist.test[:1000])


class Lookup(nn.Module):
    """Answers with logits that were fixed beforehand: the first pixel's value is the row."""

    def __init__(self, logits):
        super().__init__()
        self.register_buffer("logits", torch.as_tensor(logits, dtype=torch.float32))

    def forward(self, images):
        return self.logits[images[:, 0, 0, 0].mul(255).round().long()]


@pytest.fixture
def answering():
    """Makes a model and a data set in which image i, of label labels[i], gets the logits of row i."""

    def answering(labels, logits, classes=None):
        logits = torch.as_tensor(logits, dtype=torch.float32)
        images = np.zeros((len(labels), 1, 2, 2), np.uint8)
        images[:, 0, 0, 0] = np.arange(len(labels))
        # Bytes of 0 and 1 alone would be read as black and white.
        images[:, 0, 1, 1] = 255
        names = classes or [str(label) for label in range(logits.shape[1])]
        dataset = DigitDataset.from_arrays(
            images, labels, classes=names, split="test", name="made", framing="resize", mean_std=((0.0,), (1.0,))
        )
        return Lookup(logits), dataset

    return answering
