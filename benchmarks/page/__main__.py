"""What the page weighs, and how soon a person sees it: against an empty page of the same server, in the same browser.

The server is on loopback and answers at once, so what is measured is the browser's work: reading, running and painting
the page, and asking for the first fifty tasks."""

import gzip
import json
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import Browser

from benchmarks.report import Figure, figures_table, met, table
from taskhook import __version__
from taskhook.api.static import policy
from tests.browser import chromium
from tests.page_api import KEY, PAGE, a_thousand

ROUNDS = 25
MOST_BYTES = 50_000
EMPTY = "<!doctype html><html lang=en><title>empty</title><p>ready</html>"

_WATCH = """
const watch = setInterval(() => {
  if (document.querySelector('tbody tr')) window.listed ??= performance.now();
}, 1);
"""
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


class _Handler(BaseHTTPRequestHandler):
    html = PAGE.read_text("utf-8")
    tasks = json.dumps({"tasks": a_thousand().tasks[:50], "next_cursor": "50"})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/v1/":
            self._send(self.html, "text/html; charset=utf-8", policy(self.html))
        elif path == "/empty/":
            self._send(EMPTY, "text/html; charset=utf-8", policy(EMPTY))
        elif path == "/v1/tasks":
            self._send(self.tasks, "application/json")
        else:
            self._send(json.dumps({"status": "ok", "version": __version__}), "application/json")

    def _send(self, text: str, kind: str, policy: str = "default-src 'none'") -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Not to the terminal."""


@contextmanager
def _serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _opened(browser: Browser, url: str, script: str) -> float:
    """Milliseconds from the navigation until the script is true, as the page's own clock has it. Nothing is cached."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(f"sessionStorage.setItem('taskhook-key', '{KEY}'); {_WATCH}")
    page.goto(url)
    took: float = page.wait_for_function(script).json_value()
    context.close()
    return took


def main() -> None:
    html = PAGE.read_bytes()
    painted: list[float] = []
    listed: list[float] = []
    empty: list[float] = []
    with _serving() as server, chromium() as browser:
        for _ in range(ROUNDS):
            empty.append(_opened(browser, f"{server}/empty/", _PAINTED))
            painted.append(_opened(browser, f"{server}/v1/", _PAINTED))
            listed.append(_opened(browser, f"{server}/v1/", "() => window.listed"))
    print("The page\n")
    rows = [
        ("the file", f"{len(html):,} B", f"{MOST_BYTES:,} B", met(len(html) <= MOST_BYTES)),
        ("gzip -9", f"{len(gzip.compress(html, 9)):,} B", "", ""),
    ]
    print(table(("weight", "measured", "aim", "met"), rows) + "\n")
    peer = statistics.median(empty)
    figures = [
        Figure(name="first paint", ours=statistics.median(painted), peer=peer, unit="ms", aim=2),
        Figure(name="the first fifty tasks are there", ours=statistics.median(listed), peer=peer, unit="ms"),
    ]
    print(figures_table(figures, "empty page") + "\n")


if __name__ == "__main__":
    main()
