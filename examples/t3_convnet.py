"""A ConvNet looked into: SGD 0.001 with momentum 0.9, batches of 64, 20 epochs; kernels and figures every 100 steps.

Put right: validation comes from the training images, and the whole test set is used, once; logits go into the loss,
not log-probabilities; no graph is built in validation; the layers say how large they are.

python examples/t3_convnet.py
"""

import argparse

import torch

from mnistkit import Trainer, load_mnist, seed_everything
from mnistkit.callbacks import KernelRecorder, PeriodicEvaluation
from mnistkit.models import convnet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--images", type=int, default=55_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    seed_everything(options.seed)
    train, validation, test = load_mnist()
    model = convnet(depth=(4, 8))
    kernels, figures = KernelRecorder("conv.0", every=100), PeriodicEvaluation(every=100)
    trainer = Trainer(
        model,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.001, momentum=0.9),
        batch_size=64,
        callbacks=[kernels, figures],
        seed=options.seed,
    )
    trainer.fit(train[: options.images], validation, epochs=options.epochs)

    print(f"{len(kernels.kernels)} copies of the first kernels, each {tuple(kernels.kernels[-1].shape)}")
    print(
        "validation error every 100 steps:",
        " ".join(f"{1 - accuracy:.2%}" for accuracy in figures.history["val_accuracy"]),
    )
    image, _ = test[0]
    first, second = model.retrieve_features(image[None].to(trainer.device))
    print(f"feature maps of one image: {tuple(first[0].shape)} and {tuple(second[0].shape)}")
    print("test:", trainer.evaluate(test))


if __name__ == "__main__":
    main()
