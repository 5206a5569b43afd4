"""The recipe of the finder: pages drawn as they are needed, and a trainer whose loss is that of places and boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mnistkit._core.files import user_path
from mnistkit.callbacks import EMA, Checkpoint, CSVLogger
from mnistkit.card import Card
from mnistkit.data import DigitDataset, load_dataset
from mnistkit.finder import Finder
from mnistkit.models import FinderNet
from mnistkit.recipes.detection import LETTER, NOTHING, detection_losses
from mnistkit.seeding import derive_seed, keeping_generators
from mnistkit.synthetic import Mark, Page, PagePainter
from mnistkit.synthetic.canvas import CHARACTERS, IGNORED
from mnistkit.synthetic.fonts import Font, families, held_out
from mnistkit.training import Cosine, OptimizerName, Trainer, Warmup
from mnistkit.training.description import as_json
from mnistkit.types import Batch, JsonValue, PathLike, StepOutput

__all__ = ["DrawnPages", "FinderRecipe", "FinderTrainer"]

# The most characters of a page that are learned.
_MOST = 300
# The least and the greatest height of a digit, in pixels: on crowded pages, and on others.
_CROWDED, _SPARSE = (10.0, 60.0), (14.0, 115.0)
# So many pages have characters so high that they are found in smaller copies of a page only: here, they are nothing.
_HUGE, _HUGE_HEIGHTS, _HUGE_KINDS = 0.04, (230.0, 700.0), ("lines", "string", "single", "display", "form", "prose")
# So many pages are small pictures, shown enlarged by so much; what stands on them; the heights in shares of the side.
_SMALL, _ENLARGED = 0.22, (1.4, 6.0)
_SMALL_KINDS, _SMALL_HEIGHTS = ("string", "string", "string", "single", "lines", "scattered"), (0.15, 0.9)
# So many pages have other tones: the darkest, the lightest, and what is between them.
_FADED, _DARKEST, _LIGHTEST, _CURVE = 0.3, (0, 60), (150, 255), 0.4
# So many pages lie on their side or upside down: they have no digits but those that stay digits, which do not matter.
_TURNED = 0.12
_LASTING = {1: "018", 2: "01689", 3: "018"}
# A page of fewer characters has no direction: all of them may be found or not.
_FEWEST = 4


class DrawnPages(Dataset[tuple[Tensor, Tensor]]):
    """Drawn pages, each made when it is asked for; a number is always the same page.

    Args:
        digits: those that are written by hand, of one split only.
        fonts: those that are printed.
        hands: fonts of handwriting.
        count: how many pages there are.
        seed: other pages for another seed.
        side: of the pages, in pixels; a multiple of 32.

    A page is an image, float ``(1, side, side)``, -1 black to 1 white, and its marks, float ``(300, 5)``, as the losses of
    :class:`~mnistkit.recipes.finder.FinderTrainer` want them.
    """

    def __init__(
        self,
        digits: DigitDataset,
        fonts: Sequence[Font],
        count: int,
        *,
        seed: int,
        side: int = 256,
        hands: Sequence[Font] = (),
    ) -> None:
        self.painter = PagePainter(digits, fonts, hands)
        self.count, self.seed, self.side = count, seed, side

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        if not 0 <= number < self.count:
            raise IndexError(number)
        draw = np.random.default_rng(derive_seed(self.seed, "page", number))
        picture, marks = self._small(draw) if draw.random() < _SMALL else self._large(draw)
        if draw.random() < _FADED:
            picture = faded(picture, draw)
        if draw.random() < _TURNED:
            picture, marks = on_its_side(picture, marks, int(draw.integers(1, 4)))
        rows = np.full((_MOST, 5), NOTHING, np.float32)
        for row, mark in zip(rows, marks, strict=False):
            left, top, right, bottom = mark.box
            row[:] = mark.label, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        image = torch.from_numpy(np.ascontiguousarray(picture))[None].float().div_(127.5).sub_(1)
        return image, torch.from_numpy(rows)

    def _large(self, draw: np.random.Generator) -> tuple[np.ndarray, Sequence[Mark]]:
        if draw.random() < _HUGE:
            kind = str(draw.choice(_HUGE_KINDS))
            return self.painter.draw(draw, (self.side, self.side), heights=_HUGE_HEIGHTS, kind=kind).picture, ()
        heights = _CROWDED if draw.random() < 0.6 else _SPARSE
        page = self.painter.draw(draw, (self.side, self.side), heights=heights)
        return page.picture, _with_letters(page)

    def _small(self, draw: np.random.Generator) -> tuple[np.ndarray, Sequence[Mark]]:
        side = round(self.side / math.exp(draw.uniform(*np.log(_ENLARGED))))
        low, high = (max(9.0, side * share) for share in _SMALL_HEIGHTS)
        page = self.painter.draw(draw, (side, side), heights=(low, high), kind=str(draw.choice(_SMALL_KINDS)))
        return _enlarged(page, self.side)


def _with_letters(page: Page) -> list[Mark]:
    return [*page.marks, *(Mark(LETTER, box) for box in page.others)]


def _enlarged(page: Page, side: int) -> tuple[np.ndarray, list[Mark]]:
    scale = side / page.picture.shape[0]
    marks = [replace(mark, box=tuple(edge * scale for edge in mark.box)) for mark in _with_letters(page)]
    return cv2.resize(page.picture, (side, side), interpolation=cv2.INTER_CUBIC), marks


def faded(picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A page, uint8 ``(H, W)``, as a poor camera or scanner shows it."""
    low, high = draw.uniform(*_DARKEST), draw.uniform(*_LIGHTEST)
    curve = low + (high - low) * np.linspace(0, 1, 256) ** math.exp(draw.normal(0, _CURVE))
    return cv2.LUT(picture, curve.astype(np.uint8))


