"""The page to draw on, in a real browser without a network, by mouse and by finger."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mnistkit import Classifier, create_model
from mnistkit.data import Preprocessing
from mnistkit.export import html_page
from mnistkit.imaging import frame_image
from mnistkit.models import list_models
from mnistkit.synthetic.stroke_styles import STYLES

pytestmark = pytest.mark.processes

MNIST = Preprocessing(mean=(0.1307,), std=(0.3081,))
PICTURES = Path(__file__).parents[1] / "src" / "mnistkit" / "imaging" / "samples"
SEVEN = [[(10, 10), (50, 8), (95, 5), (80, 50), (60, 90), (50, 130)], [(40, 70), (90, 66)]]
TWO = [[(12, 30), (25, 8), (50, 2), (75, 10), (84, 28), (76, 48), (50, 80), (20, 112), (10, 120), (50, 118), (92, 120)]]
FIVE = [[(20, 10), (18, 60), (50, 55), (80, 75), (75, 110), (40, 125), (10, 115)], [(20, 10), (80, 6)]]


@pytest.fixture(scope="module")
def classifier():
    return Classifier.pretrained(device="cpu")


@pytest.fixture(scope="module")
def page(tmp_path_factory, classifier):
    path = tmp_path_factory.mktemp("page") / "digits.html"
    classifier.export(path)
    return path


def draw(browser, strokes, left, top, size=1.0, *, touch=False):
    """Strokes at a place of the paper, in its own units."""
    box = browser.run(
        "(() => { const { left, top, width } = paper.getBoundingClientRect(); return [left, top, width / 480]; })()"
    )
    for stroke in strokes:
        points = [(box[0] + box[2] * (left + size * x), box[1] + box[2] * (top + size * y)) for x, y in stroke]
        browser.drag(points, touch=touch)
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def answer(browser):
    return browser.run("document.getElementById('reading').textContent")


def asked_for_nothing(browser):
    return browser.errors == [] and all(address.startswith(("file:", "data:", "blob:")) for address in browser.requests)


def test_what_a_mouse_draws_is_read_and_can_be_taken_back(browser, page):
    browser.resize(1280)
    browser.open(page)
    draw(browser, SEVEN, 40, 100)
    assert answer(browser) == "7"
    draw(browser, TWO, 185, 110)
    draw(browser, FIVE, 330, 100)
    assert answer(browser) == "725"
    assert browser.run("document.querySelectorAll('.digit canvas').length") == 3
    assert browser.run("document.querySelectorAll('.digit:first-child li').length") == 10
    for _ in range(2):  # the two strokes of the 5
        browser.run("document.getElementById('undo').click()")
    assert answer(browser) == "72"
    browser.run("document.getElementById('clear').click()")
    assert answer(browser) == ""
    assert browser.run("document.getElementById('undo').disabled")
    assert asked_for_nothing(browser)


@pytest.mark.parametrize("dark", [False, True])
def test_a_finger_draws_on_a_phone_in_both_themes_and_languages(browser, page, dark):
    browser.resize(390, 844, dark=dark, touch=True)
    browser.open(page, "?lang=zh" if dark else "?lang=en")
    draw(browser, FIVE, 150, 100, 1.5, touch=True)
    assert answer(browser) == "5"
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run("document.documentElement.lang") == ("zh-CN" if dark else "en")
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) is dark
    browser.run("document.getElementById('language').click()")
    assert browser.run("document.documentElement.lang") == ("en" if dark else "zh-CN")
    assert answer(browser) == "5"
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert asked_for_nothing(browser)


def test_every_button_is_reached_by_the_keyboard(browser, page):
    browser.resize(1280)
    browser.open(page, "?lang=en")
    draw(browser, TWO, 150, 100)
    reached = []
    for _ in range(6):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(browser.run("document.activeElement.id"))
    assert {"clear", "language", "open", "undo"} <= set(reached)
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape", windowsVirtualKeyCode=27)
    assert answer(browser) == ""


@pytest.mark.parametrize(("name", "digit"), [("seven", "7"), ("two", "2"), ("four", "4")])
def test_a_clean_picture_is_read(browser, page, name, digit):
    browser.open(page)
    node = browser.call("DOM.getDocument")["root"]["nodeId"]
    file = browser.call("DOM.querySelector", nodeId=node, selector="#file")["nodeId"]
    shown = "document.getElementById('hint').textContent"
    before = browser.run(shown)  # until the picture is decoded, which is soon
    browser.call("DOM.setFileInputFiles", nodeId=file, files=[str(PICTURES / f"{name}.png")])
    while browser.run(shown) == before:
        pass
    assert answer(browser) == digit


def test_a_drawing_is_framed_as_the_library_frames_it(browser, page):
    """By a difference of one grey level at most, where the last bit of a float decides how it is rounded."""
    browser.open(page)
    generator = np.random.default_rng(0)
    styles = [style for styles in STYLES for style in styles.values()]
    same = 0
    for number in range(200):
        strokes = placed(styles[number % len(styles)], generator)
        ink, frame = browser.run(
            f"""(() => {{
              const coded = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
              const ink = inkOf({json.dumps(strokes)});
              return [coded(ink.data), coded(frameInk(ink, [28, 28]))];
            }})()"""
        )
        drawn = np.frombuffer(base64.b64decode(ink), np.uint8).reshape(360, 480)
        framed = np.frombuffer(base64.b64decode(frame), np.uint8).reshape(28, 28)
        difference = np.abs(frame_image(drawn)[0].astype(int) - framed).max()
        assert difference <= 1
        same += difference == 0
    assert same >= 195


def placed(style, generator):
    """The strokes of a digit, larger or smaller, turned and slanted, somewhere on the paper."""
    size, turn = generator.uniform(0.15, 2.3), generator.uniform(-0.3, 0.3)
    change = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    change = change @ np.array([[generator.uniform(0.5, 1.1), generator.uniform(-0.4, 0.4)], [0, 1.2]])
    strokes = [np.asarray(stroke.points) @ change.T for stroke in style]
    points = np.concatenate(strokes)
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    corner = 20 + generator.uniform(size=2) * np.maximum(np.array([480, 360]) - extent - 40, 0)
    return [(stroke - low + corner).round(2).tolist() for stroke in strokes]


def logits_in(browser, page_text, tmp_path, images):
    """What the page's network says of frames."""
    path = tmp_path / "page.html"
    path.write_text(page_text, encoding="utf-8")
    browser.open(path)
    coded = base64.b64encode(images.numpy().tobytes()).decode()
    found = browser.run(
        f"""(() => {{
          const bytes = Uint8Array.from(atob("{coded}"), (c) => c.charCodeAt(0)), size = bytes.length / {len(images)};
          return Array.from({{ length: {len(images)} }}, (_, i) =>
            Array.from(classify(bytes.subarray(i * size, (i + 1) * size)).logits));
        }})()"""
    )
    return np.array(found)


