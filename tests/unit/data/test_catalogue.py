import pytest
import torchvision.datasets

from mnistkit.data import dataset_info, list_datasets
from mnistkit.errors import ConfigError

DOWNLOADED = [name for name in list_datasets() if name != "mnist"]


def test_the_names_are_sorted_and_complete():
    assert list_datasets() == [
        "emnist-balanced",
        "emnist-digits",
        "emnist-letters",
        "fashion-mnist",
        "kmnist",
        "mnist",
        "qmnist",
        "usps",
    ]


@pytest.mark.parametrize("name", list_datasets())
def test_every_set_says_what_it_is_and_whose(name):
    info = dataset_info(name)
    assert info.name == name
    assert info.title
    assert info.licence
    assert ": " in info.citation
    assert info.citation[-4:].isdecimal()
    assert len(set(info.classes)) == len(info.classes) >= 10
    assert set(info.files) == {"train", "test"}


def test_only_mnist_is_in_the_package():
    assert dataset_info("mnist").torchvision is None
    assert all(dataset_info(name).torchvision for name in DOWNLOADED)


@pytest.mark.parametrize("name", DOWNLOADED)
def test_torchvision_has_the_class_and_the_files_that_the_catalogue_names(name, tmp_path):
    info = dataset_info(name)
    cls = getattr(torchvision.datasets, info.torchvision)
    if name == "usps":
        theirs = {split: (cls.split_list[split][1],) for split in ("train", "test")}
    elif name == "qmnist":
        theirs = {split: tuple(url.rsplit("/", 1)[1][:-3] for url, _ in cls.resources[split]) for split in info.files}
    elif name.startswith("emnist"):
        part = info.split_argument["split"]
        assert part in cls.splits
        theirs = {
            split: (f"emnist-{part}-{split}-images-idx3-ubyte", f"emnist-{part}-{split}-labels-idx1-ubyte")
            for split in info.files
        }
    else:
        files = [name[:-3] for name, _ in cls.resources]
        theirs = {"train": tuple(files[:2]), "test": tuple(files[2:])}
    assert info.files == theirs


@pytest.mark.parametrize("name", ["fashion-mnist", "kmnist"])
def test_the_class_names_are_torchvisions(name):
    info = dataset_info(name)
    assert list(info.classes) == getattr(torchvision.datasets, info.torchvision).classes


@pytest.mark.parametrize("name", ["emnist-balanced", "emnist-digits", "emnist-letters"])
def test_the_letters_are_torchvisions_without_its_empty_class(name):
    info = dataset_info(name)
    theirs = torchvision.datasets.EMNIST.classes_split_dict[info.split_argument["split"]]
    assert info.first_label == theirs.count("N/A")
    assert [c.lower() for c in info.classes] == [c.lower() for c in theirs[info.first_label :]]
    assert info.transposed


def test_only_digits_as_mnists_makers_drew_them_are_framed_by_their_ink():
    framed = {name for name in list_datasets() if dataset_info(name).framing == "mnist"}
    assert framed == {"mnist", "qmnist", "emnist-balanced", "emnist-digits", "emnist-letters"}


@pytest.mark.parametrize(
    ("name", "guess"), [("fashon-mnist", "fashion-mnist"), ("mnisst", "mnist"), ("kmist", "kmnist")]
)
def test_an_unknown_name_is_refused_with_the_likeliest(name, guess):
    with pytest.raises(ConfigError, match=f"unknown data set '{name}'") as caught:
        dataset_info(name)
    message = str(caught.value)
    assert message.endswith(f"Available: {', '.join(list_datasets())}")
    assert guess is None or f"did you mean '{guess}'?" in message


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("MNIST", "mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("fashion_mnist", "fashion-mnist"),
        ("EMNIST Letters", "emnist-letters"),
    ],
)
def test_capitals_and_hyphens_do_not_matter(name, known):
    assert dataset_info(name) is dataset_info(known)


def test_what_is_in_the_catalogue_cannot_be_changed():
    with pytest.raises(AttributeError):
        dataset_info("mnist").name = "other"


def test_the_list_of_names_is_the_callers_own():
    list_datasets().clear()
    assert "mnist" in list_datasets()
