"""The history as TensorBoard scalars."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mnistkit.errors import MissingExtraError
from mnistkit.training import Callback, Trainer
from mnistkit.types import PathLike

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoardLogger"]


class TensorBoardLogger(Callback):
    """Writes every figure of an epoch as a scalar over the epochs: ``train_loss``, ``val_loss``, ``val_accuracy`` ...

    Args:
        directory: where TensorBoard will look.

    Raises:
        MissingExtraError: when training starts and the package tensorboard is not installed.
    """

    def __init__(self, directory: PathLike) -> None:
        self.directory = Path(directory)
        self._writer: SummaryWriter | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the log; a resumed run overwrites the epochs that it does again."""
        if not trainer.world.is_main:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "tensorboard", "TensorBoardLogger") from error
        state = trainer.state
        self._writer = SummaryWriter(str(self.directory), purge_step=state.epoch + 1 if state.step else None)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the epoch's scalars."""
        if self._writer is not None:
            for name, value in trainer.state.metrics.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, trainer.state.epoch)
            self._writer.flush()

    def on_fit_end(self, trainer: Trainer) -> None:  # noqa: ARG002  (a hook's signature)
        """Close the log."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
