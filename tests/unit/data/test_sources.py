import bz2
import gc
import gzip
import hashlib
import http.server
import re
import shutil
import socket
import sys
import threading
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

import mnistkit
from mnistkit.data import cache_dir, dataset_info, load_dataset, load_mnist, read_idx, write_idx
from mnistkit.errors import ConfigError, DataError, DownloadError, IdxFormatError

BUNDLED = Path(mnistkit.__file__).parent / "data" / "_mnist"
FASHION_FILES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def each_image(dataset):
    return Counter(image.tobytes() for image in dataset.images.numpy())


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


# MNIST, in the package


def test_mnist_has_its_makers_files(pytestconfig):
    table = (pytestconfig.rootpath / "DATA_LICENSES.md").read_text(encoding="utf-8")
    sums = dict(re.findall(r"^\| (\S+-ubyte) \| ([0-9a-f]{32}) \|$", table, re.MULTILINE))
    assert sorted(sums) == sorted(FASHION_FILES)
    assert sorted(path.name for path in BUNDLED.iterdir()) == sorted(f"{name}.gz" for name in sums)
    for name, expected in sums.items():
        content = gzip.decompress((BUNDLED / f"{name}.gz").read_bytes())
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == expected


def test_mnist_has_its_published_shape(mnist):
    assert [repr(part) for part in mnist] == [
        "DigitDataset(mnist train: 55,000 images of 1x28x28, 10 classes)",
        "DigitDataset(mnist validation: 5,000 images of 1x28x28, 10 classes)",
        "DigitDataset(mnist test: 10,000 images of 1x28x28, 10 classes)",
    ]
    for part in mnist:
        assert part.images.dtype == torch.uint8
        assert part.labels.dtype == torch.int64
        assert part.classes == tuple("0123456789")
        assert part.source == "bundled with mnistkit"
        assert part.preprocessing == mnist.train.preprocessing
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert torch.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnists_mean_and_deviation_are_those_of_all_60000_training_images(mnist):
    pixels = torch.cat([mnist.train.images, mnist.validation.images]).numpy().ravel()
    total = int(pixels.sum(dtype=np.int64))
    squares = int((pixels.astype(np.uint16) ** 2).sum(dtype=np.int64))
    mean = total / pixels.size
    assert pixels.size == 60_000 * 784
    assert mnist.train.mean == pytest.approx((mean / 255,), rel=1e-12)
    assert mnist.train.std == pytest.approx(((squares / pixels.size - mean**2) ** 0.5 / 255,), rel=1e-12)


def test_every_digit_has_its_share_of_the_validation_images(mnist):
    here, there = (torch.bincount(part.labels).double() for part in (mnist.validation, mnist.train))
    shares = (here + there) * 5000 / 60_000
    assert (here - shares).abs().max() < 1
    assert here.sum() == 5000


def test_train_and_validation_are_the_60000_images_each_once(mnist):
    everything = load_mnist(validation=0).train
    assert each_image(mnist.train) + each_image(mnist.validation) == each_image(everything)
    assert not each_image(mnist.train) & each_image(mnist.validation)


def test_the_seed_decides_which_images_validate(mnist):
    same, other = load_mnist(), load_mnist(seed=1)
    assert [part.fingerprint for part in same] == [part.fingerprint for part in mnist]
    assert other.validation.fingerprint != mnist.validation.fingerprint
    assert other.test.fingerprint == mnist.test.fingerprint
    assert torch.bincount(other.validation.labels).tolist() == torch.bincount(mnist.validation.labels).tolist()


@pytest.mark.parametrize("count", [0, 1, 59_999])
def test_the_number_of_validation_images_is_free(count):
    train, validation, test = load_mnist(validation=count)
    assert (len(train), len(validation), len(test)) == (60_000 - count, count, 10_000)
    assert validation.split == "validation"


@pytest.mark.parametrize("count", [-1, 60_000, 70_000])
def test_validation_must_leave_training_images(count):
    with pytest.raises(DataError, match=f"cannot take {count:,} images out of 60,000 and leave any"):
        load_mnist(validation=count)


def test_mnist_needs_no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    assert len(load_mnist().train) == 55_000


