"""A small run of a method with a state, and a callback for everything else that has one: the process that tests kill and start
again.

`python train_run.py FOLDER EVERY_STEPS` goes on with the run in FOLDER if there is one; a third number kills the process in the
writing of that many-th file.
"""

import copy
import os
import signal
import stat
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from mnistkit import Augment, Callback, Checkpoint, CSVLogger, EarlyStopping, Trainer, create_model, load_mnist
from mnistkit.callbacks import EMA, KernelRecorder, PeriodicEvaluation
from mnistkit.training import OneCycle
from mnistkit.types import StepOutput


class Announce(Callback):
    def on_fit_start(self, trainer):
        print("begun", flush=True)

    def on_step_end(self, trainer):
        print("step", trainer.state.step, flush=True)


class Remembering(Trainer):
    """Learns from a teacher that follows it and from images that it saw before, and counts what it saw."""

    def on_fit_start(self):
        if self.state.step == 0:
            self.teacher, self.seen = copy.deepcopy(self.model).requires_grad_(False), 0
            self.memory = None

    def training_step(self, batch):
        output = super().training_step(batch)
        taught = F.mse_loss(output.logits, self.teacher(batch.images))
        remembered = 0.0 if self.memory is None else self.loss(self.model(self.memory[0]), self.memory[1])
        kept = torch.rand(len(batch.labels)) < 0.5
        self.memory = batch.images[kept], batch.labels[kept]
        if not kept.any():
            self.memory = None
        self.seen += len(batch.labels)
        return StepOutput(output.loss + 0.1 * taught + 0.1 * remembered, output.logits)

    def on_step_end(self):
        with torch.no_grad():
            for mean, weight in zip(self.teacher.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(weight, 0.1)

    def state_dict(self):
        return {"teacher": self.teacher.state_dict(), "memory": self.memory, "seen": self.seen}

    def load_state_dict(self, state):
        self.teacher = copy.deepcopy(self.model).requires_grad_(False)
        self.teacher.load_state_dict(state["teacher"])
        self.memory, self.seen = state["memory"], state["seen"]


def run(folder, every_steps, *callbacks, resume=None):
    """Five epochs of ten updates."""
    train, validation, _ = load_mnist()
    torch.manual_seed(3)
    trainer = Remembering(
        create_model("convnet", dropout=0.5),
        lr=OneCycle(0.005),
        batch_size=10,
        augment=Augment(rotate=10, scale=0.1, shear=10, shift=2, elastic=1, ink=0.5, erase=0.3),
        accumulate=3,
        clip_norm=1.0,
        callbacks=[
            *callbacks,
            EMA(0.99),
            EarlyStopping(patience=5),
            KernelRecorder("conv.0", every=3),
            PeriodicEvaluation(every=7),
            CSVLogger(folder / "history.csv"),
            Checkpoint(folder, every_steps=every_steps, every_epochs=2, keep=1),
        ],
        progress=False,
    )
    trainer.fit(train.take_per_class(30), validation.take_per_class(5), epochs=5, resume=resume)


def main(folder, every_steps):
    last = Path(folder) / "last.safetensors"
    run(Path(folder), int(every_steps), Announce(), resume=last if last.exists() else None)


def die_in_write(number):
    """Have this process killed when so many files are written but neither flushed nor in place."""
    left = iter(range(number - 1))
    fsync = os.fsync

    def sync_or_die(file):
        # A folder is synced when the file is in its place.
        if not stat.S_ISDIR(os.fstat(file).st_mode) and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(file)

    os.fsync = sync_or_die


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, every_steps, *fatal_write = sys.argv[1:]
    if fatal_write:
        die_in_write(int(fatal_write[0]))
    main(folder, every_steps)
