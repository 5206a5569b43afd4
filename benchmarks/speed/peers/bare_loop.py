"""The least that torch needs: a loop over resident tensors, from torchvision's files."""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from lenet import lenet5

torch.manual_seed(int(sys.argv[2]))
with np.load(f"{sys.argv[1]}/mnist.npz") as arrays:
    images, labels, test_images, test_labels = (
        torch.from_numpy(arrays[name]) for name in ("x_train", "y_train", "x_test", "y_test")
    )
model = lenet5()
optimizer = torch.optim.Adam(model.parameters())


def normalized(pixels):
    return pixels[:, None].float().div_(255).sub_(0.1307).div_(0.3081)


labels, test_labels = labels.long(), test_labels.long()
for chosen in torch.split(torch.randperm(len(images)), 64):
    optimizer.zero_grad()
    F.cross_entropy(model(normalized(images[chosen])), labels[chosen]).backward()
    optimizer.step()
with torch.no_grad():
    correct = sum(
        int((model(normalized(x)).argmax(1) == y).sum())
        for x, y in zip(test_images.split(1000), test_labels.split(1000), strict=True)
    )
print(json.dumps({"accuracy": correct / 10_000}))
