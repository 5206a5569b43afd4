"""The way of PyTorch's own MNIST example (github.com/pytorch/examples/mnist): torchvision's data set, ToTensor, Normalize,
DataLoader without workers on a CPU, batch 64, test batch 1000, the loss printed every 10 batches. Model and optimizer: lenet5
and Adam as everywhere here, in place of its CNN and Adadelta.
"""

import json
import sys

import torch
import torch.nn.functional as F
from lenet import lenet5
from torchvision import datasets, transforms

torch.manual_seed(int(sys.argv[2]))
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
train_loader = torch.utils.data.DataLoader(
    datasets.MNIST(sys.argv[1], train=True, transform=transform), batch_size=64, shuffle=True
)
test_loader = torch.utils.data.DataLoader(
    datasets.MNIST(sys.argv[1], train=False, transform=transform), batch_size=1000
)
model = lenet5()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
model.train()
for batch, (data, target) in enumerate(train_loader):
    optimizer.zero_grad()
    loss = F.nll_loss(F.log_softmax(model(data), dim=1), target)
    loss.backward()
    optimizer.step()
    if batch % 10 == 0:
        print(f"{batch * len(data)} {loss.item():.6f}")
model.eval()
correct = 0
with torch.no_grad():
    for data, target in test_loader:
        correct += model(data).argmax(1).eq(target).sum().item()
print(json.dumps({"accuracy": correct / 10_000}))
