"""The recipe of the finder, and a trainer whose loss is that of places and boxes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import nn

from mnistkit._core.files import user_path
from mnistkit.callbacks import EMA, Checkpoint, CSVLogger
from mnistkit.card import Card
from mnistkit.data import load_dataset
from mnistkit.finder import Finder
from mnistkit.models import FinderNet
from mnistkit.recipes.detection import detection_losses
from mnistkit.recipes.drawn_pages import DrawnPages
from mnistkit.seeding import derive_seed, keeping_generators
from mnistkit.synthetic.fonts import Font, families, held_out
from mnistkit.training import Cosine, OptimizerName, Trainer, Warmup
from mnistkit.training.description import as_json
from mnistkit.types import Batch, JsonValue, PathLike, StepOutput

__all__ = ["FinderRecipe", "FinderTrainer"]


class FinderTrainer(Trainer[nn.Module]):
    """Trains a :class:`~mnistkit.models.FinderNet` on pages and their marks, such as :class:`~mnistkit.recipes.DrawnPages` gives.

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
