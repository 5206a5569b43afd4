import json
import math

import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistkit.checkpoint.packing import pack, storable, unpack

_DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
]


@st.composite
def _tensors(draw):
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    dtype = draw(st.sampled_from(_DTYPES))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    tensor = torch.randint(0, 100, shape, generator=generator).to(dtype)
    if dtype.is_floating_point and tensor.numel() and draw(st.booleans()):
        tensor.view(-1)[0] = draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    return tensor.mT if len(shape) >= 2 and draw(st.booleans()) else tensor


# With all that a codec has, hypothesis first makes a table of it, for seconds.
_letters = st.characters(exclude_categories=["Cs"])
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(_letters, max_size=8)
# None of these is equal to another of another type, as 1 and True are.
_keys = (
    st.text(_letters, max_size=6)
    | st.integers(2)
    | st.just("$tensor")
    | st.just("a/b")
    | st.tuples(st.integers(2), st.text(_letters))
)
_states = st.recursive(
    _scalars | _tensors(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(_keys, inner, max_size=4)
        | st.dictionaries(st.sampled_from(["$tuple", "$items", "$float", "$tensor"]), inner, max_size=2)
    ),
    max_leaves=12,
)


def _bits(tensor):
    return tensor.contiguous().flatten().view(torch.uint8)


def _same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(_bits(a), _bits(b))
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, dict):
        return (
            list(a) == list(b)
            and all(type(k) is type(m) for k, m in zip(a, b, strict=True))
            and _all_same(a.values(), b.values())
        )
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and _all_same(a, b)
    return a == b


def _all_same(a, b):
    return all(_same(x, y) for x, y in zip(a, b, strict=True))


@settings(max_examples=100)
@given(_states)
def test_any_nested_state_comes_back_from_json_and_safetensors_as_it_was(state):
    tensors = {}
    text = json.dumps(pack(state, "state", tensors), allow_nan=False)
    stored = safetensors.torch.load(safetensors.torch.save(storable(tensors)))
    assert _same(unpack(json.loads(text), stored), state)


@settings(max_examples=50)
@given(_states)
def test_every_tensor_of_a_state_gets_a_name_of_its_own(state):
    def count(value):
        if isinstance(value, dict):
            return sum(map(count, value.values()))
        if isinstance(value, (list, tuple)):
            return sum(map(count, value))
        return isinstance(value, torch.Tensor)

    tensors = {}
    pack(state, "state", tensors)
    assert len(tensors) == count(state)


@settings(max_examples=50)
@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 12)), min_size=1, max_size=6))
def test_views_of_one_tensor_are_stored_with_their_own_values(rows, cuts):
    base = torch.arange(rows * 12).view(rows, 12)
    views = {str(index): base[:, min(cut) : max(cut)] for index, cut in enumerate(cuts)}
    stored = safetensors.torch.load(safetensors.torch.save(storable(views)))
    assert all(torch.equal(stored[name], view) for name, view in views.items())
