from typing import NamedTuple

import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset
from torchvision.transforms import v2

from mnistkit.data import Augment, CombinedLoader, DigitDataset, LoaderAdapter, TensorLoader
from mnistkit.distributed import World
from mnistkit.errors import ConfigError, DataError

AUGMENT = Augment(rotate=10, shift=2, elastic=1, ink=0.5, erase=0.3)


def equal(ours, theirs):
    ours, theirs = list(ours), list(theirs)
    return len(ours) == len(theirs) and all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) for a, b in zip(ours, theirs, strict=True)
    )


def test_batches_are_the_images_in_order_normalised_as_torchvision_does(small):
    transform = v2.Compose(
        [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(small.train.mean), list(small.train.std))]
    )
    loader = TensorLoader(small.train, 64)
    batches = list(loader)
    assert [len(batch.labels) for batch in batches] == [64, 64, 64, 64, 44]
    assert len(loader) == 5
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert images.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert torch.equal(labels, small.train.labels)
    torch.testing.assert_close(images, transform(small.train.images), atol=1e-6, rtol=0)


def test_colour_images_are_normalised_channel_by_channel():
    dataset = DigitDataset.from_arrays(torch.rand(20, 3, 8, 6) * torch.tensor([0.2, 0.5, 1.0]).view(3, 1, 1), [0] * 20)
    transform = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(dataset.mean), list(dataset.std))])
    for augment in (None, Augment()):
        (images, _) = next(TensorLoader(dataset, 20, augment=augment).batches())
        torch.testing.assert_close(images, transform(dataset.images), atol=1e-5, rtol=0)


def test_flat_data_gives_flat_batches(small):
    flat = small.train.crop(20).flatten()
    for augment in (None, AUGMENT):
        assert next(TensorLoader(flat, 10, augment=augment).batches()).images.shape == (10, 400)


def test_a_batch_equals_the_items_of_the_data_set(small):
    loader = TensorLoader(small.train, 32, shuffle=True, seed=5)
    batch = next(loader.batches(epoch=2))
    items = [small.train[int(position)] for position in loader.order(2)[:32]]
    assert torch.equal(batch.images, torch.stack([image for image, _ in items]))
    assert batch.labels.tolist() == [label for _, label in items]


def test_the_order_depends_on_seed_and_epoch_alone(small):
    def order(epoch, seed=0, batch_size=64):
        return TensorLoader(small.train, batch_size, shuffle=True, seed=seed).order(epoch).tolist()

    first = order(1)
    assert sorted(first) == list(range(300))
    torch.manual_seed(123)
    assert order(1) == order(1, batch_size=7) == first
    assert len({tuple(o) for o in (first, order(0), order(2), order(1, seed=1), order(0, seed=1))}) == 5


