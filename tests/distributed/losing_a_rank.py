"""A run of two processes in which rank 1 dies or falls silent: `losing_a_rank.py dies|silent`."""

import os
import sys
import time

import torch
from torch import nn

from mnistkit import Callback, MnistkitError, Trainer, load_mnist


class LoseRank(Callback):
    def on_step_end(self, trainer):
        if trainer.state.step == 2 and trainer.world.rank == 1:
            if sys.argv[1] == "dies":
                os._exit(7)
            time.sleep(600)


if __name__ == "__main__":
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    trainer = Trainer(model, callbacks=[LoseRank()], batch_size=16, device="cpu", progress=False, timeout=5)
    try:
        trainer.fit(load_mnist().train[:200], epochs=1)
    except MnistkitError as error:
        print(type(error).__name__, error)
