"""
A ConvNet, looked into
======================

What does a network see? This one is small enough to look at all of it: four kernels, then thirty-two, and what they make
of an image, while they form.
"""

# %%
# Data and model
# --------------
#
# Two convolutions with 4 and 8 maps, pooling after each, a dense layer of 512 units with dropout.

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mnistkit import TensorLoader, Trainer, evaluate, load_mnist, plots, seed_everything, summary
from mnistkit.callbacks import KernelRecorder, PeriodicEvaluation
from mnistkit.metrics import Proportion
from mnistkit.models import convnet

seed_everything(0)
train, validation, test = load_mnist()
model = convnet(depth=(4, 8))
print(summary(model))

# %%
plots.sample_grid(train, rows=2, columns=8, seed=3)

# %%
# Training, with two observers
# ----------------------------
#
# Stochastic gradient descent with a learning rate of 0.001 and a momentum of 0.9, batches of 64. Two callbacks watch,
# every 100 steps: one copies the kernels of the first convolution, one evaluates the validation images. The original
# trains 20 epochs; for this page it is three.

recorder, figures = KernelRecorder("conv.0", every=100), PeriodicEvaluation(every=100)
trainer = Trainer(
    model,
    optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.001, momentum=0.9),
    batch_size=64,
    callbacks=[recorder, figures],
    progress=False,
)
trainer.fit(train, validation, epochs=3)
print(f"{len(recorder.kernels)} copies of the kernels, {len(figures.history)} evaluations")

# %%
# The error rate, 1 - accuracy, over the steps. Errors show what accuracies hide: from 98 % to 99 % they are halved. The
# training figure is *worse* than the validation figure: it is measured with dropout, on weights that are still on their
# way.

plots.training_curves(figures.history, measures=["error"])

# %%
report = evaluate(model, test)
print(f"test accuracy {report.score}")

# %%
# After the 20 epochs of the original: :measured:`t3`.
#
# What the kernels look for
# -------------------------
#
# Red is positive, blue negative, white nothing. A kernel answers where the image looks like it: bright under the red,
# dark under the blue. These are detectors of edges and strokes in a few directions.

plots.kernels(model, "conv.0")

# %%
# How they formed. Much of what they end as was there by chance in the first weights; training makes it clearer.

plots.kernel_evolution(recorder.kernels, recorder.steps)

# %%
# The same as an animation.

Path("runs").mkdir(exist_ok=True)
animation = Path("runs/kernels.gif")
plots.save_kernel_animation(animation, recorder.kernels, recorder.steps)
animation.absolute()

# %%
# The second convolution has 32 kernels: one for each pair of a map that it reads (rows) and a map that it writes
# (columns).

# sphinx_gallery_thumbnail_number = 6
plots.kernels(model, "conv.3")

# %%
# What they make of an image
# --------------------------

image, label = test[0]
plots.feature_maps(model, image, "conv.0")

# %%
# The maps of the second convolution answer to parts: ends, corners, a bar.

plots.feature_maps(model, image, "conv.5")

# %%
# The same as tensors, for computations of your own. The model itself says what each convolution finds.

first, second = model.retrieve_features(image[None].to(trainer.device))
print(tuple(first[0].shape), tuple(second[0].shape))

# %%
# Which pixels an answer comes from, seen in three ways (see :doc:`/plots`).

plots.attribution_maps(model, test.preprocessing.normalize(test.images[:3]).to(trainer.device))

# %%
# .. admonition:: What the usual tutorial gets wrong here
#    :class: usual
#
#    1. **Validation images are cut from the test set**: 5,000 of its 10,000, and what is chosen on them is reported on
#       their neighbours. The figure is also less certain than it could be.
#    2. **Log-softmax, and then cross-entropy**, which applies log-softmax again.
#    3. **Validation builds the graph for gradients** that nobody will ask for.
#    4. **The size of the flattened maps comes from integer arithmetic** that holds for one image size only. Here a model
#       measures it.
#
# Measured: 1. The intervals of one accuracy on half the test images and on all of them.

correct = report.predictions == report.labels
for part in (correct[:5000], correct):
    print(Proportion(int(part.sum()), len(part)))

# %%
# By chance the first half of MNIST's test images is also the harder one: it was written by other people than the second.
#
# 2. The loss on logits and on log-probabilities.

images, labels = next(iter(TensorLoader(validation, batch_size=1000, device=trainer.device)))
with torch.no_grad():
    logits = model(images)
print(f"logits into cross-entropy:            {F.cross_entropy(logits, labels):.7f}")
print(f"log-probabilities into cross-entropy: {F.cross_entropy(logits.log_softmax(1), labels):.7f}")

# %%
# They are equal: log-softmax of a log-softmax changes nothing any more. So this one is wasted work, and not an error. Had
# it been softmax instead of log-softmax, which is as easily written, it would be one:

print(f"probabilities into cross-entropy:     {F.cross_entropy(logits.softmax(1), labels):.7f}")

# %%
# 3. What torch keeps for the backward pass of a thousand validation images.

kept: list[int] = []


def remember(tensor: Tensor) -> Tensor:
    kept.append(tensor.numel() * tensor.element_size())
    return tensor


with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
    model(images)
with_graph, kept[:] = sum(kept), []
with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor), torch.no_grad():
    model(images)
print(f"with the graph: {with_graph / 2**20:.1f} MiB, under no_grad: {sum(kept) / 2**20:.1f} MiB")

# %%
# The whole run is ``mnistkit train --recipe t3``.
