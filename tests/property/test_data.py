import gzip
import math

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mnistkit.data import Augment, DigitDataset, Preprocessing, TensorLoader, read_idx, write_idx
from mnistkit.distributed import World
from mnistkit.errors import IdxFormatError

KINDS = ["u1", "i1", "i2", "i4", "f4", "f8"]

idx_arrays = st.sampled_from(KINDS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
)
seeds = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "file"


def dataset(labels, side=2):
    """An image for each label, each image another."""
    images = torch.arange(len(labels) * side * side).view(-1, side, side).remainder(251).to(torch.uint8)
    return DigitDataset.from_arrays(images, labels, white=255, mean_std=((0.1,), (0.3,)))


def array_or_message(path):
    try:
        return read_idx(path)
    except IdxFormatError as error:
        return str(error)


label_lists = st.lists(st.integers(0, 9), min_size=1, max_size=60)


@settings(max_examples=50)
@given(array=idx_arrays, packed=st.booleans())
def test_every_array_survives_a_file(path, array, packed):
    file = path.with_suffix(".gz" if packed else ".idx")
    write_idx(file, array)
    back = read_idx(file, ndim=array.ndim)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert (file.read_bytes()[:2] == b"\x1f\x8b") is packed


@settings(max_examples=50)
@given(array=idx_arrays, data=st.data(), packed=st.booleans())
def test_no_beginning_of_a_file_is_taken_for_the_file(path, array, data, packed):
    file = path.with_suffix(".gz" if packed else ".idx")
    write_idx(file, array)
    content = file.read_bytes()
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(IdxFormatError) as caught:
        read_idx(file)
    assert str(file) in str(caught.value)


@settings(max_examples=50)
@given(array=idx_arrays, more=st.binary(min_size=1, max_size=50), packed=st.booleans())
def test_nothing_may_follow_the_data(path, array, more, packed):
    file = path.with_suffix(".gz" if packed else ".idx")
    write_idx(file, array)
    file.write_bytes(file.read_bytes() + more)
    with pytest.raises(IdxFormatError, match="is too long"):
        read_idx(file)


@settings(max_examples=50)
@given(array=idx_arrays, data=st.data())
def test_a_changed_byte_in_a_gzip_file_never_changes_what_is_read(path, array, data):
    write_idx(path.with_suffix(".gz"), array)
    content = bytearray(path.with_suffix(".gz").read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    back = array_or_message(path)
    # Time stamp and system in gzip's own header mean nothing.
    assert str(path) in back if isinstance(back, str) else back.tobytes() == array.tobytes()


@settings(max_examples=50)
@given(
    head=st.sampled_from(
        [b"", b"\0\0\x08", b"\0\0\x0e\x02", b"\0\0\x08\x03\0\0\0\1", b"\0\0\x09\x01\0\0\0", b"\x1f\x8b\x08"]
    ),
    rest=st.binary(max_size=300),
    packed=st.booleans(),
)
def test_any_bytes_are_an_array_or_an_idx_error(path, head, rest, packed):
    content = head + rest
    path.write_bytes(gzip.compress(content) if packed else content)
    back = array_or_message(path)
    assert str(path) in back if isinstance(back, str) else len(content) == 4 + 4 * back.ndim + back.nbytes


@settings(max_examples=50)
@given(
    images=arrays.arrays("u1", arrays.array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=4)),
    kind=st.sampled_from(["f2", "f4", "f8"]),
)
def test_bytes_and_their_fractions_are_the_same_images(images, kind):
    labels = [0] * len(images)
    channels = images.shape[1] if images.ndim == 4 else 1
    moments = (0.1,) * channels, (0.3,) * channels
    ours = DigitDataset.from_arrays(images, labels, white=255, mean_std=moments)
    theirs = DigitDataset.from_arrays((images / 255).astype(kind), labels, mean_std=moments)
    assert torch.equal(ours.images, theirs.images)
    assert ours.fingerprint == theirs.fingerprint
    assert ours.images.shape == (len(images), channels, *images.shape[-2:])


@settings(max_examples=50)
@given(labels=label_lists, data=st.data(), seed=seeds)
def test_a_stratified_split_divides_every_class_by_its_share(labels, data, seed):
    whole = dataset(labels)
    count = data.draw(st.integers(0, len(labels) - 1))
    numbered = DigitDataset.from_arrays(torch.rand(len(labels), 1, 1), labels, mean_std=((0.1,), (0.3,)))
    rest, part = whole.stratified_split(count, seed)
    assert (len(rest), len(part)) == (len(labels) - count, count)
    assert sorted(rest.labels.tolist() + part.labels.tolist()) == sorted(labels)
    present, taken = (torch.bincount(d.labels, minlength=10) for d in (whole, part))
    assert ((taken - present * count / len(labels)).abs() < 1).all()
    again = numbered.stratified_split(count, seed)
    assert [d.labels.tolist() for d in again] == [rest.labels.tolist(), part.labels.tolist()]


@settings(max_examples=50)
@given(labels=label_lists, data=st.data(), seed=seeds)
def test_a_split_is_disjoint_and_in_order(labels, data, seed):
    positions = torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1)
    numbered = DigitDataset.from_arrays(positions, labels, white=255, mean_std=((0.1,), (0.3,)))
    rest, part = numbered.stratified_split(data.draw(st.integers(0, len(labels) - 1)), seed)
    ours, theirs = (d.images.flatten().tolist() for d in (rest, part))
    assert ours == sorted(ours)
    assert theirs == sorted(theirs)
    assert sorted(ours + theirs) == list(range(len(labels)))


