"""What torchrun starts: a run that waits for a signal in step STEP, or, if that is 0, ends, and one beside it that had none."""

import os
import sys
import time
from pathlib import Path

import torch

from mnistkit import Callback, Checkpoint, Trainer, create_model, load_mnist


class AwaitSignal(Callback):
    """Does not go on until the signal was sent, so that it comes in this step, and notes what it was raised as."""

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        self.step = step

    def on_gradients(self, trainer: Trainer) -> None:
        """Wait, and tell who waits."""
        if self.step and trainer.state.step == self.step:
            self.leave(trainer, "waits", str(os.getpid()))
            while not (self.folder / f"{self.step}.sent").exists():
                time.sleep(0.01)

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """Note what it was."""
        self.leave(trainer, "raised", repr(error))

    def leave(self, trainer: Trainer, name: str, text: str) -> None:
        """A file with this text, which is never there without it."""
        file = self.folder / f"{self.step}.{trainer.world.rank}.{name}"
        file.with_suffix(".part").write_text(text)
        file.with_suffix(".part").rename(file)


def run(folder: Path, name: str, step: int) -> None:
    """Train, from where the last one ended."""
    torch.manual_seed(0)
    saving = Checkpoint(folder / name, monitor=None)
    trainer = Trainer(
        create_model("lenet1"),
        batch_size=16,
        callbacks=[AwaitSignal(folder, step), saving],
        device="cpu",
        progress=False,
    )
    trainer.fit(load_mnist().train[:200], epochs=2, resume=saving.last_path if saving.last_path.exists() else None)


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, step = Path(sys.argv[1]), int(sys.argv[2])
    run(folder, "interrupted", step)
    if not step:
        run(folder, "straight", step)