def on_its_side(picture: np.ndarray, marks: Sequence[Mark], quarters: int) -> tuple[np.ndarray, list[Mark]]:
    """A square page turned counter-clockwise by so many quarters, with what is still to be found there.

    Args:
        picture: uint8 ``(side, side)``.
        marks: of the page as it was.
        quarters: 1 to 3.
    """
    side = picture.shape[0]
    # Letters on their side are none.
    marks = [mark for mark in marks if mark.label != LETTER]
    few = sum(mark.label >= 0 for mark in marks) < _FEWEST
    kept = []
    for mark in marks:
        left, top, right, bottom = mark.box
        for _ in range(quarters):
            left, top, right, bottom = top, side - right, bottom, side - left
        unclear = (
            mark.label < 0 or CHARACTERS[mark.label] not in "0123456789" or CHARACTERS[mark.label] in _LASTING[quarters]
        )
        if few or unclear:
            kept.append(replace(mark, label=IGNORED, box=(left, top, right, bottom)))
    return np.ascontiguousarray(np.rot90(picture, quarters)), kept


class FinderTrainer(Trainer[nn.Module]):
    """Trains a :class:`~mnistkit.models.FinderNet` on pages and their marks, such as :class:`DrawnPages` gives.

    The loss is the sum of three, of which the history tells each: see
    :func:`~mnistkit.recipes.detection.detection_losses`.
    """

    def training_step(self, batch: Batch) -> StepOutput:
        """The losses of a batch."""
        return _summed(self.model, batch)

    def evaluation_step(self, batch: Batch) -> StepOutput:
        """The same, of the averaged weights if there are any."""
        return _summed(self.inference_model, batch)


def _summed(model: nn.Module, batch: Batch) -> StepOutput:
    figures = detection_losses(model(batch.images).float(), batch.labels)
    loss = figures["found"] + figures["told"] + figures["placed"]
    return StepOutput(loss, None, {name: value.detach() for name, value in figures.items()})


def _parted(known: dict[str, list[Font]]) -> tuple[list[Font], list[Font]]:
    """The fonts to train and to validate with."""
    train, validation = (
        [font for name, family in known.items() if held_out(name) == held for font in family] for held in (False, True)
    )
    return train, validation