def test_neighbouring_seeds_and_epochs_do_not_share_an_order(small):
    orders = {
        tuple(TensorLoader(small.train, shuffle=True, seed=seed).order(epoch).tolist())
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(orders) == 16


def test_torchs_own_generator_is_not_touched(small):
    before = torch.get_rng_state()
    list(TensorLoader(small.test, 32, shuffle=True, augment=AUGMENT))
    assert torch.equal(torch.get_rng_state(), before)


def test_unshuffled_data_come_in_the_same_order_each_epoch(small):
    loader = TensorLoader(small.train, 64)
    assert loader.order(0).tolist() == loader.order(7).tolist() == list(range(300))


@pytest.mark.parametrize("augment", [None, AUGMENT], ids=["plain", "augmented"])
@pytest.mark.parametrize("start", [0, 1, 3, 4, 5, 9])
def test_starting_later_gives_the_tail_of_the_epoch(small, augment, start):
    loader = TensorLoader(small.train, 64, shuffle=True, seed=3, augment=augment, world=World(1, 2))
    whole = list(loader.batches(4))
    assert len(whole) == len(loader) == 3
    assert equal(loader.batches(4, start), whole[start:])


def test_two_passes_over_one_epoch_are_alike_and_over_two_are_not(small):
    loader = TensorLoader(small.test, 64, augment=AUGMENT)
    assert equal(loader.batches(3), loader.batches(3))
    assert equal(loader, loader.batches(0))
    assert not equal(loader.batches(3), loader.batches(4))


def test_augmentation_differs_between_seeds_batches_and_ranks():
    alike = DigitDataset.from_arrays(torch.linspace(0, 1, 784).view(1, 28, 28).expand(8, -1, -1).contiguous(), [0] * 8)

    def first(seed=0, rank=0, number=0):
        loader = TensorLoader(alike, 2, seed=seed, augment=AUGMENT, world=World(rank, 2))
        return next(loader.batches(0, number)).images

    drawn = [first(), first(seed=1), first(rank=1), first(number=1)]
    assert torch.equal(first(), drawn[0])
    for position, one in enumerate(drawn):
        assert not any(torch.equal(one, other) for other in drawn[:position])


def test_an_augmentation_sees_unit_range_images_and_a_cpu_generator(small):
    seen = []

    def invert(images, generator):
        seen.append((images.dtype, images.min().item(), images.max().item(), generator.device.type))
        return 1 - images

    batch = next(TensorLoader(small.test, 100, augment=invert).batches())
    assert seen == [(torch.float32, 0.0, 1.0, "cpu")]
    expected = small.test.preprocessing.normalize(255 - small.test.images)
    torch.testing.assert_close(batch.images, expected, atol=1e-5, rtol=0)


def test_the_data_set_is_not_changed_by_what_is_done_to_a_batch(small):
    before = small.test.fingerprint, small.test.images.clone()
    loader = TensorLoader(small.test, 100)
    for batch in (next(loader.batches()), next(TensorLoader(small.test, 100, augment=Augment()).batches())):
        batch.images.zero_()
        batch.labels.zero_()
    assert torch.equal(small.test.images, before[1])
    assert next(loader.batches()).labels.tolist() == small.test.labels.tolist()


@pytest.mark.parametrize("size", [2, 3, 7])
def test_shuffled_ranks_are_disjoint_and_equally_many(small, size):
    loaders = [TensorLoader(small.train, 16, shuffle=True, world=World(rank, size)) for rank in range(size)]
    orders = [loader.order(1).tolist() for loader in loaders]
    assert {len(order) for order in orders} == {300 // size}
    assert len({len(loader) for loader in loaders}) == 1
    together = [position for order in orders for position in order]
    assert len(set(together)) == len(together)
    assert len(together) == 300 - 300 % size


def test_the_images_left_out_are_others_each_epoch(small):
    loaders = [TensorLoader(small.train, 16, shuffle=True, world=World(rank, 7)) for rank in range(7)]

    def left_out(epoch):
        return set(range(300)).difference(*(loader.order(epoch).tolist() for loader in loaders))

    assert len(left_out(1)) == len(left_out(2)) == 6
    assert left_out(1) != left_out(2)


@pytest.mark.parametrize("size", [2, 3, 7])
def test_unshuffled_ranks_leave_nothing_out(small, size):
    loaders = [TensorLoader(small.train, 16, world=World(rank, size)) for rank in range(size)]
    together = sorted(position for loader in loaders for position in loader.order(0).tolist())
    assert together == list(range(300))
    for loader in loaders:
        assert len(list(loader)) == len(loader)


@pytest.mark.parametrize("count", [1, 2])
def test_a_rank_without_an_image_to_evaluate_has_no_batches(small, count):
    loader = TensorLoader(small.test[:count], world=World(2, 3))
    assert len(loader) == 0
    assert list(loader) == []


@pytest.mark.parametrize(("count", "shuffle", "size"), [(0, False, 1), (0, True, 1), (2, True, 3), (0, False, 3)])
def test_too_few_images_are_refused(small, count, shuffle, size):
    among = f" for each of {size} processes" if size > 1 else ""
    with pytest.raises(
        DataError,
        match=rf"DigitDataset\(mnist train: {count} images.*has too few images: expected at least one{among}$",
    ):
        TensorLoader(small.train[:count], shuffle=shuffle, world=World(0, size))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_without_images_is_refused(small, batch_size):
    with pytest.raises(ConfigError, match=f"batch_size is {batch_size}, expected at least 1"):
        TensorLoader(small.train, batch_size)


def test_the_batches_are_on_the_device_asked_for(small):
    loader = TensorLoader(small.test, 10, device="meta")
    assert loader.device == torch.device("meta")
    (images, labels) = next(loader.batches())
    assert images.device.type == labels.device.type == "meta"
    assert images.shape == (10, 1, 28, 28)
    assert small.test.images.device.type == "cpu"


def pairs(count=10, labels=None):
    return TensorDataset(torch.randn(count, 1, 4, 4), torch.arange(count) if labels is None else labels)


def test_a_data_loaders_batches_are_passed_on():
    data = pairs()
    adapter = LoaderAdapter(DataLoader(data, batch_size=4))
    batches = list(adapter.batches())
    assert len(adapter) == len(batches) == 3
    assert adapter.device == torch.device("cpu")
    assert torch.equal(torch.cat([batch.images for batch in batches]), data.tensors[0])
    assert torch.equal(torch.cat([batch.labels for batch in batches]), data.tensors[1])


def test_a_data_loader_of_a_digit_data_set_gives_what_the_tensor_loader_gives(small):
    ours = TensorLoader(small.test, 32)
    theirs = LoaderAdapter(DataLoader(small.test, batch_size=32))
    assert equal(ours.batches(), theirs.batches())


@pytest.mark.parametrize("batches", [[(torch.rand(2, 3), torch.zeros(2))], ([torch.rand(2, 3), torch.zeros(2)],)])
def test_any_sized_iterable_of_pairs_will_do(batches):
    ((images, labels),) = LoaderAdapter(batches).batches()
    assert torch.equal(images, batches[0][0])
    assert labels.dtype == torch.float32


@pytest.mark.parametrize(
    ("image_type", "label_type", "expected"),
    [
        (torch.float64, torch.int32, torch.int64),
        (torch.float16, torch.uint8, torch.int64),
        (torch.bfloat16, torch.int64, torch.int64),
        (torch.float32, torch.float64, torch.float64),
    ],
)
def test_numpys_types_become_those_of_a_batch(image_type, label_type, expected):
    batch = (torch.rand(3, 4).to(image_type), torch.tensor([0, 1, 2]).to(label_type))
    ((images, labels),) = LoaderAdapter([batch]).batches()
    assert images.dtype == torch.float32
    assert labels.dtype == expected
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 9])
def test_starting_later_skips_what_was_seen(start):
    loader = DataLoader(pairs(), batch_size=4)
    adapter = LoaderAdapter(loader)
    assert equal(adapter.batches(0, start), list(adapter.batches())[start:])


