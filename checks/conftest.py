"""How the checks share the cores; and a real browser, told what to do by the Chrome DevTools Protocol, as a user's hand would."""

import itertools
import json
import os
import shlex
import shutil
import subprocess

import pytest

# Their tests have nothing in common that takes long to make, and each of them takes long.
ONE_BY_ONE = {"test_examples", "test_hostile", "test_research", "test_snippets", "test_tutorials"}

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--force-color-profile=srgb",
    "about:blank",
]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for the groups
def pytest_collection_modifyitems(items):
    """With `--dist loadgroup` the tests of a file go to one process, where they share its pages, wheels and browsers."""
    for item in items:
        if item.path.stem not in ONE_BY_ONE:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


class Browser:
    """One tab of a browser without a network."""

    def __init__(self, folder):
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        command = shlex.join(["chromium", *OPTIONS[:-1], f"--user-data-dir={folder}", OPTIONS[-1]])
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {command} 3<&{commands} 4>&{answers}"],
            pass_fds=[commands, answers],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._numbers, self._read, self._session = itertools.count(1), b"", None
        self.requests, self.errors = [], []
        (tab,) = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = self.call("Target.attachToTarget", targetId=tab["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)

    def close(self):
        self.call("Browser.close")
        self._process.wait(60)
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method, **params):
        """What the browser answers to a command of the protocol."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        os.write(
            self._commands, json.dumps({"id": number, "method": method, "params": params, **session}).encode() + b"\0"
        )
        while (message := self._message()).get("id") != number:
            self._note(message)
        assert "error" not in message, message
        return message["result"]

    def _message(self):
        while b"\0" not in self._read:
            part = os.read(self._answers, 1 << 20)
            assert part, "the browser ended"
            self._read += part
        message, self._read = self._read.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message):
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(message["params"]["exceptionDetails"])

    def run(self, expression):
        """The value of an expression in the page, when it is there."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def open(self, path, query=""):
        """A file, until it is loaded."""
        self.call("Page.navigate", url=path.as_uri() + query)
        self.run("document.readyState === 'complete' || new Promise(done => addEventListener('load', () => done()))")

    def resize(self, width, height=900, *, dark=False, touch=False):
        """A screen of that size and theme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)

    def drag(self, points, *, touch=False):
        """The mouse, pressed, or a finger along points of the screen."""
        for number, (x, y) in enumerate(points):
            if touch:
                kind = "touchMove" if number else "touchStart"
                self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
            else:
                kind = "mouseMoved" if number else "mousePressed"
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
        if touch:
            self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        else:
            self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Debian's chromium; what it was asked to fetch is in ``requests``, what went wrong in ``errors``."""
    if not shutil.which("chromium"):
        pytest.skip("needs Debian's chromium, which .ci/run installs")
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()
