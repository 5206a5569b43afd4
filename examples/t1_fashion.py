"""LeNet with sigmoids on Fashion-MNIST: Adam 1e-3, batches of 256, 5 epochs; a line for each epoch.

Put right: figures are means over images, not means of batch means; the loss is not fetched after every step; the test
set is looked at once, after the last epoch. Nothing is chosen, so nothing is set aside: all 60,000 images train.

python examples/t1_fashion.py --root FOLDER_WITH_THE_FILES
"""

import argparse

from mnistkit import Trainer, create_model, load_dataset, seed_everything, summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="where the files are, if not to be downloaded")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    seed_everything(options.seed)
    train, _, test = load_dataset("fashion-mnist", root=options.root, validation=0)
    model = create_model("lenet5", activation="sigmoid", padding=0)
    print(summary(model))
    trainer = Trainer(model, batch_size=256, lr=1e-3, seed=options.seed)
    trainer.fit(train[: options.images], epochs=options.epochs)
    print("test:", trainer.evaluate(test))


if __name__ == "__main__":
    main()
