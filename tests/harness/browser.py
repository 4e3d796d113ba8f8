"""Headless Chromium that tells of all that a page should not do: errors, dialogs, requests and ways out of its place.

It is playwright's synchronous side, which leaves its event loop running: what needs a loop runs in other processes.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import urldefrag

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Request,
    Response,
    Route,
    expect,
    sync_playwright,
)

WIDE, NARROW = 1440, 390  # CSS pixels
PATIENCE_MS = 15_000
Scheme = Literal["light", "dark"]
_HEIGHTS = {WIDE: 900, NARROW: 844}
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-proxy-server"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_AWAY = re.compile(r"^(?!(?:file|data|blob|about):|http://127\.0\.0\.1[:/]).")
_HAS_BEEN_READ = "main:not(:has(.waiting, [data-state='being read']))"
_INLINE_PICTURE = re.compile(r"^data:image/(?:png|jpeg);base64,")
_BROKEN_RULE = """
addEventListener("securitypolicyviolation", event =>
    console.error("Content Security Policy: " + event.violatedDirective + " " + event.blockedURI), true);
"""
_STRAYS = r"""() => {
    const found = "pwned" in window ? ["a script of the run's texts was run"] : [];
    const picture = /^data:image\/(png|jpeg);base64,/, scheme = /^\s*(javascript|vbscript|data):/i;
    for (const one of document.querySelectorAll("*")) {
        if (/^(iframe|frame|object|embed|applet|base|portal)$/.test(one.localName)) found.push(one.localName);
        for (const {name, value} of one.attributes) {
            if (name.startsWith("on")) found.push(one.localName + " " + name);
            if (scheme.test(value) && !picture.test(value) && /href$|src|action$|data|poster/.test(name))
                found.push(one.localName + " " + name + "=" + value.slice(0, 80));
        }
    }
    return found;
}"""


@dataclass
class Tab:
    """A page of its own. `faults` is what a page of ours never does; whoever leaves the tab must find it empty.

    `home` is what every request must begin with: the report's own file, or the viewer with its token.
    """

    page: Page
    home: str = ""
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    expects_dialog: bool = False

    def open(self, url: str, home: str | None = None) -> Response | None:
        """Go to `url` and wait until it is there, and all that it shows has been read.

        `home` is the page alone where nothing else is said.
        """
        self.home = home or urldefrag(url).url
        response = self.page.goto(url, wait_until="load")
        if url.startswith("http:"):
            expect(self.page.locator(_HAS_BEEN_READ)).to_have_count(1, timeout=PATIENCE_MS)
            self.page.wait_for_load_state()
        return response

    def press(self, *keys: str) -> None:
        """Press keys one after another, on a page whose scripts have begun."""
        for key in keys:
            self.page.wait_for_load_state()
            self.page.keyboard.press(key)

    def text(self, selector: str = "body") -> str:
        """What a reader sees there, as plain text."""
        return self.page.locator(selector).first.inner_text()

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        script = "document.documentElement.scrollWidth - window.innerWidth"
        return max(0, int(self.page.evaluate(script)))

    def barriers(self, *rules: str) -> list[str]:
        """What axe-core calls a serious or critical barrier, by all of its rules or by these: rule and first places."""
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = cast("Mapping[str, Any]", Axe().run(self.page, options=options).response)
        grave = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in grave]

    def look_for_strays(self) -> None:
        """What is in the page that no page of ours has is a fault."""
        try:
            for one in self.page.evaluate(_STRAYS):
                self.fault("in the page", one)
        except Error as error:  # it was just being left
            self.fault("the page cannot be read", error.message)

    def seen_request(self, request: Request) -> None:
        """Keep it; one that leaves the page's home is a fault."""
        self.requests.append(request.url)
        if not request.url.startswith(self.home) and not _INLINE_PICTURE.match(request.url):
            self.fault("asked for", request.url)

    def seen_message(self, message: ConsoleMessage) -> None:
        """An error in the console is a fault; what breaks the page's policy is one too."""
        if message.type == "error":
            self.fault("console", message.text)

    def seen_dialog(self, dialog: Dialog) -> None:
        """A fault, but for one that the test has asked for by `expects_dialog`."""
        self.dialogs.append(dialog.message)
        if self.expects_dialog:
            dialog.accept()
        else:
            self.fault("dialog", dialog.message)
            dialog.dismiss()

    def forgive(self, text: str) -> None:
        """The test has done what the browser itself complains of, in these words: a response of an error, say."""
        kept = [one for one in self.faults if text not in one]
        assert len(kept) < len(self.faults), self.faults
        self.faults[:] = kept

    def fault(self, kind: str, what: str) -> None:
        """Keep that the page did what it should not."""
        self.faults.append(f"{kind}: {what[:300]}")


@dataclass(frozen=True, slots=True)
class Chromium:
    """One browser; each tab has cookies, cache and faults of its own."""

    browser: Browser

    @contextlib.contextmanager
    def tab(self, scheme: Scheme = "light", width: int = WIDE, *, javascript: bool = True) -> Iterator[Tab]:
        """A tab whose page has done nothing wrong when it is left, and holds no `pwned`."""
        viewport = {"width": width, "height": _HEIGHTS[width]}
        context = self.browser.new_context(
            viewport=cast("Any", viewport), color_scheme=scheme, java_script_enabled=javascript, reduced_motion="reduce"
        )
        try:
            made = Tab(context.new_page())
            _watch(context, made)
            yield made
            made.look_for_strays()
            assert not made.faults, made.faults
        finally:
            context.close()


def _watch(context: BrowserContext, tab: Tab) -> None:
    """Record what the pages of `context` do, and let nothing leave this machine."""
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_BROKEN_RULE)
    context.route(_AWAY, _refuse)
    context.on("request", tab.seen_request)
    context.on("console", tab.seen_message)
    context.on("weberror", lambda error: tab.fault("error", str(error.error)))
    context.on("page", lambda page: tab.fault("opened a window", page.url))
    tab.page.on("dialog", tab.seen_dialog)
    tab.page.on("websocket", lambda made: tab.fault("web socket", made.url))
    tab.page.on("frameattached", lambda frame: tab.fault("a frame", frame.url))
    tab.page.on("crash", lambda _: tab.fault("crash", "the page is gone"))


def _refuse(route: Route) -> None:
    route.abort()


@contextlib.contextmanager
def chromium() -> Iterator[Chromium]:
    """Debian's Chromium; where it is missing the test is skipped, and says how to get it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine: `make browser` installs Debian's")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, _NOWHERE], timeout=60_000)
        try:
            yield Chromium(browser)
        finally:
            browser.close()