def test_mnist_by_name_comes_from_the_package(mnist):
    by_name = load_dataset("MNIST", download=False)
    assert [part.fingerprint for part in by_name] == [part.fingerprint for part in mnist]
    assert by_name.train.name == "mnist"


def test_ones_own_copy_of_mnist_is_read_where_root_says(tmp_path):
    content = put("mnist", tmp_path / "MNIST" / "raw")
    splits = load_dataset("mnist", root=tmp_path, validation=20)
    check(splits, content, 20)
    assert splits.train.source == str(tmp_path)
    with pytest.raises(DownloadError, match=r"mnist is not in .*none \(without root= it comes from this package\)"):
        load_dataset("mnist", root=tmp_path / "none")


def test_what_is_done_to_one_copy_of_mnist_does_not_reach_the_next(mnist):
    copy = load_mnist()
    copy.test.images.zero_()
    assert load_mnist().test.fingerprint == mnist.test.fingerprint


# Files on disk


def put(name, folder, suffix="", size=28, count=(60, 40)):
    """Write small files of a set's form; returns what is in them, upright and from 0."""
    info = dataset_info(name)
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(name))
    content = {}
    for (split, (images_file, labels_file)), n in zip(info.files.items(), count, strict=True):
        images = random.integers(0, 256, (n, size, size), dtype=np.uint8)
        labels = np.arange(n) % len(info.classes)
        content[split] = images, labels
        write_idx(folder / (images_file + suffix), images.transpose(0, 2, 1) if info.transposed else images)
        stored = (labels + info.first_label).astype(np.uint8)
        if name == "qmnist":
            stored = np.column_stack([stored, *[np.full(n, 99)] * 7]).astype(np.int32)
        write_idx(folder / (labels_file + suffix), stored)
    return content


def check(splits, content, validation):
    """Whether the splits hold what was put."""
    train, part, test = splits
    images, labels = content["train"]
    assert len(train) == len(images) - validation
    assert len(part) == validation
    assert each_image(train) + each_image(part) == Counter(image.tobytes() for image in images)
    of_image = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for dataset in (train, part):
        assert [of_image[image.numpy().tobytes()] for image in dataset.images] == dataset.labels.tolist()
    np.testing.assert_array_equal(test.images[:, 0], content["test"][0])
    np.testing.assert_array_equal(test.labels, content["test"][1])
    assert (train.split, part.split, test.split) == ("train", "validation", "test")
    assert train.preprocessing == part.preprocessing == test.preprocessing
    np.testing.assert_allclose(train.mean, (images / 255).mean(), rtol=1e-9)
    np.testing.assert_allclose(train.std, (images / 255).std(), rtol=1e-9)


@pytest.mark.parametrize(
    ("folder", "suffix"),
    [
        (".", ""),
        (".", ".gz"),
        ("fashion-mnist", ""),
        ("fashion-mnist", ".gz"),
        ("FashionMNIST", ".gz"),
        ("FashionMNIST/raw", ""),
    ],
)
def test_fashion_mnist_is_found_in_any_layout(tmp_path, folder, suffix):
    content = put("fashion-mnist", tmp_path / folder, suffix)
    splits = load_dataset("fashion-mnist", root=tmp_path, validation=20, download=False)
    check(splits, content, 20)
    assert repr(splits.train) == "DigitDataset(fashion-mnist train: 40 images of 1x28x28, 10 classes)"
    assert splits.train.classes[9] == "Ankle boot"
    assert splits.test.source == str(tmp_path)
    assert splits.test.preprocessing.framing == "resize"


@pytest.mark.parametrize("suffix", ["", ".gz", "folders"])
def test_files_are_found_by_the_names_that_unpackers_and_kaggle_give_them(tmp_path, suffix):
    content = put("fashion-mnist", tmp_path / "put", suffix.replace("folders", ""))
    for name in FASHION_FILES:
        if suffix == "folders":
            (tmp_path / name).mkdir()
            shutil.move(tmp_path / "put" / name, tmp_path / name / name)
        else:
            shutil.move(tmp_path / "put" / (name + suffix), tmp_path / (name.replace("-idx", ".idx") + suffix))
    check(load_dataset("fashion-mnist", root=tmp_path, validation=0, download=False), content, 0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((60, 0), np.uint8), r"holds uint8 of shape \(60, 0\), expected a whole number for each image"),
        (np.zeros(60, np.float32), "holds float32 of shape"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, labels, message):
    put("fashion-mnist", tmp_path)
    write_idx(tmp_path / FASHION_FILES[1], labels)
    with pytest.raises(DataError, match=message):
        load_dataset("fashion-mnist", root=tmp_path, validation=0, download=False)


