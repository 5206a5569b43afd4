"""A model that has learnt a little, and what was recorded of it."""

from types import SimpleNamespace

import pytest
import torch

from mnistkit import Trainer, seed_everything
from mnistkit.callbacks import KernelRecorder
from mnistkit.models import convnet


@pytest.fixture(scope="session")
def run(small):
    seed_everything(0)
    recorder = KernelRecorder("conv.0", every=5)
    trainer = Trainer(convnet(), lr=0.002, batch_size=20, callbacks=[recorder], device="cpu", progress=False)
    history = trainer.fit(small.train, small.validation, epochs=2)
    images = small.test.preprocessing.normalize(small.test.images)
    with torch.no_grad():
        logits = trainer.model(images)
    return SimpleNamespace(
        model=trainer.model, history=history, recorder=recorder, images=images, logits=logits, test=small.test
    )
