"""The network for real handwriting: MNIST's training images and digits drawn in the styles that they lack.

Every choice in the recipe was made beforehand, so that the weights after the last epoch are the result; the validation
figures only show how it goes, and the test set is looked at once, with --final.

python examples/train_weights.py --output weights --final
"""

import argparse
import functools
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from mnistkit import (
    Augment,
    Callback,
    Checkpoint,
    CSVLogger,
    DigitDataset,
    Trainer,
    create_model,
    load_mnist,
    seed_everything,
)
from mnistkit.callbacks import EMA
from mnistkit.data import concatenate, draw_digits
from mnistkit.training import OneCycle

AUGMENT = Augment(rotate=12, scale=0.13, shear=15, shift=2, elastic=0.8, ink=0.7, erase=0.05, blur=0.6, gamma=0.6)


class DrawnAccuracy(Callback):
    """Adds the accuracy on a second validation set to each epoch's figures."""

    def __init__(self, drawn: DigitDataset) -> None:
        self.drawn = drawn

    def on_epoch_end(self, trainer: Trainer) -> None:
        trainer.state.metrics["drawn_accuracy"] = trainer.evaluate(self.drawn).accuracy


def adamw(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, weight_decay=0.02, fused=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--images", type=int, default=55_000, help="of MNIST's training images")
    parser.add_argument(
        "--drawn", type=int, default=20_000, help="drawn digits to train on; 3/20 as many to validate on"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("weights"), help="folder for checkpoints and figures")
    parser.add_argument("--resume", action="store_true", help="go on where the run in that folder stopped")
    parser.add_argument("--threads", type=int, help="of the processor; by default as many as torch likes")
    parser.add_argument("--final", action="store_true", help="look at the test set, once, when all is done")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    seed_everything(options.seed)
    mnist, validation, test = load_mnist()
    # Even seeds to train, odd ones to validate: no run validates on digits that another was trained on.
    train = concatenate(mnist[: options.images], draw_digits(options.drawn, seed=2 * options.seed))
    drawn = draw_digits(max(10, options.drawn * 3 // 20), seed=2 * options.seed + 1, split="validation")
    print(train, validation, drawn, sep="\n")

    checkpoint = Checkpoint(options.output)
    trainer = Trainer(
        # On a processor, convolutions are a quarter faster with the channels of each pixel side by side.
        create_model("handwriting_cnn").to(memory_format=torch.channels_last),
        optimizer=adamw,
        lr=OneCycle(0.005),
        loss=functools.partial(F.cross_entropy, label_smoothing=0.05),
        batch_size=128,
        augment=AUGMENT,
        callbacks=[EMA(0.998), DrawnAccuracy(drawn), checkpoint, CSVLogger(options.output / "history.csv")],
        seed=options.seed,
    )
    resume = checkpoint.last_path if options.resume else None
    trainer.fit(train, validation, epochs=options.epochs, resume=resume)
    trainer.save_model(options.output / "weights.safetensors")
    print(f"{trainer.seconds:.0f} s")
    print("validation:", trainer.evaluate(validation))
    print("drawn:", trainer.evaluate(drawn))
    if options.final:
        print("test:", trainer.evaluate(test))


if __name__ == "__main__":
    main()