@settings(max_examples=50)
@given(labels=label_lists, data=st.data())
def test_choosing_follows_numpy(labels, data):
    whole = dataset(labels)
    size = len(labels)
    index = data.draw(
        st.one_of(
            st.lists(st.integers(-size, size - 1), max_size=20),
            arrays.arrays("i8", st.integers(0, 9), elements=st.integers(-size, size - 1)),
            arrays.arrays(bool, size),
            st.slices(size).filter(lambda s: s.step is None or s.step > 0),
        )
    )
    expected = np.asarray(labels)[index] if len(np.asarray(labels)[index]) else np.asarray([], dtype=int)
    assert whole[index].labels.tolist() == expected.tolist()
    np.testing.assert_array_equal(whole[index].images, whole.images.numpy()[index])
    if isinstance(index, np.ndarray):
        assert whole[torch.from_numpy(index)].labels.tolist() == expected.tolist()


@settings(max_examples=40)
@given(
    count=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    size=st.integers(1, 5),
    shuffle=st.booleans(),
    seed=seeds,
    epoch=st.integers(0, 99),
)
def test_the_ranks_share_the_images_among_them(count, batch_size, size, shuffle, seed, epoch):
    assume(count >= size or not shuffle)
    images = dataset([i % 10 for i in range(count)])
    loaders = [TensorLoader(images, batch_size, shuffle=shuffle, seed=seed, world=World(r, size)) for r in range(size)]
    orders = [loader.order(epoch).tolist() for loader in loaders]
    together = [position for order in orders for position in order]
    assert len(set(together)) == len(together) == (count - count % size if shuffle else count)
    assert set(together) <= set(range(count))
    if shuffle:
        assert len({len(order) for order in orders}) == 1
    for loader, order in zip(loaders, orders, strict=True):
        batches = [batch.labels.tolist() for batch in loader.batches(epoch)]
        # In training one image left over joins the batch before it.
        joins = shuffle and 1 < batch_size < len(order) and len(order) % batch_size == 1
        assert len(batches) == len(loader) == math.ceil(len(order) / batch_size) - joins
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert [label for batch in batches for label in batch] == [position % 10 for position in order]


@settings(max_examples=25)
@given(count=st.integers(1, 40), batch_size=st.integers(1, 20), epoch=st.integers(0, 9), seed=seeds, data=st.data())
def test_every_batch_can_be_made_without_those_before_it(count, batch_size, epoch, seed, data):
    images = dataset([i % 10 for i in range(count)], side=6)
    augment = Augment(rotate=20, shift=1, elastic=0.5, ink=0.5, erase=0.5)
    loader = TensorLoader(images, batch_size, shuffle=True, seed=seed, augment=augment)
    whole = list(loader.batches(epoch))
    start = data.draw(st.integers(0, len(loader)))
    tail = list(loader.batches(epoch, start))
    assert len(tail) == len(whole) - start
    for ours, theirs in zip(tail, whole[start:], strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.labels, theirs.labels)


@settings(max_examples=40)
@given(
    augment=st.builds(
        Augment,
        rotate=st.floats(0, 360),
        scale=st.floats(0, 0.9),
        shear=st.floats(0, 80),
        shift=st.floats(0, 30),
        elastic=st.floats(0, 20),
        smoothness=st.floats(1, 50),
        ink=st.floats(0, 5),
        erase=st.floats(0, 1),
    ),
    shape=st.tuples(st.integers(1, 4), st.sampled_from([1, 3]), st.integers(1, 33), st.integers(1, 33)),
    seed=seeds,
)
def test_any_augmentation_keeps_shape_and_range(augment, shape, seed):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    before = images.clone()
    changed, again = (augment(images, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert changed.shape == shape
    assert changed.dtype == torch.float32
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-5
    assert torch.equal(changed, again)
    assert torch.equal(images, before)


unit = st.floats(0, 1, allow_subnormal=False)


@settings(max_examples=50)
@given(
    moments=st.lists(st.tuples(unit, st.floats(0.01, 1)), min_size=1, max_size=4),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    flat=st.booleans(),
    framing=st.sampled_from(["mnist", "resize"]),
    steps=st.lists(st.tuples(st.just("resize"), st.integers(1, 12)), max_size=2),
    data=st.data(),
)
def test_preprocessing_gives_the_shape_it_promises_and_can_be_undone(moments, size, flat, framing, steps, data):
    mean, std = (tuple(column) for column in zip(*moments, strict=True))
    preprocessing = Preprocessing(mean, std, size, framing, tuple(steps), flat)
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing
    frames = torch.randint(0, 256, (3, len(mean), *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shaped = torch.from_numpy(preprocessing.reshape(frames.numpy()))
    seen = preprocessing.normalize(shaped)
    assert seen.shape == (3, *preprocessing.input_shape)
    scale, shift = (torch.tensor(values).view(-1, 1, 1) for values in (std, mean))
    torch.testing.assert_close((seen.view(shaped.shape) * scale + shift) * 255, shaped.float(), atol=1e-2, rtol=0)
