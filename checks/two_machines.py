"""What each of two machines runs under torchrun: a short training, of which the weights are left in FOLDER."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from mnistkit import Checkpoint, Trainer, create_model, load_mnist


def main(folder: Path) -> None:
    """Train, and leave the weights."""
    torch.set_num_threads(1)
    train, validation, _ = load_mnist()
    torch.manual_seed(0)
    trainer = Trainer(
        create_model("lenet1"),
        batch_size=20,
        callbacks=[Checkpoint(folder / "run")],
        device="cpu",
        progress=False,
        timeout=300,
    )
    trainer.fit(train[:400], validation[:100], epochs=2)
    world = trainer.world
    save_file(trainer.model.state_dict(), folder / f"{world.rank}-of-{world.size}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
