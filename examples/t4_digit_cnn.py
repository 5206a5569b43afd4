"""A small CNN with normalised input: Adam, batches of 64, 20 epochs; and one image as a picture file.

Put right: the test set is the test set; the loss is a mean over images; the data's files are read with every claim of
their headers checked.

python examples/t4_digit_cnn.py
"""

import argparse
from pathlib import Path

from PIL import Image

from mnistkit import Trainer, create_model, load_mnist, seed_everything


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=55_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, default=Path("digit.png"), help="where to save the first test image")
    options = parser.parse_args()

    seed_everything(options.seed)
    train, validation, test = load_mnist()
    Image.fromarray(test.images[0, 0].numpy()).save(options.picture)
    trainer = Trainer(create_model("digit_cnn"), batch_size=64, seed=options.seed)
    trainer.fit(train[: options.images], validation, epochs=options.epochs)
    print("test:", trainer.evaluate(test))


if __name__ == "__main__":
    main()