@pytest.mark.parametrize(("bits", "tolerance", "same"), [(16, 1e-3, 1000), (8, 0.5, 998)])
def test_it_says_what_the_library_says_of_a_thousand_test_images(
    browser, classifier, mnist, tmp_path, bits, tolerance, same
):
    images = mnist.test.images[:1000]
    found = logits_in(browser, html_page(classifier, bits=bits), tmp_path, images)
    expected = classifier.logits(images)
    assert np.abs(found - expected).max() < tolerance
    assert (found.argmax(1) == expected.argmax(1)).sum() >= same


def test_without_webassembly_plain_javascript_says_the_same(browser, page, classifier, mnist, tmp_path):
    """As in a phone's lockdown mode."""
    without = browser.call("Page.addScriptToEvaluateOnNewDocument", source="delete globalThis.WebAssembly")
    try:
        browser.resize(1280)
        browser.open(page)
        assert browser.run("[typeof WebAssembly, kernel]") == ["undefined", None]
        draw(browser, SEVEN, 40, 100)
        assert answer(browser) == "7"
        images = mnist.test.images[:50]
        found = logits_in(browser, page.read_text(encoding="utf-8"), tmp_path, images)
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", **without)
    np.testing.assert_allclose(found, classifier.logits(images), atol=1e-3)
    assert asked_for_nothing(browser)


