import argparse
import errno
import json
import math
import os
import pickle
import random
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from mnistkit.checkpoint import (
    FORMAT_VERSION,
    CheckpointFile,
    load_model,
    load_weights,
    read_checkpoint,
    write_checkpoint,
)
from mnistkit.checkpoint.header import NO_CHECKSUM, with_checksum
from mnistkit.data import Preprocessing
from mnistkit.errors import (
    CheckpointError,
    CheckpointFormatError,
    CheckpointMismatchError,
    ConfigError,
    UnknownModelError,
    WriteError,
)
from mnistkit.models import ModelSpec, create_model, model_spec, register_model

WRITE_LIMITED = """
import resource, signal, sys, torch
from mnistkit.checkpoint import CheckpointFile, write_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
write_checkpoint(sys.argv[1], CheckpointFile({"w": torch.ones(100_000)}))
"""
KILL_WRITERS = """
import itertools, os, signal, sys, torch
from mnistkit.checkpoint import CheckpointFile, read_checkpoint, write_checkpoint
torch.set_num_threads(1)
for _ in range(10):
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            for number in itertools.count():
                os.write(tell, b".")
                write_checkpoint(sys.argv[1], CheckpointFile({"w": torch.full((200_000,), float(number))}))
        finally:
            os._exit(1)
    os.close(tell)
    for _ in range(3):
        assert os.read(told, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    weights = read_checkpoint(sys.argv[1]).weights["w"]
    assert len(weights) == 200_000 and (weights == weights[0]).all(), weights
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "first" / "model.safetensors"


@pytest.fixture
def model():
    return create_model("lenet1")


def _content(model, **fields):
    return CheckpointFile(model.state_dict(), spec=model_spec(model), **fields)


def _header(path):
    size = int.from_bytes(path.read_bytes()[:8], "little")
    return json.loads(path.read_bytes()[8 : 8 + size])


def _rewrite(path, change):
    """Change mnistkit's own part of the header; ``change`` gets it and may return another."""
    tensors = safetensors.torch.load_file(path)
    header = json.loads(_header(path)["__metadata__"]["mnistkit"])
    header["checksum"] = NO_CHECKSUM
    changed = change(header)
    text = json.dumps(header if changed is None else changed)
    data = safetensors.torch.save(tensors, {"mnistkit": text})
    path.write_bytes(with_checksum(data) if NO_CHECKSUM in text else data)


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def _same_weights(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# ---- what a file holds --------------------------------------------------------------------------------------------


def test_every_field_of_a_model_file_comes_back(path, model):
    content = _content(
        model,
        preprocessing=Preprocessing((0.1307,), (0.3081,), (20, 20), "resize", (("crop", 18), ("resize", 20)), True),
        classes=("nought", "one", "zwei", "三"),
        metrics={"val_accuracy": 0.1 + 0.2, "val_loss": math.inf},
        data={"name": "mnist", "count": 55_000, "nested": {"parts": [1, None, True, "x"], "nan": -math.inf}},
    )
    write_checkpoint(path, content)
    read = read_checkpoint(path)
    assert _same_weights(read.weights, model.state_dict())
    assert (read.spec, read.preprocessing, read.classes) == (content.spec, content.preprocessing, content.classes)
    assert (read.metrics, read.data) == (content.metrics, content.data)
    assert (read.kind, read.training) == ("model", None)
    assert read.versions.keys() == {"mnistkit", "torch", "python"}
    assert read.versions["torch"] == torch.__version__


def test_a_file_of_weights_alone_comes_back(path):
    write_checkpoint(path, CheckpointFile({"w": torch.ones(2)}))
    read = read_checkpoint(path)
    assert read == CheckpointFile(read.weights, versions=read.versions)
    assert torch.equal(read.weights["w"], torch.ones(2))


def test_a_training_file_also_holds_nested_state(path, model):
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    model(torch.randn(2, 1, 28, 28)).sum().backward()
    optimizer.step()
    training = {
        "step": 7,
        "optimizers": {"optimizer": optimizer.state_dict()},
        "best": -math.inf,
        "shape": (1, 2),
        "generators": {"cpu": torch.get_rng_state()},
        "nothing": None,
    }
    write_checkpoint(path, _content(model, training=training))
    read = read_checkpoint(path)
    assert read.kind == "training"
    assert {name: read.training[name] for name in ("step", "best", "shape", "nothing")} == {
        "step": 7,
        "best": -math.inf,
        "shape": (1, 2),
        "nothing": None,
    }
    assert torch.equal(read.training["generators"]["cpu"], torch.get_rng_state())
    restored = read.training["optimizers"]["optimizer"]
    assert restored["param_groups"] == optimizer.state_dict()["param_groups"]
    for index, state in optimizer.state_dict()["state"].items():
        assert _same_weights(restored["state"][index], state)
    assert _same_weights(read.weights, model.state_dict())


def test_an_empty_training_state_is_still_a_training_file(path, model):
    write_checkpoint(path, _content(model, training={}))
    assert (read_checkpoint(path).kind, read_checkpoint(path).training) == ("training", {})


def test_the_file_is_plain_safetensors_with_a_json_header(path, model):
    write_checkpoint(path, _content(model, training={"a": torch.ones(1)}))
    tensors = safetensors.torch.load_file(path)
    assert {name for name in tensors if name.startswith("model/")} == {f"model/{name}" for name in model.state_dict()}
    assert {name for name in tensors if not name.startswith("model/")} == {"training/a"}
    header = json.loads(_header(path)["__metadata__"]["mnistkit"])
    assert header["format_version"] == FORMAT_VERSION == 3
    assert header["model"] == {"name": "lenet1", "arguments": dict(model_spec(model).arguments)}


def test_a_model_file_of_a_stored_training_file_can_be_written_again(path, model, tmp_path):
    write_checkpoint(path, _content(model, metrics={"a": 1.0}, training={"a": [torch.ones(1)]}))
    again = tmp_path / "again.safetensors"
    write_checkpoint(again, read_checkpoint(path))
    assert again.read_bytes() == path.read_bytes()


def test_a_relative_name_without_a_folder_and_a_plain_string_will_do(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    write_checkpoint("a.safetensors", _content(model))
    assert _same_weights(read_checkpoint("a.safetensors").weights, model.state_dict())
    assert _names(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize(
    "weights",
    [
        {"w": torch.randn(3, 5).T},
        {"w": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)},
        {"w": torch.randn(4).bfloat16(), "h": torch.randn(4).half(), "d": torch.randn(4).double()},
        {"steps": torch.tensor(3), "mask": torch.tensor([True, False]), "bytes": torch.arange(4, dtype=torch.uint8)},
        {"empty": torch.zeros(0, 3), "none": torch.zeros(2, 0)},
        {"part": torch.arange(10.0)[2:5], "every": torch.arange(10.0)[::2], "one": torch.ones(1).expand(4)},
        {"grad": torch.randn(2, requires_grad=True)},
        {"name with spaces/and.dots": torch.ones(1), "ü": torch.ones(2), "model/model/": torch.ones(3)},
    ],
)
def test_weights_of_any_layout_and_type_come_back(path, weights):
    write_checkpoint(path, CheckpointFile(weights))
    read = read_checkpoint(path).weights
    assert _same_weights(read, weights)
    assert all(read[name].dtype == tensor.dtype for name, tensor in weights.items())


@pytest.mark.usefixtures("own_models")
def test_tied_weights_come_back_and_stay_tied(path):
    @register_model
    def tied(*, width: int = 6) -> nn.Sequential:
        model = nn.Sequential(nn.Linear(width, width, bias=False), nn.ReLU(), nn.Linear(width, width, bias=False))
        model[2].weight = model[0].weight
        return model

    model = tied(width=5)
    write_checkpoint(path, _content(model))
    loaded = load_model(path)
    assert loaded[2].weight is loaded[0].weight
    assert _same_weights(loaded.state_dict(), model.state_dict())


def test_a_channels_last_model_comes_back_to_the_bit(path):
    model = create_model("convnet").to(memory_format=torch.channels_last).eval()
    write_checkpoint(path, _content(model))
    images = torch.randn(3, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    loaded = load_model(path).to(memory_format=torch.channels_last)
    assert torch.equal(loaded(images), model(images))


def test_bfloat16_weights_fill_a_float32_model_with_equal_numbers(path, model):
    half = create_model("lenet1").bfloat16()
    write_checkpoint(path, CheckpointFile(half.state_dict(), spec=model_spec(half)))
    loaded = load_model(path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert all(torch.equal(p, q.float()) for p, q in zip(loaded.parameters(), half.parameters(), strict=True))
    assert load_model(path, model=model.bfloat16()).conv[0].weight.dtype == torch.bfloat16


def test_the_file_of_a_compiled_or_parallel_model_has_the_plain_names(path, model):
    for wrapped in (torch.compile(model), nn.DataParallel(model), nn.DataParallel(torch.compile(model))):
        write_checkpoint(path, CheckpointFile(wrapped.state_dict(), spec=model_spec(model)))
        assert _same_weights(read_checkpoint(path).weights, model.state_dict())
        assert _same_weights(load_model(path).state_dict(), model.state_dict())


def test_a_compiled_part_of_a_model_has_its_plain_name_too(path, model):
    weights = dict(model.state_dict())
    model.conv = torch.compile(model.conv)
    assert any("_orig_mod" in name for name in model.state_dict())
    write_checkpoint(path, _content(model))
    assert _same_weights(read_checkpoint(path).weights, weights)


def test_plain_weights_load_into_a_compiled_or_parallel_model(path, model):
    write_checkpoint(path, _content(model))
    for wrap in (torch.compile, nn.DataParallel):
        other = create_model("lenet1")
        load_weights(wrap(other), read_checkpoint(path).weights)
        assert _same_weights(other.state_dict(), model.state_dict())


def test_a_part_that_is_really_called_module_keeps_its_name(path):
    class Averaged(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)
            self.weight = nn.Parameter(torch.randn(3))

    model = Averaged()
    write_checkpoint(path, CheckpointFile(model.state_dict()))
    assert read_checkpoint(path).weights.keys() == {"weight", "module.weight", "module.bias"}
    assert _same_weights(load_model(path, model=Averaged()).state_dict(), model.state_dict())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "training",
            {"callbacks": {"mine": {1, 2}}},
            "cannot save training/callbacks/mine: a checkpoint holds .* not set",
        ),
        ("metrics", {"accuracy": b"x"}, "cannot save metrics/accuracy: .* not bytes"),
        ("data", {"source": Path("x")}, "cannot save data/source: .* not PosixPath"),
        ("spec", ModelSpec("a", {"layer": nn.ReLU}), "cannot save arguments/layer: .* not type"),
        ("weights", {"w": torch.eye(2).to_sparse()}, "cannot save model/w: a checkpoint holds dense tensors, not a "),
        ("weights", {"w": torch.empty(1, device="meta")}, "cannot save model/w: .*on the meta device"),
        ("weights", {"w": torch.zeros(1, dtype=torch.complex128)}, "does not hold tensors of dtype torch.complex128"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_before_anything_is_written(path, model, field, value, message):
    write_checkpoint(path, _content(model))
    before = path.read_bytes()
    content = _content(model)
    setattr(content, field, value)
    with pytest.raises(CheckpointError, match=message):
        write_checkpoint(path, content)
    assert path.read_bytes() == before
    assert _names(path.parent) == [path.name]


@pytest.mark.usefixtures("own_models")
def test_a_number_that_json_does_not_have_may_be_an_argument(path):
    @register_model
    def limited(*, limit: float = math.inf) -> nn.Linear:
        layer = nn.Linear(1, 1)
        layer.limit = limit
        return layer

    write_checkpoint(path, _content(limited()))
    assert load_model(path).limit == math.inf


# ---- written whole or not at all ----------------------------------------------------------------------------------


def test_a_file_is_replaced_and_no_other_is_left(path, model):
    for number in range(3):
        write_checkpoint(path, _content(model, metrics={"number": number}))
        assert read_checkpoint(path).metrics == {"number": number}
        assert _names(path.parent) == [path.name]


def test_who_reads_the_earlier_file_goes_on_reading_it(path, model):
    write_checkpoint(path, _content(model))
    before = path.read_bytes()
    with path.open("rb") as file:
        start = file.read(100)
        write_checkpoint(path, _content(create_model("lenet5")))
        assert start + file.read() == before
    assert read_checkpoint(path).spec.name == "lenet5"


@pytest.mark.processes
def test_a_file_that_grows_too_large_leaves_the_earlier_one(path, model, forked):
    write_checkpoint(path, _content(model))
    before = path.read_bytes()
    result = forked.run("-c", WRITE_LIMITED, path)
    assert result.returncode == 1
    assert (
        f"WriteError: cannot write {path}: File too large; the earlier file there is intact; "
        "free some space" in result.stderr
    )
    assert path.read_bytes() == before
    assert _names(path.parent) == [path.name]


def test_a_full_disk_leaves_the_earlier_file_and_asks_for_space(path, model, monkeypatch):
    write_checkpoint(path, _content(model))
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError) as error:
        write_checkpoint(path, _content(create_model("lenet5")))
    assert str(error.value) == (
        f"cannot write {path}: No space left on device; the earlier file there is intact; free some space"
    )
    assert error.value.__cause__.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert _names(path.parent) == [path.name]


@pytest.mark.processes
def test_writers_that_are_killed_leave_a_whole_file_and_the_next_one_tidies_up(path, model, forked):
    result = forked.run("-c", KILL_WRITERS, path)
    assert (result.returncode, result.stderr) == (0, "")
    assert path.name in _names(path.parent)
    assert len(list(path.parent.glob(".mnistkit-*.tmp"))) == len(_names(path.parent)) - 1 <= 1
    write_checkpoint(path, _content(model))
    assert _names(path.parent) == [path.name]


# ---- files that are none ------------------------------------------------------------------------------------------


def test_a_missing_file_is_called_missing(path):
    with pytest.raises(CheckpointError, match=f"^there is no checkpoint {path}$"):
        read_checkpoint(path)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=f"^cannot read {tmp_path}: it is a folder, expected a file$"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"<html><body>404</body></html>", b"\x1f\x8b\x08\0\0\0\0\0\0\0", bytes(100)]
)
def test_a_file_of_another_kind_is_shown_by_its_beginning(path, data):
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(CheckpointFormatError) as error:
        read_checkpoint(path)
    assert str(error.value) == (
        f"{path} is not a checkpoint: it begins with {data[:9]!r}; expected a .safetensors file, or a state_dict saved "
        "with torch.save"
    )


def test_random_bytes_are_no_checkpoint(path):
    path.parent.mkdir(parents=True)
    generator = random.Random(0)
    for start in (
        b"",
        b"PK",
        b"PK\x03\x04",
        b"\x80",
        b"\x80\x02",
        b"\x10\0\0\0\0\0\0\0{",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f{",
    ):
        for length in (0, 1, 20, 500):
            path.write_bytes(start + generator.randbytes(length))
            with pytest.raises(CheckpointFormatError, match=f"^{path} (is|holds) "):
                read_checkpoint(path)


@pytest.mark.parametrize("kept", [8, 9, 20, 0.05, 0.3, 0.9, -1])
def test_a_truncated_file_is_refused_by_name(path, model, kept):
    write_checkpoint(path, _content(model, training={"a": [1.0]}))
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointFormatError, match=f"^{path} is (damaged or truncated|not a checkpoint)"):
        read_checkpoint(path)


def _read_or_refused(path, data):
    """The content of a file with these bytes, or ``None`` if it was refused by name."""
    path.write_bytes(data)
    try:
        return read_checkpoint(path)
    except CheckpointFormatError as error:
        if not str(error).startswith(f"{path} "):
            raise
        return None


def _damage(data, generator, letters, most):
    damaged = bytearray(data)
    for _ in range(generator.choice([1, 1, 3, 10])):
        damaged[generator.randrange(2, min(most, len(data)))] = generator.choice(letters)
    return bytes(damaged)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_torch_file_is_read_or_refused_and_nothing_else(path, model, zipped):
    path.parent.mkdir(parents=True)
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=zipped)
    data, generator = path.read_bytes(), random.Random(1)
    for cut in (1, 2, 10, 16, 100, *(generator.randrange(len(data)) for _ in range(30)), len(data) - 1):
        assert _read_or_refused(path, data[:cut]) is None
    results = [_read_or_refused(path, _damage(data, generator, range(256), most)) for most in (1500, len(data)) * 60]
    # The zip's own checksums tell of most.
    assert 20 < results.count(None) < 120


