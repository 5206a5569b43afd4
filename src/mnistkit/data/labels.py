"""What is done with labels alone: numbering them as other classes are, and drawing some images of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from mnistkit.errors import DataError
from mnistkit.seeding import derive_seed

__all__ = ["draw", "renumber", "stratified_counts"]


def renumber(labels: Tensor, names: Sequence[str], wanted: Sequence[str], *, of: object) -> Tensor:
    """Labels numbered as in ``wanted``, by name.

    Args:
        labels: int64 ``(N,)``, positions in ``names``.
        names: of the classes.
        wanted: the same or other names, in another order.
        of: what the labels belong to, for the message.

    Raises:
        DataError: if a class that occurs is not among the wanted ones, or one of these comes twice.
    """
    if len(set(wanted)) < len(wanted):
        raise DataError(f"got classes {', '.join(wanted)}, of which one comes twice")
    present = {names[label] for label in torch.unique(labels).tolist()}
    if lacking := sorted(present - set(wanted)):
        raise DataError(
            f"{of!r} has images of {', '.join(map(repr, lacking[:10]))}, which {'is' if len(lacking) == 1 else 'are'} not among "
            f"the classes {', '.join(map(repr, wanted[:20]))}; name them (folders too) as these are named"
        )
    numbers = [wanted.index(name) if name in wanted else -1 for name in names]
    return torch.tensor(numbers, dtype=torch.int64, device=labels.device)[labels]


def stratified_counts(labels: Tensor, classes: int, count: int) -> dict[int, int]:
    """How many of each label are in ``count`` images in which every class has its share."""
    present = torch.bincount(labels, minlength=classes).numpy(force=True)
    shares = present * (count / max(len(labels), 1))
    counts = np.floor(shares).astype(int)
    # The images that rounding down left over go to the classes that lost most by it.
    counts[np.argsort(counts - shares, kind="stable")[: count - counts.sum()]] += 1
    return dict(enumerate(counts.tolist()))


def draw(labels: Tensor, counts: Mapping[int, int], names: Sequence[str], seed: int) -> Tensor:
    """Sorted positions of so many random images of each label, int64.

    Raises:
        DataError: if a class has fewer.
    """
    drawn = [torch.empty(0, dtype=torch.int64)]
    for label, count in counts.items():
        positions = torch.nonzero(labels == label).flatten()
        if count > len(positions):
            raise DataError(f"class {names[label]!r} has {len(positions)} images, {count} were asked for")
        generator = torch.Generator().manual_seed(derive_seed(seed, "draw", label))
        drawn.append(positions[torch.randperm(len(positions), generator=generator)[:count]])
    return torch.cat(drawn).sort().values
