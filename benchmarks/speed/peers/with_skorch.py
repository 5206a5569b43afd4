"""skorch as in its own MNIST tutorial: NeuralNetClassifier on one float array; no validation split, so that it too trains on
all 60,000 images. Batch 64, Adam 0.001.
"""

import json
import sys

import numpy as np
import torch
from lenet import lenet5
from skorch import NeuralNetClassifier

torch.manual_seed(int(sys.argv[2]))
with np.load(f"{sys.argv[1]}/mnist.npz") as arrays:
    x, y, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))


def normalized(pixels):
    return (pixels[:, None].astype(np.float32) / 255 - 0.1307) / 0.3081


net = NeuralNetClassifier(
    lenet5, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=1e-3, max_epochs=1, batch_size=64,
    iterator_train__shuffle=True, train_split=None,
)  # fmt: skip
net.fit(normalized(x).astype(np.float32), y.astype(np.int64))
print(json.dumps({"accuracy": float((net.predict(normalized(x_test).astype(np.float32)) == y_test).mean())}))
