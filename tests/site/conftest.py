"""The built site, served on loopback, and a browser that looks at it."""
import os
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from built import CHROMIUM, ROOT, SITE


def pytest_configure(config):
    "Say once why the site is not looked at, where it cannot be; CI has no excuse."
    reason = "Sphinx 9 asks for Python 3.11" if sys.version_info < (3, 11) else "" if CHROMIUM else \
        "no Chromium or Chrome: install one, or name it in HFCOURSE_CHROMIUM"
    if reason and os.environ.get("CI") and sys.platform == "linux" and sys.version_info >= (3, 11):
        raise pytest.UsageError(f"the site's tests cannot run: {reason}.")
    config.site_reason = reason


def pytest_collection_modifyitems(config, items):
    "Skip with the reason."
    if config.site_reason:
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason=config.site_reason))


@pytest.fixture(scope="session")
def site(call) -> Path:
    "The site's folder, built by the command that `make docs` calls."
    done = call("python", "docs/build.py", SITE, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-6000:]
    return SITE


class Quiet(SimpleHTTPRequestHandler):
    "A file server without a log."

    def log_message(self, *words):
        pass


@pytest.fixture(scope="session")
def address(site):
    "Where the site is served."
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    "One Chromium for all pages, which asks nobody for updates."
    from playwright.sync_api import sync_playwright
    with sync_playwright() as play:
        flags = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
        sandbox = ["--no-sandbox"] if sys.platform == "linux" and os.geteuid() == 0 else []
        started = play.chromium.launch(executable_path=CHROMIUM, args=flags + sandbox)
        yield started
        started.close()


@pytest.fixture
def open_page(browser, address):
    "Open a page with a width and a theme; what goes wrong on the way is noted in `page.noted`."
    contexts = []

    def opened(name, *, width=1280, theme="light", scripts=()):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.noted, page.weight = [], {}
        page.on("console", lambda message: message.type in ("error", "warning") and page.noted.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: page.noted.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith((address, "data:")) or page.noted.append(f"asks for {request.url}"))
        page.on("response", lambda answer: page.noted.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else
                page.weight.update({answer.url: answer}))
        page.goto(f"{address}/{name}.html", wait_until="load")
        return page
    yield opened
    for context in contexts:
        context.close()
