"""A small run with a callback for everything that has a state: the process that tests kill and start again.

`python train_run.py FOLDER EVERY_STEPS` goes on with the run in FOLDER if there is one. It prints a line when it has
begun and one after each step, then "finished".
"""

import sys
from pathlib import Path

import torch

from mnistkit import Augment, Callback, Checkpoint, CSVLogger, EarlyStopping, Trainer, create_model, load_mnist
from mnistkit.callbacks import EMA, KernelRecorder, PeriodicEvaluation
from mnistkit.training import OneCycle


class Announce(Callback):
    def on_fit_start(self, trainer):
        print("begun", flush=True)

    def on_step_end(self, trainer):
        print(trainer.state.step, flush=True)


def run(folder, every_steps, *callbacks, resume=None):
    """Six epochs of ten updates."""
    train, validation, _ = load_mnist()
    torch.manual_seed(3)
    trainer = Trainer(
        create_model("convnet", dropout=0.5),
        lr=OneCycle(0.005),
        batch_size=10,
        augment=Augment(rotate=10, scale=0.1, shear=10, shift=2, elastic=1, ink=0.5, erase=0.3),
        accumulate=3,
        clip_norm=1.0,
        callbacks=[
            *callbacks,
            EMA(0.99),
            EarlyStopping(patience=4),
            KernelRecorder("conv.0", every=3),
            PeriodicEvaluation(every=7),
            CSVLogger(folder / "history.csv"),
            Checkpoint(folder, every_steps=every_steps, every_epochs=2, keep=2),
        ],
        progress=False,
    )
    trainer.fit(train.take_per_class(30), validation.take_per_class(5), epochs=6, resume=resume)
    return trainer


def main():
    torch.set_num_threads(1)
    folder, every_steps = Path(sys.argv[1]), int(sys.argv[2])
    last = folder / "last.safetensors"
    run(folder, every_steps, Announce(), resume=last if last.exists() else None)
    print("finished", flush=True)


if __name__ == "__main__":
    main()
