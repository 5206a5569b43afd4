"""Dense networks: (a) 400-25-15-10 on 5,000 images of 20x20, (b) 784-25-15-10 on all of MNIST, with TensorBoard.

Put right: logits and a stable loss instead of a softmax that overflows; normalised, shuffled input; a test set in (a);
losses that are means over images; training interrupted in the middle, and resumed exactly.

python examples/t2_dense.py [--tensorboard runs/t2]
"""

import argparse
from pathlib import Path

from mnistkit import Checkpoint, EarlyStopping, Predictor, Trainer, create_model, load_mnist, seed_everything, summary
from mnistkit.callbacks import Callback, TensorBoardLogger


def small_images(epochs: int, seed: int) -> None:
    seed_everything(seed)
    train, _, test = load_mnist(validation=0)
    train = train.take_per_class(500, seed=seed).crop(20).flatten()
    model = create_model("mlp", image_size=20)
    print(summary(model))
    # At a constant rate Adam now and then leaps out of a minimum that it has reached, also in the very last epoch: the
    # weights of the epoch with the least training loss are the ones to keep.
    keep_best = EarlyStopping(patience=epochs, monitor="train_loss")
    trainer = Trainer(model, batch_size=32, lr=1e-3, callbacks=[keep_best], seed=seed)
    trainer.fit(train, epochs=epochs)
    on_training = trainer.evaluate(train)
    assert on_training.correct is not None
    print(f"(a) errors on the 5,000 training images: {on_training.count - on_training.correct}")
    print("(a) test:", trainer.evaluate(test.crop(20).flatten()))


def whole_mnist(epochs: int, images: int, seed: int, output: Path, tensorboard: Path | None) -> None:
    train, validation, test = load_mnist()
    callbacks: list[Callback] = [Checkpoint(output)]
    if tensorboard is not None:
        callbacks.append(TensorBoardLogger(tensorboard))
    last = None
    for until in (max(1, epochs // 2), epochs):
        # The second round begins with a new model; all that it goes on from is in the file.
        seed_everything(seed)
        trainer = Trainer(create_model("mlp"), batch_size=64, lr=1e-3, callbacks=callbacks, seed=seed)
        trainer.fit(train[:images], validation, epochs=until, resume=last)
        last = output / "last.safetensors"
    print("(b) test:", trainer.evaluate(test))
    print("(b) one image:", Predictor.from_checkpoint(output / "best.safetensors").predict(test.images[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, nargs=2, default=(40, 10), help="of (a) and (b)")
    parser.add_argument("--images", type=int, default=55_000, help="of (b)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/t2"))
    parser.add_argument("--tensorboard", type=Path, help="write scalars for TensorBoard to this folder")
    options = parser.parse_args()
    small_images(options.epochs[0], options.seed)
    whole_mnist(options.epochs[1], options.images, options.seed, options.output, options.tensorboard)


if __name__ == "__main__":
    main()
