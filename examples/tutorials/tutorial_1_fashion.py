"""
LeNet with sigmoids on Fashion-MNIST
====================================

Seventy thousand small pictures of clothes, and the network of 1998 with the activation of its time. It learns slowly. Why,
one plot shows.
"""

# %%
# The data
# --------
#
# ``load_dataset`` finds the four files on your disk, or lets torchvision download them. Nothing will be chosen in this
# tutorial, neither a model nor an epoch, so nothing is set aside for choosing: all 60,000 training images train.

import sys

import torch
import torch.nn.functional as F

from mnistkit import (
    Callback,
    TensorLoader,
    Trainer,
    create_model,
    evaluate,
    load_dataset,
    plots,
    seed_everything,
    summary,
)
from mnistkit.callbacks import ProgressBar

seed_everything(0)
train, _, test = load_dataset("fashion-mnist", validation=0)
print(train, test, sep="\n")

# %%
plots.sample_grid(train, rows=3, columns=6, seed=0)

# %%
# The model, shape by shape
# -------------------------
#
# Without padding a 5x5 kernel has no place on the two outermost rows of pixels on each side, so 28 becomes 24; pooling
# halves it to 12; the next convolution leaves 8, and pooling 4. Sixteen maps of 4x4 are the 256 numbers that the dense
# layers decide by.

model = create_model("lenet5", activation="sigmoid", padding=0)
print(summary(model))

# %%
plots.architecture(model)

# %%
# Why it will be slow
# -------------------
#
# The right panel is what is left of a gradient that passes through an activation. Of the sigmoid's it is a quarter at
# most, and there are four of them on the way from the loss to the first kernels. ReLU passes all of it or nothing.

plots.activation_functions(["sigmoid", "relu"])

# %%
# Training
# --------
#
# Adam at 0.001, batches of 256, five epochs: the run of the original, at its full length. A line for each epoch.

trainer = Trainer(model, lr=1e-3, batch_size=256, callbacks=[ProgressBar(file=sys.stdout)])
history = trainer.fit(train, epochs=5)

# %%
plots.training_curves(history)

# %%
# The result
# ----------

report = evaluate(model, test)
print(report)

# %%
# The original got 76.4 % on the test images after five epochs. Over several seeds this one gets :measured:`t1`.

plots.confusion_matrix(report)

# %%
# Shirts, pullovers and coats at this size are hard to tell apart for anybody.

plots.prediction_grid(test, report.predictions, rows=3, columns=6)

# %%
# .. admonition:: What the usual tutorial gets wrong here
#    :class: usual
#
#    1. **The loss of an epoch is a mean of batch means.** The last batch is smaller than the others, so its images count
#       more than theirs.
#    2. **The test set is watched after every epoch.** Whoever then reports the best epoch has chosen by the test set.
#    3. **The loss is fetched from the device after every step** with ``.item()``, and on a GPU each fetch waits until
#       everything before it is done.
#    4. **Training and evaluation mode are switched inside the loop over the batches.** This network has neither dropout
#       nor batch norm, so nothing happens here.
#
# Measured: 1. Both means of one loss, over the training images in the order in which they lie.

total, means = 0.0, []
model.eval()
with torch.no_grad():
    for images, labels in TensorLoader(train, batch_size=256, device=trainer.device):
        losses = F.cross_entropy(model(images), labels, reduction="none")
        total += losses.sum().item()
        means.append(losses.mean().item())
print(f"{len(means)} batches, the last of {len(losses)} images")
print(f"mean of the batch means: {sum(means) / len(means):.6f}")
print(f"mean over the images:    {total / len(train):.6f}")

# %%
# A small difference, and a needless one: it moves when the batch size does, so that two runs cannot be compared exactly.
#
# 2. Thirty epochs on a small part of the data, with the test accuracy of every one of them.


class WatchTheTestSet(Callback):
    """What no one should do: know the test accuracy of every epoch."""

    def __init__(self) -> None:
        self.accuracies: list[float] = []

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.accuracies.append(trainer.evaluate(test).accuracy)


watching = WatchTheTestSet()
part = train.take_per_class(100)
Trainer(create_model("lenet5"), lr=3e-3, batch_size=64, callbacks=[watching], progress=False).fit(part, epochs=30)
print(f"test accuracy of the epoch that was best on the test set: {max(watching.accuracies):.2%}")
print(f"test accuracy of the last epoch:                          {watching.accuracies[-1]:.2%}")

# %%
# The first figure is the one to be proud of, the second the one to expect. With validation images an epoch can be chosen
# honestly: ``EarlyStopping`` does that.
#
# 3. can be seen on a GPU only: a processor has nothing to wait for.
#
# The whole run is ``mnistkit train --recipe t1``.