@pytest.mark.parametrize("name", ["kmnist", "emnist-digits", "emnist-letters", "emnist-balanced", "qmnist"])
def test_every_idx_set_comes_upright_with_labels_from_0(tmp_path, name):
    content = put(name, tmp_path, ".gz", count=(94, 52))
    splits = load_dataset(name, root=str(tmp_path), validation=0, download=False)
    check(splits, content, 0)
    assert splits.train.classes == dataset_info(name).classes
    assert splits.train.images.is_contiguous()


def test_letters_are_numbered_as_their_names_are(tmp_path):
    put("emnist-letters", tmp_path, count=(52, 26))
    stored = read_idx(tmp_path / "emnist-letters-test-labels-idx1-ubyte")
    assert (stored.min(), stored.max()) == (1, 26)
    test = load_dataset("emnist-letters", root=tmp_path, validation=0, download=False).test
    assert [test.classes[label] for label in test.labels] == [chr(64 + number) for number in stored]


def test_the_files_of_two_sets_in_one_cache_are_told_apart():
    fashion = put("fashion-mnist", cache_dir() / "FashionMNIST", ".gz")
    with pytest.raises(DownloadError, match="kmnist is not in "):
        load_dataset("kmnist", download=False)
    kana = put("kmnist", cache_dir() / "KMNIST", ".gz")
    check(load_dataset("fashion-mnist", validation=5, download=False), fashion, 5)
    check(load_dataset("kmnist", validation=5, download=False), kana, 5)


def test_a_tilde_in_root_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    content = put("fashion-mnist", tmp_path / "sets")
    check(load_dataset("fashion-mnist", root="~/sets", validation=0, download=False), content, 0)


def test_the_split_of_files_on_disk_depends_on_the_seed(tmp_path):
    put("fashion-mnist", tmp_path)
    prints = [
        load_dataset("fashion-mnist", root=tmp_path, validation=20, seed=s).validation.fingerprint for s in (0, 0, 1)
    ]
    assert prints[0] == prints[1] != prints[2]


def test_more_validation_images_than_there_are_are_refused(tmp_path):
    put("fashion-mnist", tmp_path)
    with pytest.raises(DataError, match="cannot take 5,000 images out of 60 and leave any"):
        load_dataset("fashion-mnist", root=tmp_path)


@pytest.mark.parametrize(("name", "guess"), [("fashon-mnist", "fashion-mnist"), ("emnist-digit", "emnist-digits")])
def test_an_unknown_name_is_refused_with_the_likeliest(name, guess):
    with pytest.raises(
        ConfigError, match=rf"unknown data set '{name}'; did you mean '{guess}'\? Available: emnist-balanced"
    ):
        load_dataset(name)


def test_every_missing_file_is_listed_with_where_to_put_it(tmp_path):
    with pytest.raises(DownloadError) as caught:
        load_dataset("fashion-mnist", root=tmp_path, download=False)
    assert str(caught.value) == "\n".join(
        [
            f"fashion-mnist is not in {tmp_path} (download=False was given).",
            f"Put these files into {tmp_path / 'FashionMNIST'}, or name their folder with root=:",
            *(f"  {name}.gz" for name in FASHION_FILES),
            f"In {tmp_path} there is nothing.",
        ]
    )
    assert isinstance(caught.value, OSError)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_listed_and_following_the_advice_works(tmp_path):
    content = put("fashion-mnist", tmp_path / "elsewhere", ".gz")
    folder = tmp_path / "root" / "FashionMNIST"
    folder.mkdir(parents=True)
    for name in FASHION_FILES[:3]:
        shutil.copy(tmp_path / "elsewhere" / f"{name}.gz", folder)
    with pytest.raises(DownloadError) as caught:
        load_dataset("fashion-mnist", root=tmp_path / "root", download=False)
    _, advice, *missing, there = str(caught.value).splitlines()
    assert missing == ["  t10k-labels-idx1-ubyte.gz"]
    assert there == f"In {tmp_path / 'root'} there is FashionMNIST/."
    shutil.copy(tmp_path / "elsewhere" / missing[0].strip(), re.search("into (.*), or", advice)[1])
    check(load_dataset("fashion-mnist", root=tmp_path / "root", validation=0, download=False), content, 0)