def test_a_damaged_safetensors_file_is_read_or_refused_and_nothing_else(path, model):
    write_checkpoint(path, _content(model, preprocessing=Preprocessing((0.1,), (0.3,)), training={"a": [1.0]}))
    data, generator = path.read_bytes(), random.Random(2)
    results = [_read_or_refused(path, _damage(data, generator, range(32, 127), 1000)) for _ in range(200)]
    assert results.count(None) > 100


@pytest.mark.parametrize("version", [4, 99])
def test_a_newer_format_version_is_refused_with_both_versions(path, model, version):
    write_checkpoint(path, _content(model))
    _rewrite(path, lambda header: header.update(format_version=version))
    with pytest.raises(CheckpointFormatError) as error:
        read_checkpoint(path)
    assert str(error.value) == (
        f"{path}: format version {version}, and this mnistkit reads versions 1 to 3: upgrade it with pip install --upgrade "
        "mnistkit"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("format_version") and None,
        lambda header: header.pop("model") and None,
        lambda header: header.pop("data") is None or None,
        lambda header: header.update(model="lenet5"),
        lambda header: header.update(model={"name": "lenet5"}),
        lambda header: header.update(classes="0123456789"),
        lambda header: header.update(metrics=[1]),
        lambda header: header.update(training=3),
        lambda header: header.update(training={"a": {"$tensor": "training/gone"}}),
        lambda header: header.update(metrics={"a": {"$float": "three"}}),
        lambda header: header.update(preprocessing={"mean": [0.1]}),
        lambda header: header.update(preprocessing={"mean": 0.1, "std": 0.3}),
        lambda header: header.update(preprocessing={"mean": [0.1], "std": [0.0]}),
        lambda header: header.update(preprocessing={"mean": [0.1], "std": [0.3], "colour": "red"}),
        lambda header: header.update(format_version=0),
        lambda header: header.update(format_version="1.1"),
        lambda header: header.update(format_version=True),
        lambda header: header.pop("checksum") and None,
        lambda header: [header],
        lambda header: "header",
        lambda header: 1,
    ],
)
def test_a_damaged_header_is_called_one(path, model, change):
    write_checkpoint(path, _content(model))
    _rewrite(path, change)
    with pytest.raises(
        CheckpointFormatError, match=f"^{path}(: header/.*| has a damaged header \\(.*\\)); use an earlier checkpoint$"
    ):
        read_checkpoint(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "nothing"])
