"""Lightning as in its own MNIST introduction: a LightningModule, torchvision's data set in a DataLoader, Trainer(max_epochs=1)
with its default progress bar, logger and checkpoint. Batch 64, Adam 0.001.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import lightning as L
import torch
import torch.nn.functional as F
from lenet import lenet5
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST


class LitLeNet(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = lenet5()

    def training_step(self, batch, number):
        images, labels = batch
        loss = F.cross_entropy(self.model(images), labels)
        self.log("train_loss", loss)
        return loss

    def test_step(self, batch, number):
        images, labels = batch
        self.log("accuracy", (self.model(images).argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


L.seed_everything(int(sys.argv[2]))
transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
data = Path(sys.argv[1]).resolve()
os.chdir(tempfile.mkdtemp())  # where its logs and checkpoints go
trainer = L.Trainer(max_epochs=1)
module = LitLeNet()
trainer.fit(module, DataLoader(MNIST(data, train=True, transform=transform), batch_size=64, shuffle=True))
result = trainer.test(module, DataLoader(MNIST(data, train=False, transform=transform), batch_size=1000), verbose=False)
print(json.dumps({"accuracy": result[0]["accuracy"]}))
