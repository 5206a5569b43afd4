import json
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mnistkit._core.json import to_tuples
from mnistkit.checkpoint.packing import pack, storable, unpack
from mnistkit.errors import CheckpointError


def _round_trip(value):
    tensors = {}
    text = json.dumps(pack(value, "state", tensors), allow_nan=False)
    return unpack(json.loads(text), tensors)


def test_plain_values_are_plain_json():
    value = {"a": [1, 2.5, "x", True, None], "b": {"c": -3}}
    assert pack(value, "state", {}) == value


def test_tensors_are_named_by_their_place():
    tensors = {}
    first, second = torch.zeros(2), torch.ones(3)
    packed = pack({"m": [first, {"n": second}]}, "opt", tensors)
    assert packed == {"m": [{"$tensor": "opt/m/0"}, {"n": {"$tensor": "opt/m/1/n"}}]}
    assert tensors == {"opt/m/0": first, "opt/m/1/n": second}


def test_two_places_of_one_path_keep_their_own_tensors():
    value = {1: torch.tensor(1), "1": torch.tensor(2), "a/b": torch.tensor(3), "a": {"b": torch.tensor(4)}}
    assert {str(key): key for key in _round_trip(value)}.keys() == {"1", "a/b", "a"}
    restored = _round_trip(value)
    assert [int(restored[1]), int(restored["1"]), int(restored["a/b"]), int(restored["a"]["b"])] == [1, 2, 3, 4]


def test_the_state_of_an_optimizer_survives():
    parameters = [torch.nn.Parameter(torch.randn(3)), torch.nn.Parameter(torch.randn(2, 2))]
    optimizer = torch.optim.AdamW([{"params": parameters[:1], "lr": 0.1}, {"params": parameters[1:]}], amsgrad=True)
    sum(p.square().sum() for p in parameters).backward()
    optimizer.step()
    saved = optimizer.state_dict()
    restored = _round_trip(saved)
    assert restored["param_groups"] == saved["param_groups"]
    assert restored["param_groups"][0]["betas"] == (0.9, 0.999)
    assert restored["state"].keys() == {0, 1}
    for index in (0, 1):
        assert restored["state"][index].keys() == saved["state"][index].keys()
        assert all(torch.equal(restored["state"][index][k], v) for k, v in saved["state"][index].items())


@pytest.mark.parametrize("key", ["$tensor", "$tuple", "$items", "$float", "$", "$anything"])
def test_a_key_that_looks_like_the_formats_own_is_only_a_key(key):
    for value in ({key: "x"}, {key: [1, 2]}, {key: {key: (1,)}}):
        assert _round_trip(value) == value


def test_no_number_comes_back_as_another():
    values = [float("inf"), float("-inf"), -0.0, 5e-324, 0.1 + 0.2, 2**70, 1.0, 1, True]
    restored = _round_trip(values)
    assert [(type(a), repr(a)) for a in restored] == [(type(a), repr(a)) for a in values]
    nan = _round_trip({"a": float("nan")})["a"]
    assert nan != nan


def test_numpys_floats_are_floats():
    assert _round_trip([np.float64(0.1), np.float64("inf"), np.float64("-inf")]) == [0.1, float("inf"), float("-inf")]
    assert np.isnan(_round_trip(np.float64("nan")))


def test_an_ordered_dict_keeps_its_order():
    assert list(_round_trip(OrderedDict(b=1, a=2))) == ["b", "a"]
    assert list(_round_trip({2: "x", 1: "y"})) == [2, 1]


@pytest.mark.parametrize(
    ("value", "place", "kind"),
    [
        ({"a": [1, {2, 3}]}, "callbacks/a/1", "set"),
        (object(), "callbacks", "object"),
        ({1: np.int64(3)}, "callbacks/1", "int64"),
        ((1, b"bytes"), "callbacks/1", "bytes"),
        ({frozenset(): 1}, "callbacks", "frozenset"),
        ({"f": print}, "callbacks/f", "builtin_function_or_method"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_its_place(value, place, kind):
    with pytest.raises(CheckpointError) as error:
        pack(value, "callbacks", {})
    assert str(error.value) == (
        f"cannot save {place}: a checkpoint holds numbers, strings, lists, tuples, dicts and tensors, not {kind}"
    )


def test_a_file_without_the_tensor_that_it_speaks_of_is_damaged():
    with pytest.raises(KeyError, match="gone"):
        unpack({"a": {"$tensor": "gone"}}, {})


def test_storable_tensors_are_on_the_cpu_contiguous_and_without_gradient():
    stored = storable({"a": torch.randn(3, 4, requires_grad=True).T, "b": torch.randn(2, 3, 4, 4).permute(0, 2, 3, 1)})
    for tensor in stored.values():
        assert tensor.is_contiguous()
        assert not tensor.requires_grad
        assert tensor.device.type == "cpu"


def test_storable_tensors_own_just_their_own_memory():
    base = torch.arange(10.0)
    stored = storable({"all": base, "tied": base, "part": base[2:4], "view": base.view(2, 5), "empty": base[:0]})
    assert len({tensor.untyped_storage().data_ptr() for name, tensor in stored.items() if name != "empty"}) == 4
    for name, tensor in stored.items():
        assert tensor.untyped_storage().nbytes() == tensor.numel() * 4, name
    assert torch.equal(stored["part"], torch.tensor([2.0, 3.0]))
    assert torch.equal(stored["view"], base.view(2, 5))


def test_a_view_of_a_larger_tensor_leaves_the_rest_behind():
    assert storable({"part": torch.arange(1000)[3:5]})["part"].untyped_storage().nbytes() == 16


def test_a_tensor_that_can_be_stored_as_it_is_is_not_copied():
    tensor = torch.zeros(1000)
    assert storable({"a": tensor})["a"].data_ptr() == tensor.data_ptr()


@pytest.mark.parametrize(
    ("tensor", "what"),
    [
        (torch.eye(2).to_sparse(), "a tensor of layout torch.sparse_coo"),
        (torch.int8, "a dtype"),
        (torch.empty(2, device="meta"), r"a tensor without data \(on the meta device\)"),
    ],
)
def test_what_is_no_dense_tensor_is_refused_by_name(tensor, what):
    with pytest.raises(CheckpointError, match=f"^cannot save model/w: a checkpoint holds dense tensors, not {what}; "):
        storable({"model/w": tensor})


def test_what_json_made_lists_of_are_tuples_again_at_every_depth():
    arguments = (("crop", 20), ("resize", 28), (), 3, "text", None)
    assert to_tuples(json.loads(json.dumps(arguments))) == arguments
