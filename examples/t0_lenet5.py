"""LeNet-5 on MNIST, then one's own pictures: Adam, batches of 100, 20 epochs, a log line every 100 steps.

Put right: the accuracy is that of the test set, which nothing was trained or chosen on; there is an activation between
all layers; the pictures are framed as MNIST's were; the file holds weights, not pickled code, and loads on any device.

python examples/t0_lenet5.py [PICTURE ...]
"""

import argparse
from pathlib import Path

from mnistkit import Checkpoint, Predictor, Trainer, create_model, load_mnist, seed_everything
from mnistkit.callbacks import ProgressBar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=55_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/t0"))
    options = parser.parse_args()

    seed_everything(options.seed)
    train, validation, test = load_mnist()
    checkpoint = Checkpoint(options.output)
    trainer = Trainer(
        create_model("lenet5"), batch_size=100, callbacks=[checkpoint, ProgressBar(every=100)], seed=options.seed
    )
    trainer.fit(train[: options.images], validation, epochs=options.epochs)

    predictor = Predictor.from_checkpoint(checkpoint.best_path)
    print("test:", Trainer(predictor.classifier.network, progress=False).evaluate(test))
    for picture in options.pictures:
        print(picture, predictor.predict(picture))


if __name__ == "__main__":
    main()