def test_a_header_that_is_no_json_is_called_damaged(path, text):
    path.parent.mkdir(parents=True)
    path.write_bytes(safetensors.torch.save({"w": torch.ones(1)}, {"mnistkit": text}))
    with pytest.raises(CheckpointFormatError, match=f"^{path} has a damaged header"):
        read_checkpoint(path)


# ---- somebody else's files ----------------------------------------------------------------------------------------

_WRAPPINGS = {
    "plain": lambda weights: weights,
    "dict": dict,
    "state_dict": lambda weights: {"epoch": 3, "state_dict": weights, "optimizer": {"lr": 0.1}},
    "model_state_dict": lambda weights: {"model_state_dict": weights},
    "model": lambda weights: {"model": weights, "args": None},
    "module.": lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()},
    "_orig_mod.": lambda weights: {f"_orig_mod.{name}": tensor for name, tensor in weights.items()},
    "module._orig_mod.": lambda weights: {f"module._orig_mod.{name}": tensor for name, tensor in weights.items()},
    "both": lambda weights: {"state_dict": {f"_orig_mod.module.{name}": tensor for name, tensor in weights.items()}},
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapping", sorted(_WRAPPINGS))
def test_a_state_dict_that_torch_saved_loads_into_a_given_model(tmp_path, model, wrapping, zipped):
    path = tmp_path / "theirs.pth"
    torch.save(_WRAPPINGS[wrapping](model.state_dict()), path, _use_new_zipfile_serialization=zipped)
    read = read_checkpoint(path)
    assert _same_weights(read.weights, model.state_dict())
    assert (read.spec, read.preprocessing, read.classes, read.kind) == (None, None, (), "model")
    loaded = load_model(path, model=create_model("lenet1"))
    assert _same_weights(loaded.state_dict(), model.state_dict())
    assert not loaded.training


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_plain_safetensors_load_into_a_given_model(tmp_path, model, prefix):
    path = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file({prefix + name: tensor for name, tensor in model.state_dict().items()}, path)
    loaded = load_model(path, model=create_model("lenet1"))
    assert _same_weights(loaded.state_dict(), model.state_dict())


