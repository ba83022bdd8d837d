"""Files that are served as they are: the page for people, and the document of the API with what shows it."""

import base64
import hashlib
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aws_lambda_powertools.event_handler.openapi.swagger_ui as swagger
from aws_lambda_powertools.event_handler import Response

_HTML = "text/html; charset=utf-8"
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)
_DOCS = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>taskhook API</title>
<style>{style}</style>
<div id="swagger-ui"></div>
<script>{bundle}</script>
<script>{start}</script>
</html>
"""
_START = """
// Beside this page, whatever the stage is called.
const base = location.pathname.replace(/docs\\/?$/, "");
SwaggerUIBundle({
  url: base + "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""


def file(path: Path, content_type: str) -> Response[Any]:
    return Response(HTTPStatus.OK, content_type, _text(path), {"X-Content-Type-Options": "nosniff"})


def page(path: Path) -> Response[Any]:
    """A page that may run and show nothing but what is written in it, and talk to nobody but us."""
    return _html(_text(path), styles="")


def docs() -> Response[Any]:
    """Swagger UI, which comes with Powertools; it sets styles on elements, so styles are not held to hashes."""
    return _html(_docs(), styles="'unsafe-inline'")


def policy(html: str, *, styles: str = "") -> str:
    """The Content-Security-Policy for a page with inline scripts and styles: those with these hashes, no others."""
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, text in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(hashes['script']) or "'none'"}",
            f"style-src {styles or ' '.join(hashes['style']) or "'none'"}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _html(text: str, *, styles: str) -> Response[Any]:
    headers = {
        "Content-Security-Policy": _policy(text, styles),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return Response(HTTPStatus.OK, _HTML, text, headers)


@cache
def _policy(text: str, styles: str) -> str:
    return policy(text, styles=styles)


@cache
def _docs() -> str:
    folder = Path(swagger.__file__).parent
    bundle = _text(folder / "swagger-ui-bundle.min.js").replace("</script", "<\\/script")
    return _DOCS.format(style=_text(folder / "swagger-ui.min.css"), bundle=bundle, start=_START)


@cache
def _text(path: Path) -> str:
    return path.read_text("utf-8")