class Residual(nn.Module):
    """Residual and depthwise, with a gate on its channels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.down, self.skip = nn.Conv2d(8, 16, 1, stride=2), nn.Conv2d(8, 16, 1, stride=2)
        self.gate = nn.Linear(16, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, images):
        stem = self.stem(images)
        maps = F.gelu(self.down(F.hardswish(self.depthwise(stem))) + self.skip(stem))
        maps = maps * torch.sigmoid(self.gate(maps.mean((2, 3))))[:, :, None, None]
        return self.head(F.adaptive_avg_pool2d(maps, 1).flatten(1))


class Unusual(nn.Module):
    """Much that tutorials do not use."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding="same", dilation=2)
        self.norm, self.layer_norm = nn.GroupNorm(2, 8), nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)
        self.register_buffer("scales", torch.linspace(0.5, 2, 8)[:, None, None])

    def forward(self, images):
        maps = F.max_pool2d(F.mish(self.norm(self.conv(images)), inplace=True), 3, 2, 1)
        maps = F.elu(maps) - 0.25
        maps += maps.clone()
        first, second = (F.avg_pool2d(maps, 3, 2, 1) * self.scales).chunk(2, 1)
        maps = torch.cat([F.softplus(second), F.leaky_relu(first)], 1)
        maps = F.interpolate(F.pad(maps, (1, 0, 0, 1)), scale_factor=2)
        maps = torch.maximum(maps, maps.mean(1, keepdim=True)).clamp(-2, 3) / 2
        return torch.log_softmax(self.head(self.layer_norm(maps.amax((2, 3)))), -1)


NETWORKS = {
    **{name: lambda name=name: create_model(name) for name in list_models()},
    **{
        f"lenet5 {name}": lambda name=name: create_model("lenet5", activation=name, pool="avg")
        for name in ("gelu", "silu")
    },
    "residual": Residual,
    "unusual": Unusual,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_computes_the_same_in_the_page(browser, mnist, tmp_path, name):
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):  # a new one changes nothing
            layer.running_mean.uniform_(-1, 1)
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, -1, 2)
            nn.init.uniform_(layer.bias, -1, 1)
    classifier, images = Classifier(network.eval(), MNIST), mnist.validation.images[:10]
    found = logits_in(browser, html_page(classifier), tmp_path, images)
    np.testing.assert_allclose(found, classifier.logits(images), atol=1e-3)


def test_images_are_cropped_resized_and_coloured_as_in_training(browser, mnist, tmp_path):
    preparation = Preprocessing(
        mean=(0.1, 0.2, 0.3), std=(0.3, 0.4, 0.5), framing="resize", geometry=(("crop", 22), ("resize", 16))
    )
    classifier = Classifier(create_model("lenet5", image_size=16, channels=3), preparation)
    images = mnist.validation.images[:10].repeat(1, 3, 1, 1)
    found = logits_in(browser, html_page(classifier), tmp_path, images)
    frames = torch.from_numpy(preparation.reshape(images.numpy()))
    np.testing.assert_allclose(found, classifier.logits(frames), atol=1e-3)


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_firefox_reads_what_is_drawn(firefox, page, kind):
    firefox.call("WebDriver:Navigate", url=page.as_uri())
    box = firefox.run("(({ left, top, width }) => [left, top, width / 480])(paper.getBoundingClientRect())")
    for strokes, left in ((SEVEN, 40), (TWO, 185), (FIVE, 330)):
        for stroke in strokes:
            firefox.drag([(box[0] + box[2] * (left + x), box[1] + box[2] * (100 + y)) for x, y in stroke], kind)
    assert firefox.run("document.getElementById('reading').textContent") == "725"
    assert firefox.run("performance.getEntriesByType('resource').map((entry) => entry.name)") == []


def test_firefox_says_what_the_library_says(firefox, page, classifier, mnist):
    firefox.call("WebDriver:Navigate", url=page.as_uri())
    frames = mnist.test.images[:200, 0].numpy()
    found = firefox.run(
        f"""((text) => {{
          const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
          return Array.from({{ length: {len(frames)} }}, (_, i) =>
            Array.from(classify(bytes.subarray(i * 784, (i + 1) * 784)).logits));
        }})("{base64.b64encode(frames.tobytes()).decode()}")"""
    )
    assert np.abs(np.array(found) - classifier.logits(frames)).max() < 1e-3