def test_the_only_state_dict_in_a_file_is_found_under_any_name(tmp_path, model):
    path = tmp_path / "theirs.pt"
    torch.save({"ema": model.state_dict(), "epoch": 3}, path)
    assert _same_weights(read_checkpoint(path).weights, model.state_dict())
    torch.save({"generator": model.state_dict(), "critic": model.state_dict()}, path)
    with pytest.raises(
        CheckpointFormatError, match=r"holds several state_dicts, 'generator', 'critic'\. Save the one that"
    ):
        read_checkpoint(path)


def test_the_content_decides_what_a_file_is_and_not_its_name(tmp_path, model):
    path = tmp_path / "torch.safetensors"
    torch.save(model.state_dict(), path)
    assert _same_weights(read_checkpoint(path).weights, model.state_dict())
    path = tmp_path / "safetensors.pt"
    safetensors.torch.save_file(model.state_dict(), path)
    assert _same_weights(read_checkpoint(path).weights, model.state_dict())


def test_a_file_that_does_not_say_its_model_asks_for_it(tmp_path, model):
    path = tmp_path / "theirs.pth"
    torch.save(model.state_dict(), path)
    with pytest.raises(
        CheckpointMismatchError,
        match=r"^the file does not say which model its weights belong to; give it: model=create_model\('lenet5'\)$",
    ):
        load_model(path)


