"""All training images in one batch, and updates that ask for the loss many times: softmax regression to its minimum.

Nocedal and Wright 2006, "Numerical optimization", algorithms 7.5 (L-BFGS) and 3.5 (line search by the strong Wolfe conditions).

python examples/research/lbfgs.py --seed 0
"""

import functools

import torch
from study import Outcome, main

from mnistkit import Trainer, create_model, plots
from mnistkit.data import Splits

EPOCHS = 3


class LBFGS(Trainer):
    def optimizer_step(self) -> None:
        self.optimizer.step(self.gradients)


def study(data: Splits, seed: int, epochs: int) -> Outcome:
    torch.manual_seed(seed)
    optimizer = functools.partial(torch.optim.LBFGS, line_search_fn="strong_wolfe")
    model = create_model("softmax_regression")
    trainer = LBFGS(model, optimizer=optimizer, batch_size=len(data.train), seed=seed)
    history = trainer.fit(data.train, data.validation, epochs=epochs)
    return Outcome({"test accuracy": trainer.evaluate(data.test).accuracy}, plots.training_curves(history))


if __name__ == "__main__":
    main(study, EPOCHS)
