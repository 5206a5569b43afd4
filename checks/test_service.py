"""The service of examples/service, as a real uvicorn with two workers on this machine."""

import base64
import contextlib
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import PIL.Image
import pytest

from mnistkit import Predictor

SERVICE = Path(__file__).parents[1] / "examples" / "service"


def png(array):
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def data_url(file):
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


@pytest.fixture(scope="module")
def port():
    """Where the service answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(SERVICE),
        "app:app",
        "--port",
        str(number),
        "--workers",
        "2",
        "--timeout-worker-healthcheck",  # on a busy machine a worker may take longer to start than uvicorn waits
        "100",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            for _ in range(1200):
                assert server.poll() is None, server.stdout.read()
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", number), timeout=1):
                    if ask(number, "GET", "/health")[0] == 200:
                        break
                time.sleep(0.1)
            yield number
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)
    assert server.returncode in (0, -signal.SIGTERM)


def ask(port, method, path, body=None, kind="application/octet-stream"):
    """Status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def post(port, path, content):
    return ask(port, "POST", path, json.dumps(content).encode(), "application/json")


def form(*files):
    """The body of a form with files, and its kind."""
    head = b'--limit\r\nContent-Disposition: form-data; name="pictures"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    parts = [head + file + b"\r\n" for file in files]
    return b"".join([*parts, b"--limit--\r\n"]), "multipart/form-data; boundary=limit"


@pytest.fixture(scope="module")
def digits(mnist):
    return [png(255 - np.pad(image[0], 20)) for image in mnist.test.images[:40].numpy()]


@pytest.fixture(scope="module")
def right(digits):
    """What the library says of them."""
    return [prediction.to_json() for prediction in Predictor(device="cpu").predict(digits, coverage=0.98)]


def same(answer, expected):
    return answer["name"] == expected["name"] and answer["probabilities"] == pytest.approx(
        expected["probabilities"], abs=1e-5
    )


def test_the_service_says_that_it_is_there(port):
    status, answer = ask(port, "GET", "/health")
    assert (status, answer["status"]) == (200, "ok")


@pytest.mark.parametrize("way", ["file", "form", "canvas", "base64"])
def test_a_picture_is_read_however_it_comes(port, digits, right, way):
    if way == "file":
        status, answer = ask(port, "POST", "/predict", digits[0], "image/png")
    elif way == "form":
        status, answer = ask(port, "POST", "/predict", *form(digits[0]))
    else:
        text = data_url(digits[0]) if way == "canvas" else base64.b64encode(digits[0]).decode()
        status, answer = post(port, "/predict", {"pictures": [text]})
    assert status == 200
    (one,) = answer["answers"]
    assert same(one, right[0])


def test_many_pictures_are_answered_in_their_order(port, digits, right):
    for status, answer in (
        post(port, "/predict", {"pictures": [data_url(file) for file in digits]}),
        ask(port, "POST", "/predict", *form(*digits)),
    ):
        assert status == 200
        assert all(same(one, expected) for one, expected in zip(answer["answers"], right, strict=True))


def test_a_page_is_read(port, mnist):
    row = 255 - np.concatenate(mnist.test.images[:4, 0].numpy(), axis=1)
    status, answer = ask(port, "POST", "/read", png(np.pad(row, 20, constant_values=255)))
    assert (status, answer["answers"][0]["text"]) == (200, "7210")


def test_a_blank_canvas_is_an_answer(port):
    blank = png(np.zeros((280, 280, 4), np.uint8))
    status, answer = post(port, "/predict", {"pictures": [data_url(blank)]})
    assert (status, answer["answers"][0]["rejected"]) == (200, "there is no ink in it")
    status, answer = post(port, "/read", {"pictures": [data_url(blank)]})
    assert (status, answer["answers"][0]["lines"]) == (200, [])