def test_without_root_the_cache_folder_is_named():
    with pytest.raises(DownloadError, match=re.escape(f"Put these files into {cache_dir() / 'EMNIST'}, or")):
        load_dataset("emnist-letters", download=False)


def test_damaged_files_are_refused_by_name(tmp_path):
    put("fashion-mnist", tmp_path)
    images, labels = (tmp_path / name for name in FASHION_FILES[:2])
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(IdxFormatError, match="train-images-idx3-ubyte is truncated"):
        load_dataset("fashion-mnist", root=tmp_path)
    images.write_bytes(labels.read_bytes())
    with pytest.raises(
        IdxFormatError, match="train-images-idx3-ubyte has 1 dimensions, expected 3: are images and labels"
    ):
        load_dataset("fashion-mnist", root=tmp_path)
    images.write_bytes(whole)
    write_idx(labels, np.zeros(59, dtype=np.uint8))
    with pytest.raises(
        DataError, match=r"train-images.*ubyte holds 60 images, but .*train-labels.*-ubyte 59 labels; get both"
    ):
        load_dataset("fashion-mnist", root=tmp_path)
    write_idx(labels, np.full(60, 10, dtype=np.uint8))
    with pytest.raises(DataError, match="labels from 10 to 10, expected 0 to 9"):
        load_dataset("fashion-mnist", root=tmp_path)


def libsvm(labels, pixels):
    """USPS's form: labels from 1, pixels from -1 to 1."""
    rows = (
        " ".join([str(label + 1), *(f"{place}:{value:.4f}" for place, value in enumerate(row, 1))])
        for label, row in zip(labels, pixels, strict=True)
    )
    return bz2.compress("\n".join(rows).encode())


@pytest.fixture
def usps(tmp_path, monkeypatch):
    """Small files in USPS's form, with torchvision told their checksums; returns (folder, images, labels)."""
    folder = tmp_path / "usps-files"
    folder.mkdir()
    rows = np.linspace(-1, 1, 20 * 256).reshape(20, 256)
    labels = np.arange(20) % 10
    sums = {}
    for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        (folder / name).write_bytes(libsvm(labels, rows if split == "train" else rows[::-1]))
        sums[split] = ["http://127.0.0.1:9/" + name, name, md5(folder / name)]
    monkeypatch.setattr(torchvision.datasets.USPS, "split_list", sums)
    return folder, rows, labels


def test_usps_is_read_from_its_own_format(usps):
    folder, rows, labels = usps
    train, validation, test = load_dataset("usps", root=folder, validation=0, download=False)
    assert repr(train) == "DigitDataset(usps train: 20 images of 1x16x16, 10 classes)"
    assert len(validation) == 0
    assert train.labels.tolist() == labels.tolist()
    difference = train.images.reshape(20, 256).numpy().astype(float) - (rows + 1) / 2 * 255
    assert abs(difference).max() <= 1.01
    assert torch.equal(test.images, train.images.flip(0))


def test_usps_files_with_another_checksum_are_refused(usps):
    folder, rows, labels = usps
    (folder / "usps.t.bz2").write_bytes(libsvm(labels, rows))
    with pytest.raises(
        DataError, match=r"usps\.t\.bz2 is damaged: its checksum is not the published one; delete it and"
    ):
        load_dataset("usps", root=folder, validation=0, download=False)


def test_missing_usps_files_are_listed_under_their_own_names(usps):
    folder, _, _ = usps
    (folder / "usps.bz2").unlink()
    with pytest.raises(DownloadError, match=r"root=:\n  usps\.bz2\nIn "):
        load_dataset("usps", root=folder, download=False)