def test_a_shuffled_loader_is_skipped_through_with_the_same_draws():
    def shuffled():
        torch.manual_seed(7)
        return LoaderAdapter(DataLoader(pairs(labels=torch.arange(10)), batch_size=3, shuffle=True))

    adapter = shuffled()
    whole = [batch.labels.tolist() for batch in adapter.batches()]
    state = torch.get_rng_state()
    adapter = shuffled()
    assert [batch.labels.tolist() for batch in adapter.batches(0, 2)] == whole[2:]
    assert torch.equal(torch.get_rng_state(), state)


def test_skipping_is_done_before_the_first_batch_is_asked_for():
    drawn = []

    class Counting:
        def __len__(self):
            return 3

        def __iter__(self):
            for number in range(3):
                drawn.append(number)
                yield torch.zeros(1, 1), torch.zeros(1)

    rest = LoaderAdapter(Counting()).batches(0, 2)
    assert drawn == [0, 1]
    assert len(list(rest)) == 1


def test_a_distributed_sampler_is_told_the_epoch():
    data = pairs(labels=torch.arange(10))
    sampler = DistributedSampler(data, num_replicas=2, rank=1, shuffle=True, seed=3)
    adapter = LoaderAdapter(DataLoader(data, batch_size=5, sampler=sampler))
    seen = {}
    for epoch in (0, 1, 0):
        (batch,) = adapter.batches(epoch)
        assert sampler.epoch == epoch
        assert seen.setdefault(epoch, batch.labels.tolist()) == batch.labels.tolist()
    assert seen[0] != seen[1]


class _Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.zeros(1, 2, 2), 0)])


@pytest.mark.parametrize(
    ("loader", "name"), [(DataLoader(_Stream()), "DataLoader"), ((pair for pair in ()), "generator")]
)
def test_a_loader_without_a_length_is_refused(loader, name):
    with pytest.raises(
        ConfigError, match=f"{name} has no length; the learning rate needs to know how long training is"
    ):
        LoaderAdapter(loader)


@pytest.mark.parametrize(("loader", "name"), [(DataLoader([]), "DataLoader"), ([], "list")])
def test_a_loader_without_batches_is_refused(loader, name):
    with pytest.raises(DataError, match=f"{name} is empty: it has no batches"):
        LoaderAdapter(loader)


class _Once:
    """Knows its length, but can be gone through only once."""

    def __init__(self):
        self.left = iter([(torch.zeros(1, 1), torch.zeros(1))] * 3)

    def __len__(self):
        return 3

    def __iter__(self):
        return self.left


@pytest.mark.parametrize(("start", "given"), [(0, 3), (1, 2), (3, 0)])
def test_a_loader_that_ends_early_is_refused(start, given):
    adapter = LoaderAdapter(_Once())
    assert len(list(adapter.batches(0, start))) == given
    with pytest.raises(
        DataError, match="_Once ended after 0 batches, its length is 3; it must give as many in every epoch"
    ):
        list(adapter.batches(1))


