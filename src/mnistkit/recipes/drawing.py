"""What the recipes of the networks that look at pages share: pages are drawn, and a run of them leaves a file."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, fields
from typing import ClassVar, Generic, Literal, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mnistkit._core.files import user_path
from mnistkit.callbacks import EMA, Checkpoint, CSVLogger
from mnistkit.card import Card
from mnistkit.data import DigitDataset, load_dataset
from mnistkit.page_network import PageNetwork
from mnistkit.precision import PrecisionName
from mnistkit.seeding import derive_seed, keeping_generators
from mnistkit.synthetic.fonts import Font, families, held_out
from mnistkit.training import Cosine, OptimizerName, Trainer, Warmup
from mnistkit.training.description import as_json
from mnistkit.types import Batch, JsonValue, PathLike, StepOutput

__all__ = ["DrawingRecipe", "DrawingTrainer"]

Drawn = TypeVar("Drawn", bound=Dataset[tuple[Tensor, Tensor]])
Network = TypeVar("Network", bound=PageNetwork)


def _parted(known: dict[str, list[Font]]) -> tuple[list[Font], list[Font]]:
    """The fonts to train and to validate with."""
    train, validation = (
        [font for name, family in known.items() if held_out(name) == held for font in family] for held in (False, True)
    )
    return train, validation


class DrawingTrainer(Trainer[nn.Module]):
    """Trains a network that looks at pages; a subclass says how far its maps are from what stands there."""

    def parts(self, maps: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and the figures of which it is made."""
        raise NotImplementedError

    def training_step(self, batch: Batch) -> StepOutput:
        """The losses of a batch."""
        return self._summed(self.model, batch)

    def evaluation_step(self, batch: Batch) -> StepOutput:
        """The same, of the averaged weights if there are any."""
        return self._summed(self.inference_model, batch)

    def _summed(self, model: nn.Module, batch: Batch) -> StepOutput:
        loss, figures = self.parts(model(batch.images).float(), batch.labels)
        return StepOutput(loss, None, {name: value.detach() for name, value in figures.items()})


@dataclass(frozen=True, kw_only=True)
class DrawingRecipe(Generic[Drawn, Network]):
    """Everything that makes a training run of a network that looks at drawn pages, but the seed.

    Attributes:
        name: what it is called, in the card of what it trains.
        title: says in a line what it is.
        model: the network.
        dataset: has the digits that are written on the pages; its validation images are on pages to validate on.
        pages: are drawn, or strips of them, and each is seen once in an epoch.
        validation: pages are drawn to validate on, with fonts that are held out.
        epochs: passes over the pages.
        batch_size: pages in a batch.
        optimizer: one of :func:`mnistkit.training.list_optimizers`.
        weight_decay: of it.
        lr: the highest learning rate, from which it falls as a cosine does.
        warmup: steps until it is reached.
        average: of the weights, over so many steps.
        precision: of the arithmetic, see :class:`mnistkit.Trainer`.
    """

    name: str
    title: str
    model: str
    dataset: str = "mnist"
    pages: int
    validation: int
    epochs: float = 1
    batch_size: int
    optimizer: OptimizerName = "adamw"
    weight_decay: float = 0.02
    lr: float = 0.003
    warmup: int
    average: int
    precision: PrecisionName | Literal["auto"] = "fp32"

    #: What draws, what is trained, and what trains it.
    draws: ClassVar[type]
    trains: ClassVar[type[PageNetwork]]
    trainer_class: ClassVar[type[DrawingTrainer]]

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
    ) -> tuple[Drawn, Drawn]:
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

        def drawn(digits: DigitDataset, part: int, count: int, name: str) -> Drawn:
            pages = self.draws(digits, printed[part], count, seed=derive_seed(seed, name), hands=written[part])
            return cast("Drawn", pages)

        return drawn(train, 0, self.pages, "train"), drawn(validation, 1, self.validation, "validation")

    def run(
        self,
        seed: int = 0,
        *,
        folder: PathLike,
        data: tuple[Drawn, Drawn] | None = None,
        start: Network | None = None,
        device: str | torch.device = "auto",
        resume: bool = False,
        save_every: int = 100,
        progress: bool = True,
    ) -> Network:
        """Train a network.

        Args:
            seed: of everything random.
            folder: keeps the run: the network (such as ``finder.safetensors``), ``last.safetensors`` to resume from,
                ``history.csv``.
            data: what :meth:`draw` gave, if something else than that is to be trained on.
            start: one with whose weights the training begins.
            device: see :func:`mnistkit.resolve_device`.
            resume: go on with the run in the folder, if there is one.
            save_every: so many steps, as an epoch may be the whole run: no more of them are lost when it is killed.
            progress: whether to show progress on standard error.

        Raises:
            ConfigError: if the folder holds a run and ``resume`` is not said.
            CheckpointError: for a run in the folder that is not this one.

        What :meth:`mnistkit.Trainer.fit` raises, besides.
        """
        pages, judge = self.draw(seed) if data is None else data
        place = user_path(folder)
        checkpoint = Checkpoint(place, monitor=None, every_steps=save_every)
        with keeping_generators(torch.device("cpu")):
            torch.default_generator.manual_seed(seed)
            network = self.trains.untrained()
        if start is not None:
            network.load_state_dict(start.network.state_dict())
        trainer = self.trainer_class(
            network,
            optimizer=self.optimizer,
            optimizer_options={"weight_decay": self.weight_decay},
            lr=Warmup(self.warmup, Cosine(self.lr)),
            clip_norm=10.0,
            batch_size=self.batch_size,
            precision=self.precision,
            callbacks=[EMA(1 - 1 / self.average), checkpoint, CSVLogger(place / "history.csv", overwrite=True)],
            device=device,
            seed=seed,
            progress=progress,
        )
        last = checkpoint.last_path if resume and checkpoint.last_path.exists() else None
        trainer.fit(pages, judge, epochs=self.epochs, resume=last)
        figures = trainer.evaluate(judge).metrics
        card = Card(
            data={"name": "drawn pages", "pages": len(cast("Sized", pages)), "digits": self.dataset},
            recipe=self.describe() | {"seed": seed},
            figures={"validation": {name: round(value, 4) for name, value in figures.items()}},
            seconds=trainer.seconds,
        )
        trained = cast("Network", self.trains(trainer.inference_model, card))
        trained.save(place / f"{self.trains.shipped}.safetensors")
        return trained
