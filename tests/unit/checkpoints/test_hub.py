"""A file of a hub: a server on this computer that speaks what huggingface_hub asks for."""

import hashlib
import http.server
import sys
import threading

import numpy as np
import pytest

from mnistkit import Classifier
from mnistkit.checkpoint import hub_file
from mnistkit.errors import ConfigError, DownloadError, MissingExtraError
from mnistkit.models import pretrained_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = pretrained_file("separable-1k").read_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILES = {"model.safetensors": CONTENT, "broken.safetensors": CONTENT}


class _Hub(http.server.BaseHTTPRequestHandler):
    """``user/digits`` with a few files, one of which ends too early."""

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        repo, _, place = self.path.lstrip("/").partition("/resolve/")
        revision, _, name = place.partition("/")
        self.server.asked.append((self.command, self.path))
        if repo != "user/digits" or revision not in (COMMIT, "v1") or name not in FILES:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound" if repo != "user/digits" else "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = FILES[name]
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content + name.encode()).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content[:1000] if name == "broken.safetensors" else content)
            self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked, server.cache = [], tmp_path / "cache"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    # What the variable of this name sets when huggingface_hub is imported.
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(server.cache))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_fetched_once_and_is_the_one_that_was_saved(hub, mnist):
    for _ in range(2):
        path = hub_file("user/digits", "model.safetensors", revision=COMMIT, sha256=SHA256.upper())
    found, here = Classifier.load(path, device="cpu"), Classifier.pretrained("separable-1k", device="cpu")
    np.testing.assert_array_equal(found.logits(mnist.test.images[:20]), here.logits(mnist.test.images[:20]))
    assert found.card == here.card
    assert [method for method, _ in hub.asked] == ["HEAD", "GET"]


def test_another_file_than_was_meant_is_refused(hub):
    with pytest.raises(
        DownloadError, match=f"model.safetensors of user/digits at v1 is another .* is {SHA256}, expected 0{{64}}"
    ):
        hub_file("user/digits", "model.safetensors", revision="v1", sha256="0" * 64)


@pytest.mark.parametrize(
    ("repo", "filename"), [("user/nothing", "model.safetensors"), ("user/digits", "nothing.safetensors")]
)
def test_what_is_not_there_is_named(hub, repo, filename):
    with pytest.raises(DownloadError, match=f"{filename} of {repo} at {COMMIT} cannot be fetched: .*404"):
        hub_file(repo, filename, revision=COMMIT, sha256=SHA256)


def test_a_download_that_breaks_off_leaves_nothing_that_is_taken_for_the_file(hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # before each of the five times that it is tried again
    with pytest.raises(DownloadError, match="cannot be fetched"):
        hub_file("user/digits", "broken.safetensors", revision=COMMIT, sha256=SHA256)
    assert not list(hub.cache.rglob("broken.safetensors"))


def test_offline_the_error_says_what_to_do_and_a_file_that_is_here_is_taken(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        DownloadError, match=r"was not fetched before, and the hub cannot be reached: go online .*Classifier.load"
    ):
        hub_file("user/digits", "model.safetensors", revision=COMMIT, sha256=SHA256)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub_file("user/digits", "model.safetensors", revision=COMMIT, sha256=SHA256)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub_file("user/digits", "model.safetensors", revision=COMMIT, sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "abc"}, "sha256 is 'abc', expected the file's SHA-256 as 64 hexadecimal digits"),
        ({"repo": "user/digits/model.safetensors"}, "cannot be on a hub: "),
    ],
)
def test_what_cannot_be_one_is_refused_before_anything_is_asked(hub, change, message):
    with pytest.raises(ConfigError, match=message):
        hub_file(**{"repo": "user/digits", "filename": "x.safetensors", "revision": COMMIT, "sha256": SHA256} | change)
    assert hub.asked == []


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"needs huggingface_hub, .*pip install 'mnistkit\[hub\]'"):
        hub_file("user/digits", "model.safetensors", revision=COMMIT, sha256=SHA256)
