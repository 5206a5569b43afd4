"""The recipe of the finder, and a trainer whose loss is that of places and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mnistkit.finder import Finder
from mnistkit.page_network import PageNetwork
from mnistkit.recipes.detection import detection_losses
from mnistkit.recipes.drawing import DrawingRecipe, DrawingTrainer
from mnistkit.recipes.drawn_pages import DrawnPages

__all__ = ["FinderRecipe", "FinderTrainer"]


class FinderTrainer(DrawingTrainer):
    """Trains a :class:`~mnistkit.models.FinderNet` on pages and their marks, such as :class:`~mnistkit.recipes.DrawnPages` gives.

    The loss is the sum of three, of which the history tells each: see
    :func:`~mnistkit.recipes.detection.detection_losses`.
    """

    def parts(self, maps: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and the figures of which it is made."""
        figures = detection_losses(maps, wanted)
        return figures["found"] + figures["told"] + figures["placed"], figures


@dataclass(frozen=True, kw_only=True)
class FinderRecipe(DrawingRecipe[DrawnPages, Finder]):
    """Everything that makes a training run of a finder but the seed.

    ``dataclasses.replace(FinderRecipe(), pages=1600)`` is a shorter one.

    >>> import tempfile
    >>> from mnistkit import load_mnist
    >>> pages = DrawnPages(load_mnist().train, (), 8, seed=0, side=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     finder = FinderRecipe(batch_size=4).run(folder=folder, data=(pages, pages), progress=False)
    >>> finder.card.recipe["name"], finder.card.data["pages"]
    ('finder', 8)
    """

    name: str = "finder"
    title: str = "Pages: the network that finds characters for `read`, on 54,400 drawn pages"
    model: str = "finder"
    pages: int = 54_400
    validation: int = 320
    batch_size: int = 16
    warmup: int = 100
    average: int = 200

    draws: ClassVar[type] = DrawnPages
    trains: ClassVar[type[PageNetwork]] = Finder
    trainer_class: ClassVar[type[DrawingTrainer]] = FinderTrainer
