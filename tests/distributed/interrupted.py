"""A run of two processes that is interrupted twice, and goes on each time: `interrupted.py FOLDER`."""

import sys
import time
from pathlib import Path

import torch
from torch import nn

from mnistkit import Callback, Checkpoint, Trainer, load_mnist


class AwaitSignal(Callback):
    """Does not go on until the signal was sent, so that it comes in this step."""

    def __init__(self, folder, step):
        self.folder = folder
        self.step = step

    def on_gradients(self, trainer):
        if trainer.state.step == self.step:
            (self.folder / f"{self.step}.{trainer.world.rank}.waits").touch()
            while not (self.folder / f"{self.step}.sent").exists():
                time.sleep(0.01)


def run(name, *, wait_at=None, resume=True):
    torch.manual_seed(0)
    folder = Path(sys.argv[1])
    saving = Checkpoint(folder / name, monitor=None)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    trainer = Trainer(
        model, callbacks=[AwaitSignal(folder, wait_at), saving], batch_size=16, device="cpu", progress=False
    )
    try:
        trainer.fit(load_mnist().train[:200], epochs=3, resume=saving.last_path if resume else None)
        print("ended", trainer.state.step)
    except KeyboardInterrupt:
        print("interrupted", trainer.state.step)
    except SystemExit as error:
        print(error.code, trainer.state.step)
    return nn.utils.parameters_to_vector(model.parameters())


if __name__ == "__main__":
    torch.set_num_threads(1)
    run("run", wait_at=2, resume=False)
    run("run", wait_at=9)
    print(torch.equal(run("run"), run("straight", resume=False)))
