"""The history as TensorBoard scalars."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from typing import TYPE_CHECKING, BinaryIO

from mnistkit._core.files import make_folder, telling, user_path
from mnistkit.errors import MissingExtraError
from mnistkit.training import Callback, Trainer
from mnistkit.types import PathLike

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

__all__ = ["TensorBoardLogger"]


class TensorBoardLogger(Callback):
    """Writes every figure of an epoch as a scalar over the epochs: ``train_loss``, ``val_loss``, ``val_accuracy`` ...

    Args:
        directory: where TensorBoard will look.

    Raises:
        MissingExtraError: when training starts and the package tensorboard is not installed.
        WriteError: when training starts, if the log cannot be written, and later if a write fails.
    """

    def __init__(self, directory: PathLike) -> None:
        self.directory = user_path(directory)
        self._file: BinaryIO | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the log; a resumed run overwrites the epochs that it does again."""
        if not trainer.world.is_main:
            return
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        except ImportError as error:
            raise MissingExtraError("tensorboard", "tensorboard", "TensorBoardLogger") from error
        state = trainer.state
        # TensorBoard reads files in the order of their names, which begin with the second in which they were made.
        name = f"events.out.tfevents.{time.time():010.0f}.{secrets.token_hex(8)}"
        with telling(self.directory):
            self._file = (make_folder(self.directory) / name).open("xb")
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if state.step:
            self._write(Event(step=state.epoch + 1, session_log=SessionLog(status=SessionLog.START)))

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the epoch's scalars."""
        if self._file is not None:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary

            figures = {name: value for name, value in trainer.state.metrics.items() if name != "epoch"}
            scalars = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
            self._write(Event(wall_time=time.time(), step=trainer.state.epoch, summary=Summary(value=scalars)))

    def on_fit_end(self, trainer: Trainer) -> None:  # noqa: ARG002  (a hook's signature)
        """Close the log."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, event: Event) -> None:
        """Write at once, and here: the writer of tensorboard itself does it in a thread, where errors go astray."""
        from tensorboard.summary.writer.record_writer import RecordWriter

        if self._file is None:
            return
        try:
            with telling(self.directory):
                RecordWriter(self._file).write(event.SerializeToString())
                self._file.flush()
                if not os.fstat(self._file.fileno()).st_nlink:
                    raise FileNotFoundError(errno.ENOENT, "the log there was deleted")
        except BaseException:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # it would try once more to write
                file.close()
            raise
