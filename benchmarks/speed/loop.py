"""What the Trainer adds, with progress, checkpoint and CSV, to a bare loop of the same arithmetic: lenet5, batch 64."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from mnistkit import Checkpoint, CSVLogger, Trainer, create_model, load_mnist
from mnistkit.callbacks import ProgressBar
from speed.timing import alternate, part, seconds_of


def measure(cache: Path, runs: int) -> dict[str, Any]:  # noqa: ARG001  (all parts are called alike)
    """An epoch each: the loop as anybody would write it with resident tensors, and ours with everything on."""
    data = load_mnist(validation=0).train

    def bare() -> None:
        torch.manual_seed(0)
        model = create_model("lenet5").train()
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        for chosen in torch.split(torch.randperm(len(data)), 64):
            images = data.images[chosen].float().mul_(1 / (255 * 0.3081)).add_(-0.1307 / 0.3081)
            optimizer.zero_grad()
            F.cross_entropy(model(images), data.labels[chosen]).backward()  # type: ignore[no-untyped-call]  # torch
            optimizer.step()

    def trainer() -> None:
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [
                ProgressBar(bar=True, file=io.StringIO()),
                Checkpoint(folder, monitor="train_loss"),
                CSVLogger(f"{folder}/history.csv"),
            ]
            Trainer(create_model("lenet5"), callbacks=callbacks, batch_size=64).fit(data, epochs=1)

    return part(
        "An epoch of lenet5, batch 64, in this process",
        "s",
        alternate({"bare loop": seconds_of(bare), "Trainer, all on": seconds_of(trainer)}, runs),
        "bare loop",
        "at most 1.03 x the bare loop",
    )
