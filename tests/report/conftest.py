"""A headless Chromium for the tests of pages, driven over a pipe by its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Seen:
    """What a page did in one window.

    Attributes:
        requests: addresses that it asked for.
        errors: lines of the console and of the browser's log.
        width: of its content.
        window: of the window.
        picture: the whole page as PNG.
    """

    requests: list[str]
    errors: list[str]
    width: int
    window: int
    picture: bytes


class Chromium:
    """One browser with one tab; file descriptors 3 and 4 carry JSON messages that end with a zero byte."""

    def __init__(self, program: str, profile: Path) -> None:
        """Start it with a profile of its own."""
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()

        def connect() -> None:  # in the child: what it reads is 3, what it writes is 4
            saved = os.dup(to_write)
            for number, end in ((3, to_read), (4, saved)):
                os.dup2(end, number)
                os.set_inheritable(number, True)  # which dup2 does not do if both are the same

        self._process = subprocess.Popen(
            [
                *(program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
                *(f"--user-data-dir={profile}", "about:blank"),
            ],
            preexec_fn=connect,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._count, self._events, self._rest = 0, list[dict[str, Any]](), b""
        tab = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def see(self, page: Path, size: tuple[int, int], scheme: str) -> Seen:
        """Open a page in a window of ``size`` in a colour scheme, ``light`` or ``dark``."""
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        self.ask("Emulation.setDeviceMetricsOverride", **screen, mobile=size[0] < 600)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.ask("Emulation.setEmulatedMedia", features=[feature])
        self._events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not self._of("Page.loadEventFired"):
            self._events.append(self._read())
        question = "[document.scrollingElement.scrollWidth, innerWidth]"
        answer = self.ask("Runtime.evaluate", expression=question, returnByValue=True)
        width, window = answer["result"]["value"]
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return Seen(
            [event["request"]["url"] for event in self._of("Network.requestWillBeSent")],
            [
                json.dumps(event)
                for kind in (
                    "Log.entryAdded",
                    "Runtime.consoleAPICalled",
                    "Runtime.exceptionThrown",
                )
                for event in self._of(kind)
            ],
            width,
            window,
            base64.b64decode(shot["data"]),
        )

    def background(self) -> str:
        """The colour behind the page that is open."""
        question = "getComputedStyle(document.body).backgroundColor"
        answer = self.ask("Runtime.evaluate", expression=question, returnByValue=True)
        return answer["result"]["value"]

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The tab's answer to a command."""
        return self._ask(method, self._session, **params)

    def _ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        message |= {} if session is None else {"sessionId": session}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._count:
            self._events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = os.read(self._in, 1 << 20)
            assert more, "the browser has gone"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self._events if event.get("method") == kind]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser; the test is skipped where none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    browser = Chromium(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()
