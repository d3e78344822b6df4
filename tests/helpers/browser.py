# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Chromium without a window, driven by its remote protocol through a pipe."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

from waiting import LIMIT_S

PROGRAM = shutil.which("chromium")
_OPTIONS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever is elsewhere is not there
)  # fmt: skip


class Browser:
    """A browser process; `open` makes pages in it."""

    def __init__(self, folder):
        reading, to_browser = os.pipe()
        from_browser, writing = os.pipe()
        # Without a sandbox, which neither root nor containers have: the pages are our own.
        options = [*_OPTIONS, f"--user-data-dir={folder}", "--no-sandbox"]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{reading} 4>&{writing}', PROGRAM, *options, "about:blank"],
            pass_fds=[reading, writing], start_new_session=True, stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(reading)
        os.close(writing)
        self._to, self._from = to_browser, from_browser
        self._rest, self._last_id = b"", 0
        self.events = []  # messages that are no answers

    def call(self, method, session=None, **parameters):
        """Call a method of the protocol; its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._last_id:
                assert "error" not in answer, f"{method}: {answer}"
                return answer["result"]
            self.events.append(answer)

    def open(self, url, width=1280, height=800, scale=1, dark=False):
        """A page at an address."""
        return Page(self, url, width, height, scale, dark)

    def freeze(self, frozen=True):
        """Stop all of its processes, or let them go on."""
        os.killpg(self.process.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def close(self):
        """End the browser."""
        self.freeze(False)
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        os.close(self._to)
        os.close(self._from)

    def _read(self):
        end = time.monotonic() + LIMIT_S
        while b"\0" not in self._rest:
            assert time.monotonic() < end and self.process.poll() is None, "the browser does not answer"
            if select.select([self._from], [], [], 1.0)[0]:
                self._rest += os.read(self._from, 2**16)
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


class Page:
    """A page; everything that it asks for is noted."""

    def __init__(self, browser, url, width, height, scale, dark):
        self._browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height, scale)
        self.prefer("dark" if dark else "light")
        self.call("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def resize(self, width, height, scale=1):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
            mobile=width < 600,
        )  # fmt: skip

    def prefer(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def evaluate(self, expression):
        """The value of an expression; promises are waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression, what=None):
        """Return the value of an expression once it is true."""
        end = time.monotonic() + LIMIT_S
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"{what or expression} did not come"
            time.sleep(0.02)
        return value

    def events(self, method):
        """Parameters of the events of a kind so far."""
        self.evaluate("0")  # reads what has come
        mine = [event for event in self._browser.events if event.get("sessionId") == self._session]
        return [event["params"] for event in mine if event["method"] == method]

    def forget(self):
        """Leave out its events so far."""
        self._browser.events = [
            event for event in self._browser.events if event.get("sessionId") != self._session
        ]

    def complaints(self):
        """What its scripts threw, and what the browser refused."""
        thrown = [event["exceptionDetails"]["text"] for event in self.events("Runtime.exceptionThrown")]
        return thrown + [event["entry"]["text"] for event in self.events("Log.entryAdded")]

    def screenshot(self):
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self):
        self._browser.call("Target.closeTarget", targetId=self.target)


@contextlib.contextmanager
def browsing():
    """A browser, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="jadce-browser-", ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            yield browser
        finally:
            browser.close()