X, Y = torch.rand(4, 1, 2, 2), torch.arange(4)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((X.mul(255).byte(), Y), "the loader gave torch.uint8 images, expected normalised float32"),
        ((Y, X), "the loader gave torch.int64 images, expected normalised float32"),
        ((X, Y[:3]), "the loader gave 4 images with 3 labels"),
        (
            (torch.tensor([[0.0], [255.0]]), Y[:2]),
            "the loader gave images from 0 to 255: raw 0 to 255 values; divide by 255 and normalise them",
        ),
    ],
)
def test_a_bad_batch_is_refused_when_it_comes(batch, message):
    batches = LoaderAdapter([(X, Y), batch]).batches()
    assert torch.equal(next(batches).images, X)
    with pytest.raises(DataError, match=message):
        next(batches)


def test_unusual_but_normalised_values_pass():
    for images in (torch.full((2, 3), -200.0), torch.tensor([[-150.0], [150.0]]), torch.rand(2, 3) * 128, X[:0]):
        (batch,) = LoaderAdapter([(images, Y[: len(images)])]).batches()
        assert torch.equal(batch.images, images)


def test_the_adapter_moves_batches_to_its_device():
    adapter = LoaderAdapter([(X, Y)], "meta")
    ((images, labels),) = adapter.batches()
    assert images.device.type == labels.device.type == "meta"
    assert adapter.device == torch.device("meta")


class Views(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@pytest.mark.parametrize(
    "batch",
    [
        X,
        {"image": X, "label": Y, "path": ["a", "b", "c", "d"]},
        (X, Y, Y),
        [{"views": (X, X)}, Y],
        Views(X, {"deep": [X, (Y,)]}),
    ],
    ids=["tensor", "dict", "three", "nested", "named"],
)
def test_a_batch_of_any_nesting_comes_as_it_is_on_the_device(batch):
    def tensors(value):
        if isinstance(value, torch.Tensor):
            return [value]
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        return [tensor for part in parts for tensor in tensors(part)]

    (moved,) = LoaderAdapter([batch], "meta").batches()
    assert type(moved) is type(batch)
    assert [tensor.device.type for tensor in tensors(moved)] == ["meta"] * len(tensors(batch))
    (kept,) = LoaderAdapter([batch]).batches()
    assert all(one is other for one, other in zip(tensors(kept), tensors(batch), strict=True))


def test_one_image_left_over_joins_the_batch_before_it_in_training_only(small):
    sizes = [len(batch.labels) for batch in TensorLoader(small.train[:41], 8, shuffle=True)]
    assert sizes == [8, 8, 8, 8, 9]
    assert [len(batch.labels) for batch in TensorLoader(small.train[:41], 8)] == [8] * 5 + [1]
    for count, size, lengths in ((1, 8, [1]), (9, 1, [1] * 9), (9, 8, [9]), (16, 8, [8, 8])):
        loader = TensorLoader(small.train[:count], size, shuffle=True)
        assert len(loader) == len(lengths)
        assert [len(batch.labels) for batch in loader] == lengths


def test_loaders_side_by_side_can_begin_anywhere(small):
    long, short = TensorLoader(small.train[:50], 10, shuffle=True), TensorLoader(small.train[:9], 3, shuffle=True)
    both = CombinedLoader(long, short)
    assert len(both) == 5
    whole = [pair for epoch in range(3) for pair in both.batches(epoch, 0)]
    for epoch in range(3):
        for start in range(5):
            for one, other in zip(both.batches(epoch, start), whole[epoch * 5 + start : (epoch + 1) * 5], strict=True):
                assert torch.equal(one[0].images, other[0].images)
                assert torch.equal(one[1].images, other[1].images)
    # The shorter one goes on where it was: every image of it comes equally often.
    seen = torch.cat([second.labels for _, second in whole]).bincount(minlength=10)
    assert torch.equal(seen, 5 * small.train[:9].labels.bincount(minlength=10))


def test_a_loader_that_cannot_begin_anywhere_is_not_combined(small):
    with pytest.raises(
        ConfigError, match=r"got a DataLoader, which cannot begin .*from_arrays\(images, labels, mean_std"
    ):
        CombinedLoader(TensorLoader(small.train, 10), DataLoader(small.train, batch_size=10))


def test_an_augmentation_that_gives_no_images_back_is_refused(small):
    for wrong in (lambda images, generator: (images, generator), lambda images, generator: images[:, :, :-1]):
        with pytest.raises(DataError, match=r"the augmentation returned a .* for images \(5, 1, 28, 28\)"):
            next(TensorLoader(small.train[:5], augment=wrong).batches())