def test_a_model_that_no_factory_made_needs_to_be_given(path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    write_checkpoint(path, _content(model))
    with pytest.raises(CheckpointMismatchError, match="does not say which model"):
        load_model(path)
    loaded = load_model(path, model=nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    assert _same_weights(loaded.state_dict(), model.state_dict())


def test_a_model_whose_factory_is_not_registered_here_says_so(path, model):
    write_checkpoint(path, CheckpointFile(model.state_dict(), spec=ModelSpec("their_net", {"width": 3})))
    assert read_checkpoint(path).spec == ModelSpec("their_net", {"width": 3})
    with pytest.raises(UnknownModelError, match=r"^unknown model 'their_net'\. Available: "):
        load_model(path)
    assert _same_weights(load_model(path, model=create_model("lenet1")).state_dict(), model.state_dict())


def test_a_factory_that_no_longer_takes_an_argument_is_named(path, model):
    write_checkpoint(path, CheckpointFile(model.state_dict(), spec=ModelSpec("lenet1", {"poool": "max"})))
    with pytest.raises(CheckpointFormatError, match=r"unknown argument of lenet1 'poool'; did you mean 'pool'\?"):
        load_model(path)


class _Attack:
    """What a hostile file contains: unpickled, it would write a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.write_text, (Path(self.target), "owned"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_object_is_refused_and_not_run(tmp_path, zipped):
    path, target = tmp_path / "attack.pt", tmp_path / "owned"
    torch.save(_Attack(target), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointFormatError, match=f"^{path} holds pickled Python objects, probably a whole model: "):
        read_checkpoint(path)
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.read_text() == "owned"


@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_pickled_beside_the_weights_is_left_alone(tmp_path, zipped):
    path, target = tmp_path / "attack.pt", tmp_path / "owned"
    content = {"state_dict": {"w": torch.ones(1)}, "more": _Attack(target), "args": argparse.Namespace(lr=0.1)}
    torch.save(content | {"best": np.float64(0.99)}, path, _use_new_zipfile_serialization=zipped)
    assert read_checkpoint(path).weights == {"w": torch.ones(1)}
    assert not target.exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path):
    path, target = tmp_path / "attack.pkl", tmp_path / "owned"
    path.write_bytes(pickle.dumps(_Attack(target), protocol=2))
    with pytest.raises(CheckpointFormatError, match=f"^{path} holds pickled Python objects"):
        read_checkpoint(path)
    assert not target.exists()
    pickle.loads(path.read_bytes())
    assert target.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_pickled_model_is_refused_with_what_to_do(tmp_path, model, zipped):
    path = tmp_path / "model.pt"
    torch.save(model, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointFormatError) as error:
        load_model(path, model=create_model("lenet1"))
    assert str(error.value) == (
        f"{path} holds pickled Python objects, probably a whole model: loading it would run code from the file, and needs "
        "the very classes that it was made with. In the script that made it, save the weights only: "
        "torch.save(model.state_dict(), 'weights.pt')"
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([torch.ones(1)], "list"),
        (torch.ones(1), "Tensor"),
        ({}, "dict"),
        ({"epoch": 3}, "dict"),
        ({"w": torch.ones(1), "epoch": 3}, "dict"),
        ({"state_dict": {}}, "dict"),
        (OrderedDict(a=[torch.ones(1)]), "OrderedDict"),
        ("text", "str"),
        (None, "NoneType"),
    ],
)
def test_a_torch_file_without_a_state_dict_is_refused(tmp_path, value, kind):
    path = tmp_path / "other.pt"
    torch.save(value, path)
    with pytest.raises(CheckpointFormatError, match=f"^{path} holds a {kind}, expected a state_dict: tensors by name$"):
        read_checkpoint(path)


# ---- weights that do not fit --------------------------------------------------------------------------------------


def test_all_that_does_not_fit_is_listed_sorted_and_nothing_is_loaded(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    del weights["fc.0.bias"], weights["conv.0.bias"]
    weights |= {"z": torch.zeros(1), "extra.b": torch.zeros(2, 3)}
    weights |= {"fc.0.weight": torch.zeros(10, 191), "conv.0.weight": torch.zeros(4, 3, 5, 5)}
    with pytest.raises(CheckpointMismatchError) as error:
        load_weights(model, weights)
    assert str(error.value).splitlines() == [
        "the weights do not fit this LeNet:",
        "  missing: conv.0.bias (4,)",
        "  missing: fc.0.bias (10,)",
        "  unexpected: extra.b (2, 3)",
        "  unexpected: z (1,)",
        "  shape: conv.0.weight is (4, 3, 5, 5) in the file and (4, 1, 5, 5) in the model",
        "  shape: fc.0.weight is (10, 191) in the file and (10, 192) in the model",
        "Is it the right model, with the right arguments?",
    ]
    assert _same_weights(model.state_dict(), before)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda weights: weights.pop("fc.0.bias"), "missing: fc.0.bias (10,)"),
        (lambda weights: weights.update(more=torch.ones(2)), "unexpected: more (2,)"),
        (
            lambda weights: weights.update({"fc.0.bias": torch.ones(1, 10)}),
            "shape: fc.0.bias is (1, 10) in the file and (10,) in the model",
        ),
    ],
)
def test_a_single_difference_is_enough(model, change, line):
    weights = dict(model.state_dict())
    change(weights)
    with pytest.raises(CheckpointMismatchError) as error:
        load_weights(create_model("lenet1"), weights)
    assert str(error.value).splitlines()[1:-1] == [f"  {line}"]


def test_the_weights_of_another_model_do_not_fit(path, model):
    write_checkpoint(path, CheckpointFile(model.state_dict(), spec=ModelSpec("lenet1", {"classes": 26})))
    with pytest.raises(
        CheckpointFormatError, match=r"shape: fc\.0\.bias is \(10,\) in the file and \(26,\) in the model"
    ):
        load_model(path)


def test_loading_copies_and_does_not_share(model):
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    other = create_model("lenet1")
    load_weights(other, weights)
    weights["fc.0.bias"].fill_(9.0)
    assert not (other.state_dict()["fc.0.bias"] == 9.0).any()


# ---- devices ------------------------------------------------------------------------------------------------------


def test_a_device_that_is_not_there_is_refused_before_the_file_is_read(tmp_path):
    with pytest.raises(ConfigError, match=r"^'gpu' is not a device: use 'auto', 'cpu'"):
        load_model(tmp_path / "missing", device="gpu")


def test_a_model_goes_to_the_device_that_was_asked_for(path, model, monkeypatch):
    write_checkpoint(path, _content(model))
    assert {p.device.type for p in load_model(path).parameters()} == {"cpu"}
    # It is another device that every machine has, though nothing can be computed there.
    monkeypatch.setattr("mnistkit.checkpoint.file.resolve_device", torch.device)
    assert {p.device.type for p in load_model(path, device="meta").parameters()} == {"meta"}