# Downloads


class Mirror:
    """A web server on this machine that serves the files of a folder, and notes what was asked for."""

    def __init__(self, folder):
        self.folder = folder
        self.asked = []
        mirror = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self):
                mirror.asked.append(self.path.lstrip("/"))
                if (folder / "broken").exists():
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"ffff\r\nonly the beginning")
                else:
                    super().do_GET()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "served"
    folder.mkdir()
    mirror = Mirror(folder)
    thread = threading.Thread(target=mirror.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield mirror
    mirror.server.shutdown()
    thread.join()
    mirror.server.server_close()
    # torchvision leaves the answer to a failed request open; it must not surface in another test.
    gc.collect()


@pytest.fixture
def fashion(mirror, monkeypatch):
    """Small Fashion-MNIST files on the mirror, with torchvision told their checksums; returns what is in them."""
    content = put("fashion-mnist", mirror.folder, ".gz")
    resources = [(f"{name}.gz", md5(mirror.folder / f"{name}.gz")) for name in FASHION_FILES]
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [mirror.url])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    return content


@pytest.mark.parametrize("root", [None, "new/folder"])
def test_what_is_not_there_is_downloaded_once(mirror, fashion, tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    check(load_dataset("fashion-mnist", root=root, validation=10), fashion, 10)
    assert set(mirror.asked) == {f"{name}.gz" for name in FASHION_FILES}
    folder = cache_dir() if root is None else tmp_path / root
    assert (folder / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").is_file()
    mirror.asked.clear()
    check(load_dataset("fashion-mnist", root=root, validation=10), fashion, 10)
    check(load_dataset("fashion-mnist", root=root, validation=0, download=False), fashion, 0)
    assert mirror.asked == []


def test_files_on_disk_are_not_downloaded(mirror, fashion, tmp_path):
    put("fashion-mnist", tmp_path / "mine")
    load_dataset("fashion-mnist", root=tmp_path / "mine", validation=10)
    assert mirror.asked == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("position", [0, 3])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "HTTP Error 404"),
        (lambda file: file.write_text("<!DOCTYPE html><title>Log in</title>"), "File not found or corrupted"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "File not found or corrupted"),
    ],
    ids=["404", "web page", "truncated"],
)
def test_a_failed_download_says_so_and_the_next_one_succeeds(mirror, fashion, tmp_path, spoil, reason, position):
    file = mirror.folder / f"{FASHION_FILES[position]}.gz"
    whole = file.read_bytes()
    spoil(file)
    root = tmp_path / "root"
    with pytest.raises(DownloadError) as caught:
        load_dataset("fashion-mnist", root=root, validation=10)
    message = str(caught.value)
    assert message.startswith(f"fashion-mnist is not in {root} (downloading failed: ")
    assert reason in message
    assert f"Put these files into {root / 'FashionMNIST'}, or name their folder with root=:" in message
    assert all(f"\n  {name}.gz" in message for name in FASHION_FILES)
    # Nothing that is left of it is taken for the file, nor hides it from the list.
    with pytest.raises(DownloadError, match=file.name):
        load_dataset("fashion-mnist", root=root, download=False)
    file.write_bytes(whole)
    check(load_dataset("fashion-mnist", root=root, validation=10), fashion, 10)


def test_a_server_that_breaks_off_is_a_failed_download(mirror, fashion):
    (mirror.folder / "broken").touch()
    with pytest.raises(DownloadError, match=r"downloading failed: .*IncompleteRead"):
        load_dataset("fashion-mnist")


def test_a_server_that_is_not_there_is_a_failed_download(fashion, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(
            torchvision.datasets.FashionMNIST, "mirrors", [f"http://127.0.0.1:{unused.getsockname()[1]}/"]
        )
        with pytest.raises(DownloadError, match=r"downloading failed: Error downloading train-images[^$]*[Rr]efused"):
            load_dataset("fashion-mnist")


def test_a_folder_that_cannot_be_made_is_a_failed_download(fashion, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"downloading failed: .*file"):
        load_dataset("fashion-mnist", root=tmp_path / "file")


def test_torchvisions_old_files_are_not_enough(mirror, fashion, tmp_path):
    old = tmp_path / "FashionMNIST" / "processed"
    old.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(1, 28, 28, dtype=torch.uint8), torch.zeros(1)), old / name)
    with pytest.raises(DownloadError, match=r"\(the download did not bring all files\)\.\nPut these files into"):
        load_dataset("fashion-mnist", root=tmp_path)
    assert mirror.asked == []


