"""How the checks share the cores; and real browsers, told what to do as by a user's hand: Chromium by the Chrome DevTools
Protocol, Firefox by Marionette, which it brings along."""

import contextlib
import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

# Their tests have nothing in common that takes long to make, and each of them takes long; those of the first the longest.
ONE_BY_ONE = ("test_tutorials", "test_snippets", "test_examples", "test_research", "test_hostile")

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--force-color-profile=srgb",
    "about:blank",
]


class Scheduling(LoadScopeScheduling):
    """The tests of a file go to one process, where they share its pages, wheels and browsers, if they have such."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return nodeid if Path(file).stem in ONE_BY_ONE else file


def pytest_xdist_make_scheduler(config, log):
    """By the way that pytest-xdist documents: its own groups had no effect with pytest 9.2, and nothing said so."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    """What can be shared out comes last, so that no process waits for another at the end."""
    items.sort(key=lambda item: ONE_BY_ONE.index(item.path.stem) if item.path.stem in ONE_BY_ONE else -1)


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


class Firefox:
    """One tab of a browser without a network: whatever it asks for goes to a proxy that is not there."""

    def __init__(self, folder):
        settings = {
            "marionette.port": 0,
            "network.proxy.type": 1,
            "network.proxy.http": "127.0.0.1",
            "network.proxy.http_port": 9,
            "network.proxy.ssl": "127.0.0.1",
            "network.proxy.ssl_port": 9,
        }
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items()]
        (folder / "user.js").write_text("".join(lines))
        self._process = subprocess.Popen(
            ["firefox", "--headless", "--marionette", "--profile", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = folder / "MarionetteActivePort"
        while not port.exists() or not port.read_text():
            assert self._process.poll() is None, "Firefox ended"
            time.sleep(0.1)
        self._socket = socket.create_connection(("127.0.0.1", int(port.read_text())))
        self._stream, self._numbers = self._socket.makefile("rb"), itertools.count(1)
        self._message()  # who it is
        self.call("WebDriver:NewSession")

    def close(self):
        self.call("Marionette:Quit")
        self._stream.close()
        self._socket.close()
        self._process.wait(60)

    def _message(self):
        length = b""
        while (sign := self._stream.read(1)) != b":":
            assert sign, "Firefox ended"
            length += sign
        return json.loads(self._stream.read(int(length)))

    def call(self, name, **given):
        """What the browser answers to a command."""
        message = json.dumps([0, next(self._numbers), name, given]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._message()
        assert error is None, error
        return result

    def run(self, expression):
        """The value of an expression in the page."""
        return self.call("WebDriver:ExecuteScript", script=f"return {expression}", args=[])["value"]

    def drag(self, points, kind):
        """The mouse, pressed, or a finger along points of the window."""
        moves = [
            {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0, "origin": "viewport"}
            for x, y in points
        ]
        press, release = ({"type": name, "button": 0} for name in ("pointerDown", "pointerUp"))
        pointer = {
            "type": "pointer",
            "id": kind,
            "parameters": {"pointerType": kind},
            "actions": [moves[0], press, *moves[1:], release],
        }
        self.call("WebDriver:PerformActions", actions=[pointer])


def _opened(kind, program, needed, folder):
    if not shutil.which(program):
        pytest.skip(needed)
    with contextlib.closing(kind(folder)) as browser:
        yield browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Debian's chromium; what it was asked to fetch is in ``requests``, what went wrong in ``errors``."""
    folder = tmp_path_factory.mktemp("chromium")
    yield from _opened(Browser, "chromium", "needs Debian's chromium, which .ci/run installs", folder)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    """Mozilla's browser; ``.ci/run`` does not install it."""
    folder = tmp_path_factory.mktemp("firefox")
    yield from _opened(Firefox, "firefox", "needs Firefox, such as Debian's firefox-esr", folder)