def test_one_bad_picture_among_good_ones_has_an_error_in_its_place(port, digits, right):
    status, answer = post(port, "/predict", {"pictures": [data_url(digits[0]), "nothing", data_url(digits[1])]})
    assert status == 200
    first, bad, last = answer["answers"]
    assert same(first, right[0])
    assert same(last, right[1])
    assert bad["error"]["kind"] == "ImageError"


@pytest.mark.parametrize(
    "text", ["/etc/passwd", str(SERVICE / "app.py"), "data:text/plain;base64,aGVsbG8=", 7, None, ""]
)
def test_a_text_is_never_the_path_of_a_file(port, text):
    status, answer = post(port, "/predict", {"pictures": [text]})
    assert status == 422
    assert answer["answers"][0]["error"]["message"].startswith("this is no picture's file")


def test_a_picture_of_the_server_is_not_read_by_its_path(port, digits, tmp_path):
    (tmp_path / "seven.png").write_bytes(digits[0])
    assert post(port, "/predict", {"pictures": [str(tmp_path / "seven.png")]})[0] == 422


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "says"),
    [
        ("/predict", b"{", "application/json", 400, "the body is no JSON"),
        ("/predict", b'{"picture": 1}', "application/json", 400, "expected {"),
        ("/predict", json.dumps({"pictures": []}).encode(), "application/json", 400, "got no pictures"),
        ("/predict", json.dumps({"pictures": [""] * 65}).encode(), "application/json", 400, "expected 1 to 64"),
        ("/predict", b"x" * 10_000_001, "image/png", 413, "larger than 10,000,000 bytes"),
        ("/predict?coverage=2", None, "image/png", 400, "coverage is 2"),
        ("/nowhere", b"", "image/png", 404, "Not Found"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_with_a_request_is_said_as_json(port, digits, path, body, kind, status, says):
    found, answer = ask(port, "POST", path, digits[0] if body is None else body, kind)
    assert found == status
    assert says in answer["error"]["message"]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(port):
    status, answer = ask(port, "POST", "/predict", png(np.zeros((6000, 6000), np.uint8)))
    assert status == 422
    assert "6000 x 6000 pixels" in answer["answers"][0]["error"]["message"]


def test_sixteen_at_once_get_the_answers_of_one(port, digits, right):
    def one(number):
        status, answer = ask(port, "POST", "/predict", digits[number % len(digits)])
        return status == 200 and same(answer["answers"][0], right[number % len(digits)])

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(320)))


def test_the_container_has_what_the_service_needs():
    recipe = (SERVICE / "Containerfile").read_text()
    imported = set(re.findall(r"^(?:import|from) (\w+)", (SERVICE / "app.py").read_text(), re.MULTILINE))
    third = (
        imported - set(sys.stdlib_module_names) - {"mnistkit", "PIL", "anyio", "starlette"}
    )  # these come with the others
    assert third == {"fastapi"}
    assert "fastapi uvicorn python-multipart" in recipe
    assert "USER digits" in recipe
    for line in re.findall(r"^COPY (\S+) ", recipe, re.MULTILINE):
        assert line.startswith("dist/mnistkit_runtime") or (SERVICE.parents[1] / line).exists()


def test_the_function_for_gradio_answers_what_a_sketchpad_gives(monkeypatch, mnist):
    gradio = mock.MagicMock()
    monkeypatch.setitem(sys.modules, "gradio", gradio)
    page = (SERVICE.parents[1] / "docs" / "serving.md").read_text()
    exec(re.search(r"```python\n(import gradio.*?)```", page, re.DOTALL)[1], {})
    read = gradio.Interface.call_args.args[0]
    blank = np.zeros((280, 280, 4), np.uint8)
    drawn = blank.copy()
    drawn[..., 3] = np.kron(mnist.test.images[0, 0].numpy(), np.ones((10, 10), np.uint8))
    answer = read({"background": blank, "layers": [drawn], "composite": drawn})
    assert max(answer, key=answer.get) == "7"
    assert read({"background": blank, "layers": [], "composite": blank}) == "there is no ink in it"
