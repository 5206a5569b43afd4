"""One shuffled, normalised pass over the 60,000 training images in batches of 64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset
from torchvision import datasets, transforms

from mnistkit import TensorLoader, load_mnist
from speed.timing import alternate, part, seconds_of


def measure(cache: Path, runs: int) -> dict[str, Any]:
    """Ours, torchvision's usual way, a TensorDataset, and the least that any way must do."""
    data = load_mnist(validation=0).train
    ready = data.preprocessing.normalize(data.images)
    usual = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    from_files = DataLoader(datasets.MNIST(cache / "data", transform=usual), batch_size=64, shuffle=True)
    from_tensors = DataLoader(TensorDataset(ready, data.labels), batch_size=64, shuffle=True)
    ours = TensorLoader(data, 64, shuffle=True)

    def gather() -> None:
        for chosen in torch.split(torch.randperm(len(ready)), 64):
            _ = ready[chosen], data.labels[chosen]

    def read(loader: object) -> None:
        for _ in loader:  # type: ignore[attr-defined]  # every loader is iterable
            pass

    quick = alternate(
        {
            "gather of float images": seconds_of(gather),
            "TensorLoader": seconds_of(lambda: read(ours)),
            "DataLoader, TensorDataset": seconds_of(lambda: read(from_tensors)),
        },
        max(9, runs),
    )
    slow = alternate({"DataLoader, ToTensor, Normalize": seconds_of(lambda: read(from_files))}, max(2, runs // 2))
    # The slow one is too slow to take turns; its ratio is that of the medians.
    return part(
        "One shuffled, normalised pass over 60,000 images, batches of 64",
        "s",
        quick | slow,
        "TensorLoader",
        "90 x faster than DataLoader + ToTensor + Normalize; at most 2 x a gather of floats",
    )
