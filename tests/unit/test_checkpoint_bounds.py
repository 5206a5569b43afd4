"""Checkpoints of strangers: nothing is allocated, run or believed because a file says so."""

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.ao import quantization

from mnistkit.checkpoint import CheckpointFile, load_model, load_weights, read_checkpoint, write_checkpoint
from mnistkit.errors import CheckpointError, CheckpointFormatError, CheckpointMismatchError, ConfigError
from mnistkit.models import ModelSpec, create_model, model_spec, register_model
from mnistkit.training.saved_state import require_usable

ROOT = Path(__file__).parents[2]
OLD_FILES = Path(__file__).parent / "checkpoints"
# The memory that loading takes above what the process had, in MB.
LOAD = """
import sys, torch
import mnistkit.cli
from mnistkit import load_model
from mnistkit.errors import MnistkitError
from tests.peak import peak_memory
before = peak_memory()
for path in sys.argv[1:]:
    try:
        load_model(path)
        print("loaded", path)
    except MnistkitError as error:
        print(type(error).__name__)
print((peak_memory() - before) / 1e6)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def model():
    return create_model("lenet1")


def _same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# ---- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_of_every_version_stays_readable(version):
    read = read_checkpoint(OLD_FILES / f"version-{version}.safetensors")
    model = read.build()
    assert model_spec(model) == read.spec
    assert read.spec.arguments["hidden"] == [3]
    assert torch.equal(model.layers[0].bias, torch.tensor([-1.0, -0.875, -0.75]))
    assert (read.preprocessing.size, read.preprocessing.geometry) == ((4, 4), (("resize", 4),))
    assert (read.classes, read.metrics["val_accuracy"], read.data["count"]) == (("nought", "one", "三"), 0.75, 7)
    assert read.calibration.acceptance == ((0.5, 2.0), (0.9, 1.0))
    assert read.training["pair"] == (1, "x")
    assert torch.equal(read.training["states"][0]["exp_avg"], torch.arange(3.0))


# ---- bits -------------------------------------------------------------------------------------------------------------


def test_no_bit_can_change_unnoticed(tmp_path):
    path, data = tmp_path / "x.safetensors", (OLD_FILES / "version-2.safetensors").read_bytes()
    read_checkpoint(OLD_FILES / "version-2.safetensors")
    for place in range(0, 8 * len(data), 7):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointFormatError):
            read_checkpoint(path)


def test_weights_are_the_readers_own(path, model):
    write_checkpoint(path, CheckpointFile(model.state_dict()))
    read = read_checkpoint(path).weights
    path.write_bytes(bytes(path.stat().st_size))
    assert _same(read, model.state_dict())
    assert len({tensor.untyped_storage().data_ptr() for tensor in read.values()}) == len(read)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_neither_written_nor_read(path, model, number):
    write_checkpoint(path, CheckpointFile(model.state_dict()))
    before = path.read_bytes()
    spoilt = model.state_dict() | {"conv.0.bias": torch.full((4,), number)}
    with pytest.raises(CheckpointFormatError, match=r"^the model has NaN or infinity in conv\.0\.bias: "):
        write_checkpoint(path, CheckpointFile(spoilt))
    assert path.read_bytes() == before
    torch.save(spoilt, path)
    with pytest.raises(CheckpointFormatError, match=rf"^{path} has NaN or infinity in conv\.0\.bias: "):
        read_checkpoint(path)
    with pytest.raises(CheckpointFormatError, match="NaN or infinity"):
        load_weights(model, spoilt)


@pytest.mark.filterwarnings(
    "ignore:.*torch.ao.quantization is deprecated", "ignore:.*are deprecated and will be removed"
)
def test_a_network_of_8_bits_is_not_written(path):
    converted = quantization.quantize_dynamic(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), {nn.Linear})
    with pytest.raises(
        CheckpointError, match=r"^cannot save model/1\..*: a checkpoint holds dense tensors, not a .* saved before"
    ):
        write_checkpoint(path, CheckpointFile(converted.state_dict()))
    assert not path.exists()


# ---- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.processes
def test_a_small_file_cannot_take_much_memory(tmp_path, forked):
    weights, paths = create_model("mlp").state_dict(), []
    for number, hidden in enumerate(([20_000] * 3, [1] * 9_000, [10**9], [10**30])):
        paths.append(tmp_path / f"{number}.safetensors")
        write_checkpoint(paths[-1], CheckpointFile(weights, spec=ModelSpec("mlp", {"hidden": hidden})))
    bomb = tmp_path / "bomb.pt"
    torch.save(weights, bomb)
    with zipfile.ZipFile(bomb) as source, zipfile.ZipFile(tmp_path / "bomb2.pt", "w", zipfile.ZIP_DEFLATED) as target:
        for record in source.infolist():
            target.writestr(record, source.read(record) + bytes(4 * 10**7), zipfile.ZIP_DEFLATED)
    wide = tmp_path / "wide.pt"
    torch.save({"w": torch.ones(1).expand(10**9)}, wide)
    *answers, grown = forked.run("-c", LOAD, *paths, tmp_path / "bomb2.pt", wide, cwd=ROOT).stdout.split()
    assert answers == ["CheckpointFormatError"] * 6
    assert float(grown) < 300


def test_a_compressed_archive_is_not_unpacked(tmp_path):
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save(create_model("softmax_regression").state_dict(), plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for record in source.infolist():
            target.writestr(record.filename, source.read(record) + bytes(1000 * (record.filename[-2:] == "/0")))
    with pytest.raises(CheckpointFormatError, match="is compressed, or its records overlap"):
        read_checkpoint(packed)


@pytest.mark.usefixtures("own_models")
def test_a_model_that_looks_at_numbers_is_built_within_bounds(path):
    @register_model
    def looking(*, width: int = 4, table: int = 4) -> nn.Linear:
        layer = nn.Linear(width, width)
        layer.table = torch.zeros(table)
        layer.norm = float(layer.weight.detach().norm())
        return layer

    write_checkpoint(path, CheckpointFile(looking(width=5).state_dict(), spec=ModelSpec("looking", {"width": 5})))
    assert load_model(path).norm > 0
    for arguments in ({"width": 10**5}, {"width": 5, "table": 10**9}):
        write_checkpoint(path, CheckpointFile(looking(width=5).state_dict(), spec=ModelSpec("looking", arguments)))
        with pytest.raises(CheckpointFormatError, match="far larger than the weights in the file"):
            load_model(path)


def test_loading_draws_no_random_numbers(path, model):
    write_checkpoint(path, CheckpointFile(model.state_dict(), spec=model_spec(model)))
    before = torch.get_rng_state()
    load_model(path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "arguments",
    [{"name": "mlp"}, {"activation": {}}, {"hidden": None}, {"hidden": [-1]}, {"classes": "ten"}, {"dropout": -1}],
)
def test_arguments_that_no_factory_takes_are_refused(path, arguments):
    write_checkpoint(path, CheckpointFile(create_model("mlp").state_dict(), spec=ModelSpec("mlp", arguments)))
    with pytest.raises(CheckpointFormatError, match=r"^the file's model mlp cannot be made with its arguments: "):
        load_model(path)


def test_more_arguments_than_a_model_has_are_refused(path, model):
    for most in ({"hidden": [1] * 9_999}, {"a": {"b": [[0] * 4_998, [1] * 4_998]}}):
        write_checkpoint(path, CheckpointFile(model.state_dict(), spec=ModelSpec("mlp", most)))
        assert read_checkpoint(path).spec.arguments == most
        write_checkpoint(path, CheckpointFile(model.state_dict(), spec=ModelSpec("mlp", most | {"one": "more"})))
        with pytest.raises(CheckpointFormatError, match="the model has more than 10,000 arguments"):
            read_checkpoint(path)


# ---- files of others --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["model.", "net.", "module.", "_orig_mod.", "a.b."])
def test_what_all_names_begin_with_does_not_matter(tmp_path, model, prefix):
    path = tmp_path / "theirs.ckpt"
    torch.save({"state_dict": {prefix + name: value for name, value in model.state_dict().items()}, "epoch": 1}, path)
    assert _same(load_model(path, model=create_model("lenet1")).state_dict(), model.state_dict())


def test_the_weights_of_pytorchs_own_example_load(tmp_path):
    model = create_model("example_cnn")
    names = dict(zip(["conv.0", "conv.2", "fc.0", "fc.3"], ["conv1", "conv2", "fc1", "fc2"], strict=True))
    theirs = {names[key.rpartition(".")[0]] + "." + key.rpartition(".")[2]: v for key, v in model.state_dict().items()}
    torch.save(theirs, tmp_path / "mnist_cnn.pt")
    loaded = load_model(tmp_path / "mnist_cnn.pt", model=create_model("example_cnn"))
    assert _same(loaded.state_dict(), model.state_dict())


def test_layers_of_one_shape_are_not_guessed():
    theirs = {"a.weight": torch.zeros(2, 2), "b.weight": torch.ones(2, 2)}
    with pytest.raises(CheckpointMismatchError, match=r"missing: 0\.weight"):
        load_weights(nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)), theirs)


def test_a_parallel_model_is_saved_with_its_name(model):
    assert model_spec(nn.DataParallel(model)) == model_spec(model)


def test_a_long_list_of_differences_is_cut(model):
    with pytest.raises(CheckpointMismatchError) as error:
        load_weights(model, {f"layer{number}.weight": torch.ones(1) for number in range(30)})
    assert "and 26 more" in str(error.value)
    assert len(str(error.value).splitlines()) <= 12


def _saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"{}")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_zipped("config.json", "model.weights.h5"), "is a Keras model"),
        (_zipped("m/data.pkl", "m/code/__torch__.py"), "is a TorchScript program"),
        (_zipped("arr_0.npy"), "is NumPy arrays"),
        (_zipped("a.txt"), "is a zip archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file, as Keras writes"),
        (b"\x08\x0a\x12\x07pytorch" + bytes(100), "is an ONNX model"),
        (b"\x93NUMPY\x01\x00" + bytes(100), "is a NumPy array"),
        (_saved({"w": torch.eye(2).to_sparse()}), "holds torch._utils._rebuild_sparse_tensor as 'w', expected dense"),
        (_saved({"w": np.zeros(2)}), "holds numpy.* as 'w', expected dense"),
        (_saved(argparse.Namespace(a=1)), "holds pickled Python objects"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(tmp_path, content, message):
    path = tmp_path / "theirs.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointFormatError, match=message):
        read_checkpoint(path)


def test_a_file_of_an_old_torch_that_ends_inside_a_tensor_is_damaged(tmp_path, model):
    path = tmp_path / "theirs.pt"
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    assert _same(load_model(path, model=create_model("lenet1")).state_dict(), model.state_dict())
    path.write_bytes(whole[:-1])
    with pytest.raises(CheckpointFormatError, match="it ends inside a tensor"):
        read_checkpoint(path)


def test_a_model_without_memory_asks_for_some(model):
    with pytest.raises(ConfigError, match="on the meta device"):
        load_weights(create_model("lenet1").to("meta"), model.state_dict())


# ---- the state of an optimizer ----------------------------------------------------------------------------------------


def _stepped(kind, **options):
    layer = nn.Linear(3, 2)
    optimizer = kind(layer.parameters(), lr=0.1, **options)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    "kind", [torch.optim.Adam, torch.optim.SGD, torch.optim.Adafactor, torch.optim.NAdam, torch.optim.ASGD]
)
def test_a_good_state_is_accepted_and_the_optimizer_left_as_it_was(kind):
    optimizer = _stepped(kind)
    before = [weight.clone() for weight in optimizer.param_groups[0]["params"]]
    require_usable(optimizer, optimizer.state_dict(), "here")
    assert all(map(torch.equal, before, optimizer.param_groups[0]["params"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["state"][0].update(exp_avg=torch.zeros(1)),
        lambda state: state["state"][0].update(step=torch.zeros(1, dtype=torch.int64)),
        lambda state: state["state"][0].pop("exp_avg_sq"),
        lambda state: state["state"].update({7: state["state"][0]}),
        lambda state: state["state"].update({0: None}),
        lambda state: state["param_groups"][0].update(params=[1, 0]),
        lambda state: state["param_groups"][0].update(betas="x"),
        lambda state: state["param_groups"][0].pop("lr"),
        lambda state: state["param_groups"].append(state["param_groups"][0]),
        lambda state: state["state"][0].update(exp_avg=torch.full((2, 3), float("nan"))),
        lambda state: state.clear(),
    ],
)
@pytest.mark.parametrize("fused", [True, False])
def test_a_state_of_another_form_is_refused_before_it_is_used(change, fused):
    optimizer = _stepped(torch.optim.Adam, fused=fused)
    state = optimizer.state_dict()
    state["state"] = {key: dict(value) for key, value in state["state"].items()}
    state["param_groups"] = [dict(group) for group in state["param_groups"]]
    change(state)
    with pytest.raises(CheckpointFormatError, match=r"^training/optimizers/x "):
        require_usable(optimizer, state, "training/optimizers/x")
