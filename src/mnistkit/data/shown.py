"""A data set as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mnistkit._core import html

if TYPE_CHECKING:
    from mnistkit.data.datasets import DigitDataset

__all__ = ["as_panel"]

# Classes of which a notebook sees an image.
_SHOWN = 12


def as_panel(dataset: DigitDataset) -> str:
    """What it is and where it comes from, and an image of each class with how many there are, as HTML."""
    images, labels, classes = dataset.images, dataset.labels, dataset.classes
    counts = np.bincount(labels.numpy(force=True), minlength=len(classes)).tolist()
    present = [label for label, count in enumerate(counts) if count][:_SHOWN]
    pictures = (
        html.picture(
            images[int((labels == label).nonzero()[0])].permute(1, 2, 0).numpy(force=True),
            f"an image of {classes[label]}",
            side=48,
            caption=f"{classes[label]:.12}: {counts[label]:,}",
        )
        for label in present
    )
    return html.panel(repr(dataset), html.facts({"source": dataset.source}), html.row(*pictures))
