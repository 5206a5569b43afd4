"""Training through torch's compiler, which needs one for C++."""

import shutil

import pytest
import torch

from mnistkit import Checkpoint, Predictor, Trainer, create_model
from mnistkit.checkpoint import load_model

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="needs Debian's g++, which .ci/run installs")


# What torch's own compiler warns about is its matter.
@pytest.mark.filterwarnings("default")
def test_a_compiled_model_learns_the_same_and_its_checkpoint_is_a_plain_one(small, tmp_path):
    plain = create_model("lenet1")
    weights = {name: value.clone() for name, value in plain.state_dict().items()}
    histories = []
    for name, model in (("plain", plain), ("compiled", torch.compile(create_model("lenet1")))):
        getattr(model, "_orig_mod", model).load_state_dict(weights)
        trainer = Trainer(model, callbacks=[Checkpoint(tmp_path / name)], progress=False)
        histories.append(trainer.fit(small.train, small.validation, epochs=2))
    for row, expected in zip(*histories, strict=True):
        assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)
    loaded = load_model(tmp_path / "compiled" / "last.safetensors")
    trained = load_model(tmp_path / "plain" / "last.safetensors")
    for one, other in zip(loaded.parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-4)
    assert Predictor.from_checkpoint(tmp_path / "compiled" / "last.safetensors").predict(
        small.test.images[0, 0].numpy()
    )
