"""
A small CNN, normalised, down to the bytes
==========================================

One image read straight from the bytes of MNIST's files, a network with a million parameters, and three ways to report a
figure that is not what it seems.
"""

# %%
# The bytes
# ---------
#
# MNIST's files have a header: two zero bytes, a code for the type of the numbers, how many dimensions there are, then the
# length of each. All that follows is pixels.

import gzip
import importlib.resources
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from mnistkit import Trainer, create_model, evaluate, load_mnist, plots, seed_everything, summary
from mnistkit.callbacks import ProgressBar
from mnistkit.data import TensorLoader, read_idx
from mnistkit.errors import IdxFormatError

seed_everything(0)
folder = Path(str(importlib.resources.files("mnistkit.data") / "_mnist"))
content = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
print("header:", content[:16].hex(" ", 4))
print("shape:", [int.from_bytes(content[start : start + 4], "big") for start in (4, 8, 12)])

# %%
# The first image is the 784 bytes after that. As numbers, every other row and column:

pixels = np.frombuffer(content, np.uint8, count=784, offset=16).reshape(28, 28)
print("\n".join(" ".join(f"{value:3d}" if value else "  ." for value in row[::2]) for row in pixels[::2]))

# %%
# As a picture file, eight times as large.

Path("runs").mkdir(exist_ok=True)
picture = Path("runs/digit.png")
Image.fromarray(pixels).resize((224, 224), Image.Resampling.NEAREST).save(picture)
picture.absolute()

# %%
# ``read_idx`` does the same, and checks every claim of the header against the file.

images = read_idx(folder / "t10k-images-idx3-ubyte.gz", ndim=3)
print(images.shape, images.dtype, "equal:", bool((images[0] == pixels).all()))

# %%
# Normalisation
# -------------
#
# Of all pixels of the training images the mean is 0.1307 and the deviation 0.3081, when white is 1. The network gets
# (pixel - mean) / deviation, so that its first layer sees numbers around 0. The data set carries both figures, and so does
# every checkpoint, so nobody has to type them again.

train, validation, test = load_mnist()
print(f"mean {train.mean[0]:.4f}, deviation {train.std[0]:.4f}")
plots.sample_grid(train, rows=2, columns=8, seed=4)

# %%
# The model
# ---------

model = create_model("digit_cnn")
print(summary(model))

# %%
# Nearly all of its parameters are in one dense layer.

plots.weight_histograms(model)

# %%
# Training
# --------
#
# Adam, batches of 64. The original trains 20 epochs; for this page it is two.

trainer = Trainer(model, batch_size=64, callbacks=[ProgressBar(file=sys.stdout)])
history = trainer.fit(train, validation, epochs=2)
report = evaluate(model, test)
print(report)

# %%
# After 20 epochs: :measured:`t4`.

# sphinx_gallery_thumbnail_number = 4
plots.confusion_matrix(report)

# %%
# Is the network as sure as it is right? On the diagonal it would be.

plots.reliability_diagram(report)

# %%
# .. admonition:: What the usual tutorial gets wrong here
#    :class: usual
#
#    1. **The "test set" is built without** ``train=False``, so it is the training set once more.
#    2. **The test loss is a sum of batch means divided by the number of images**: smaller than the loss by about the size
#       of a batch.
#    3. **The log interval is longer than an epoch**, so there is no log.
#    4. **The IDX file is read without a look at its header.** Any file gives a picture then.
#
# Measured: 1. The figure with the forgotten argument, and the one that was meant.

forgotten = evaluate(model, load_mnist(validation=0).train)
print(f"without train=False: {forgotten.accuracy:.2%}")
print(f"the test set:        {report.accuracy:.2%}")

# %%
# 2. Both losses of the same answers.

with torch.no_grad():
    batches = TensorLoader(test, batch_size=64, device=trainer.device)
    summed = sum(F.cross_entropy(model(images), labels).item() for images, labels in batches)
print(f"sum of batch means / images: {summed / len(test):.6f}")
print(f"mean over the images:        {report.loss:.6f}, {report.loss * len(test) / summed:.1f} times as much")

# %%
# 4. The file of *labels*, read as if it held images, and what ``read_idx`` says to it.

labels_file = folder / "t10k-labels-idx1-ubyte.gz"
garbage = np.frombuffer(gzip.decompress(labels_file.read_bytes()), np.uint8, count=784, offset=16).reshape(28, 28)
print("without a look at the header: an image of", garbage.shape, "with values up to", garbage.max())
try:
    read_idx(labels_file, ndim=3)
except IdxFormatError as error:
    print("with one:", str(error).replace(str(folder), "..."))

# %%
# The whole run is ``mnistkit train --recipe t4``.
