"""Debian's Chromium, headless, driven over a pipe: no port, no driver, no package.

``--remote-debugging-pipe`` makes Chromium read commands of the DevTools protocol from file descriptor 3 and write
answers and events to 4, each a JSON object with a NUL behind it (chrome/browser/devtools/devtools_pipe_handler).
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["CHROMIUM", "Browser", "Page", "browser"]

CHROMIUM = "/usr/bin/chromium" if Path("/usr/lib/chromium/chromium").exists() else None
"""Debian's. Ubuntu's of that name is a snap, which sees neither pipes nor /tmp."""

_PATIENCE = 60.0
"""Seconds for one answer: other work may take the machine."""

_KEYS = {"Tab": 9, "Enter": 13, "Home": 36, "End": 35, "ArrowLeft": 37, "ArrowRight": 39}


class Browser:
    """A running Chromium; `page` opens a tab."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """One command and its result; events that come meanwhile are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + _PATIENCE
        while True:
            answer = self._read(ends)
            if answer.get("id") != number:
                self.events.append(answer)
            elif "error" in answer:
                raise AssertionError(f"{method}: {answer['error']}")
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self, ends: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, ends - time.monotonic()))
            data = os.read(self._answers, 1 << 20) if ready else b""
            assert data, "Chromium does not answer"
            self._rest += data
        whole, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(whole)
        return answer

    @contextmanager
    def page(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Page]:
        """An empty tab."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        page.colours(dark=dark)
        try:
            yield page
        finally:
            self.call("Target.closeTarget", targetId=target)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """A command of the protocol, to this tab."""
        return self._browser.call(method, self._session, **parameters)

    def colours(self, *, dark: bool) -> None:
        """What the system prefers."""
        value = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def open(self, file: Path, anchor: str = "") -> float:
        """Open a report; seconds until it can be used."""
        began = time.monotonic()
        self.call("Page.navigate", url=file.resolve().as_uri() + anchor)
        self.wait("document.documentElement?.dataset.ready === 'yes' && document.readyState === 'complete'")
        return time.monotonic() - began

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, script: str) -> None:
        """Until an expression is true."""
        ends = time.monotonic() + _PATIENCE
        while not self.run(script):
            assert time.monotonic() < ends, f"never true: {script}\n{self.run('document.body.innerText')[:2000]}"
            time.sleep(0.01)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key and let it go."""
        text = {"text": "\r"} if key == "Enter" else {}
        for _ in range(times):
            what = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
            self.call("Input.dispatchKeyEvent", type="keyDown", **what, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **what)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that fits."""
        self.run(
            f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center', behavior: 'instant'}})"
        )
        box = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.x + Math.min(b.width / 2, 40), b.y + b.height / 2]; })()"
        )
        where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **where)

    def point_at(self, selector: str) -> None:
        """Move the mouse over the first element that fits."""
        box = self.run(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.x + 6, b.y + 6]; })()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """Keep what is seen, or the whole page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(data))

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Errors and warnings of the console, and uncaught exceptions."""
        self.run("1")
        found = []
        for event in self._browser.events:
            if event.get("sessionId") == self._session:
                kind, told = event["method"], event["params"]
                if (
                    kind == "Runtime.exceptionThrown"
                    or (kind == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"))
                    or (kind == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"))
                ):
                    found.append(told)
        return found

    @property
    def requests(self) -> list[str]:
        """Every URL that was asked for, but for the page itself."""
        self.run("1")
        sent = [e for e in self._browser.events if e["method"] == "Network.requestWillBeSent"]
        urls = [e["params"]["request"]["url"] for e in sent if e.get("sessionId") == self._session]
        return [url for url in urls if not url.startswith("file:") or not url.split("#")[0].endswith(".html")]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A headless Chromium with an empty profile; it has ended when this has."""
    assert CHROMIUM is not None
    commands_read, commands = os.pipe()
    answers, answers_write = os.pipe()
    arguments = [
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]
    arguments += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "--disable-background-networking"]
    # Descriptors 3 and 4 are fixed by Chromium; those of the pipes may be any, and may be these two crosswise.
    shell = f'exec 8<&{commands_read} 9>&{answers_write}; exec "$@" 3<&8 4>&9 8<&- 9>&-'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *arguments],
        pass_fds=(commands_read, answers_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_read)
    os.close(answers_write)
    try:
        running = Browser(commands, answers)
        running.call("Browser.getVersion")
        yield running
        running.call("Browser.close")
        process.wait(_PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(commands)
        os.close(answers)