def test_emnist_is_unpacked_from_its_archive(mirror, tmp_path, monkeypatch):
    content = {
        name: put(name, tmp_path / "gzip", ".gz", count=(94, 52)) for name in ("emnist-letters", "emnist-digits")
    }
    with zipfile.ZipFile(mirror.folder / "gzip.zip", "w") as archive:
        for file in (tmp_path / "gzip").iterdir():
            archive.write(file, f"gzip/{file.name}")
    monkeypatch.setattr(torchvision.datasets.EMNIST, "url", mirror.url + "gzip.zip")
    monkeypatch.setattr(torchvision.datasets.EMNIST, "md5", md5(mirror.folder / "gzip.zip"))
    check(load_dataset("emnist-letters", validation=9), content["emnist-letters"], 9)
    mirror.asked.clear()
    # One archive holds every part: the second needs no download.
    check(load_dataset("emnist-digits", validation=9), content["emnist-digits"], 9)
    assert mirror.asked == []


def test_qmnist_is_downloaded_with_all_its_label_columns(mirror, monkeypatch):
    content = put("qmnist", mirror.folder, ".gz")
    resources = {
        split: [(f"{mirror.url}{name}.gz", md5(mirror.folder / f"{name}.gz")) for name in names]
        for split, names in dataset_info("qmnist").files.items()
    }
    monkeypatch.setattr(torchvision.datasets.QMNIST, "resources", resources)
    check(load_dataset("qmnist", validation=9), content, 9)


def test_usps_is_downloaded(mirror, usps, tmp_path):
    folder, _, labels = usps
    for split in torchvision.datasets.USPS.split_list.values():
        split[0] = mirror.url + split[1]
        shutil.copy(folder / split[1], mirror.folder)
    train = load_dataset("usps", root=tmp_path / "new", validation=0).train
    assert train.labels.tolist() == labels.tolist()
    (mirror.folder / "usps.t.bz2").write_text("<html>")
    with pytest.raises(
        DownloadError, match=r"downloading failed: File not found or corrupted.*\n.*\n  usps.bz2\n  usps.t.bz2\n"
    ):
        load_dataset("usps", root=tmp_path / "newer")


# The cache folder


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_mnistkit_home_comes_first_everywhere(monkeypatch, tmp_path, platform):
    monkeypatch.setenv("MNISTKIT_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_dir() == tmp_path


@pytest.mark.parametrize(
    ("platform", "variable", "value", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", None, "{home}/.cache/mnistkit"),
        ("linux", "XDG_CACHE_HOME", "", "{home}/.cache/mnistkit"),
        ("linux", "XDG_CACHE_HOME", "/var/cache/me", "/var/cache/me/mnistkit"),
        ("darwin", "XDG_CACHE_HOME", "/var/cache/me", "{home}/Library/Caches/mnistkit"),
        ("win32", "LOCALAPPDATA", None, "{home}/AppData/Local/mnistkit/Cache"),
        ("win32", "LOCALAPPDATA", "/Users/me/Local", "/Users/me/Local/mnistkit/Cache"),
    ],
)
def test_each_platform_has_its_own_cache_folder(monkeypatch, tmp_path, platform, variable, value, expected):
    monkeypatch.setenv("MNISTKIT_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_dir() == Path(expected.format(home=tmp_path))


def test_a_tilde_in_mnistkit_home_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("MNISTKIT_HOME", "~/digits")
    assert cache_dir() == tmp_path / "digits"


def test_asking_for_the_cache_folder_does_not_make_it(monkeypatch, tmp_path):
    monkeypatch.setenv("MNISTKIT_HOME", str(tmp_path / "new"))
    assert not cache_dir().exists()
