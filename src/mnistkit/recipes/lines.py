"""The recipe of the reader of lines, its loss, and a trainer of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit.imaging import STRIP_COLUMN
from mnistkit.line_reader import LineReader
from mnistkit.page_network import PageNetwork
from mnistkit.precision import PrecisionName
from mnistkit.recipes.drawing import DrawingRecipe, DrawingTrainer
from mnistkit.recipes.drawn_lines import NOTHING, PADDING, DrawnLines

__all__ = ["LineRecipe", "LineTrainer", "line_losses"]

# What the columns at the middles of the characters count beside the whole line.
_MIDDLES = 0.5


class LineTrainer(DrawingTrainer):
    """Trains a :class:`~mnistkit.models.LineNet` on strips, such as :class:`~mnistkit.recipes.DrawnLines` gives."""

    def parts(self, maps: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and the figures of which it is made."""
        figures = line_losses(maps, wanted)
        return figures["read"] + _MIDDLES * figures["placed"], figures


def line_losses(logits: Tensor, characters: Tensor) -> dict[str, Tensor]:
    """How far columns are from what stands in the strips.

    Args:
        logits: of a :class:`~mnistkit.models.LineNet`, ``(N, 16, W)``.
        characters: of the strips, float ``(N, M, 2)``: a label, or -1 for none; the middle, in pixels.

    Returns:
        ``read``, the negative log-probability of a strip's characters in their order for each of them (Graves et al. 2006,
        equation 12); ``placed``, the cross-entropy of the columns at their middles; and ``whole``, the share of the strips of
        which all is right.
    """
    labels = characters[..., 0].long()
    there = labels != PADDING
    counts = there.sum(1)
    told = logits.log_softmax(1)
    columns = told.shape[2]
    lengths = torch.full((len(told),), columns, device=told.device)
    read = F.ctc_loss(
        told.permute(2, 0, 1), labels.clamp(min=0), lengths, counts, blank=NOTHING, reduction="sum", zero_infinity=True
    ) / counts.sum().clamp(min=1)
    column = (characters[..., 1] / STRIP_COLUMN).long().clamp(0, columns - 1)
    strip = torch.arange(len(told), device=told.device)[:, None].expand_as(column)
    placed = F.nll_loss(told[strip[there], :, column[there]], labels[there]) if there.any() else told.sum() * 0
    return {"read": read, "placed": placed, "whole": _whole(told, labels)}


def _whole(told: Tensor, labels: Tensor) -> Tensor:
    """The share of the strips whose likeliest columns, joined, are their characters."""
    # Row by row, a GPU would be waited for each time.
    best, labels = told.argmax(1).cpu(), labels.cpu()
    new = (best != NOTHING) & (best != F.pad(best, (1, 0), value=NOTHING)[:, :-1])
    right = [
        bool(torch.equal(row[kept], wanted[wanted != PADDING]))
        for row, kept, wanted in zip(best, new, labels, strict=True)
    ]
    return told.new_tensor(right).mean()


@dataclass(frozen=True, kw_only=True)
class LineRecipe(DrawingRecipe[DrawnLines, LineReader]):
    """Everything that makes a training run of a reader of lines but the seed.

    >>> import tempfile
    >>> from mnistkit import load_mnist
    >>> strips = DrawnLines(load_mnist().train, (), 8, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reader = LineRecipe(batch_size=4).run(folder=folder, data=(strips, strips), progress=False)
    >>> reader.card.recipe["name"], reader.card.data["pages"]
    ('lines', 8)
    """

    name: str = "lines"
    title: str = "Pages: the network that reads lines whole for `read`, on 1,000,000 strips of drawn pages"
    model: str = "lines"
    pages: int = 1_000_000
    validation: int = 2_048
    batch_size: int = 64
    warmup: int = 200
    average: int = 500
    precision: PrecisionName | Literal["auto"] = "auto"

    draws: ClassVar[type] = DrawnLines
    trains: ClassVar[type[PageNetwork]] = LineReader
    trainer_class: ClassVar[type[DrawingTrainer]] = LineTrainer