@dataclass(frozen=True, kw_only=True)
class FinderRecipe:
    """Everything that makes a training run of a finder but the seed.

    ``dataclasses.replace(FinderRecipe(), pages=1600)`` is a shorter one.

    Attributes:
        name: what it is called, in the card of what it trains.
        title: says in a line what it is.
        model: the network.
        dataset: has the digits that are written on the pages; its validation images are on pages to validate on.
        pages: are drawn, and each is seen once in an epoch.
        validation: pages are drawn to validate on, with fonts that are held out.
        epochs: passes over the pages.
        batch_size: pages in a batch.
        optimizer: one of :func:`mnistkit.training.list_optimizers`.
        weight_decay: of it.
        lr: the highest learning rate, from which it falls as a cosine does.
        warmup: steps until it is reached.
        average: of the weights, over so many steps.
    """

    name: str = "finder"
    title: str = "Pages: the network that finds characters for `read`, on 54,400 drawn pages"
    model: str = "finder"
    dataset: str = "mnist"
    pages: int = 54_400
    validation: int = 320
    epochs: float = 1
    batch_size: int = 16
    optimizer: OptimizerName = "adamw"
    weight_decay: float = 0.02
    lr: float = 0.003
    warmup: int = 100
    average: int = 200

    def describe(self) -> dict[str, JsonValue]:
        """Every setting, as JSON can hold it."""
        return {setting.name: as_json(getattr(self, setting.name)) for setting in fields(self)}

    def draw(
        self,
        seed: int = 0,
        *,
        root: PathLike | None = None,
        fonts: dict[str, list[Font]] | None = None,
        hands: dict[str, list[Font]] | None = None,
    ) -> tuple[DrawnPages, DrawnPages]:
        """The pages to train and to validate on. Of fonts, one family in six is for validation.

        Args:
            seed: of the run.
            root: the folder with the data set's files.
            fonts: by family, those that are printed; the installed ones if not given.
            hands: by family, fonts of handwriting; none if not given, and letters are a pen's then.
        """
        train, validation, _ = load_dataset(self.dataset, root=root)
        printed = _parted(families() if fonts is None else fonts)
        written = _parted(hands or {})
        return (
            DrawnPages(train, printed[0], self.pages, seed=derive_seed(seed, "train"), hands=written[0]),
            DrawnPages(validation, printed[1], self.validation, seed=derive_seed(seed, "validation"), hands=written[1]),
        )

    def run(
        self,
        seed: int = 0,
        *,
        folder: PathLike,
        data: tuple[DrawnPages, DrawnPages] | None = None,
        start: Finder | None = None,
        device: str | torch.device = "auto",
        resume: bool = False,
        save_every: int = 100,
        progress: bool = True,
    ) -> Finder:
        """Train a finder.

        Args:
            seed: of everything random.
            folder: keeps the run: the finder (``finder.safetensors``), ``last.safetensors`` to resume from, ``history.csv``.
            data: what :meth:`draw` gave, if something else than that is to be trained on.
            start: a finder with whose weights the training begins.
            device: see :func:`mnistkit.resolve_device`.
            resume: go on with the run in the folder, if there is one.
            save_every: so many steps, as an epoch may be the whole run: no more of them are lost when it is killed.
            progress: whether to show progress on standard error.

        Raises:
            ConfigError: if the folder holds a run and ``resume`` is not said.
            CheckpointError: for a run in the folder that is not this one.

        What :meth:`mnistkit.Trainer.fit` raises, besides.

        >>> import tempfile
        >>> from mnistkit import load_mnist
        >>> pages = DrawnPages(load_mnist().train, (), 8, seed=0, side=64)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     finder = FinderRecipe(batch_size=4).run(folder=folder, data=(pages, pages), progress=False)
        >>> finder.card.recipe["name"], finder.card.data["pages"]
        ('finder', 8)
        """
        pages, judge = self.draw(seed) if data is None else data
        place = user_path(folder)
        checkpoint = Checkpoint(place, monitor=None, every_steps=save_every)
        with keeping_generators(torch.device("cpu")):
            torch.default_generator.manual_seed(seed)
            network = FinderNet().to(memory_format=torch.channels_last)
        if start is not None:
            network.load_state_dict(start.network.state_dict())
        trainer = FinderTrainer(
            network,
            optimizer=self.optimizer,
            optimizer_options={"weight_decay": self.weight_decay},
            lr=Warmup(self.warmup, Cosine(self.lr)),
            clip_norm=10.0,
            batch_size=self.batch_size,
            callbacks=[EMA(1 - 1 / self.average), checkpoint, CSVLogger(place / "history.csv", overwrite=True)],
            device=device,
            seed=seed,
            progress=progress,
        )
        last = checkpoint.last_path if resume and checkpoint.last_path.exists() else None
        trainer.fit(pages, judge, epochs=self.epochs, resume=last)
        figures = trainer.evaluate(judge).metrics
        card = Card(
            data={"name": "drawn pages", "pages": len(pages), "digits": self.dataset},
            recipe=self.describe() | {"seed": seed},
            figures={"validation": {name: round(value, 4) for name, value in figures.items()}},
            seconds=trainer.seconds,
        )
        finder = Finder(trainer.inference_model, card)
        finder.save(place / "finder.safetensors")
        return finder
