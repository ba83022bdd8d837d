"""The pictures in docs/page.md, taken anew: ``make screenshots``. Look at them before you commit them."""

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium
from tests.page_api import KEY, STAGE, PageApi, a_scene

DOCS = Path(__file__).parent.parent / "docs"
DESKTOP, PHONE = (1120, 700), (360, 720)


def main() -> None:
    with chromium() as browser:
        _take(browser, "page-list", lambda api: "#/tasks", DESKTOP, "light")
        _take(browser, "page-task", lambda api: f"#/tasks/{api.tasks[0]['id']}", DESKTOP, "light")
        _take(browser, "page-dark", lambda api: f"#/tasks/{api.tasks[3]['id']}", DESKTOP, "dark")
        _take(browser, "page-phone", lambda api: "#/tasks", PHONE, "light")
        _take(browser, "page-form", lambda api: "#/new", DESKTOP, "light", _fill_in)


def _fill_in(page: Page) -> None:
    page.locator("#provider").fill("tencent.clb")
    page.locator("#task_id").focus()


def _take(
    browser: Browser, name: str, view: Callable[[PageApi], str], size: tuple[int, int], scheme: str,
    before: Callable[[Page], None] = lambda page: None,
) -> None:  # fmt: skip
    api = a_scene()
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    page = context.new_page()
    api.install(page)
    page.add_init_script(f"sessionStorage.setItem('taskhook-key', {json.dumps(KEY)})")
    page.goto(f"{STAGE}/{view(api)}")
    expect(page.locator(".loading:visible")).to_have_count(0)
    before(page)
    path = DOCS / f"{name}.png"
    page.screenshot(path=path)
    # A palette is enough for a page of few colours, and a third of the size.
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)
    context.close()
    print(path.name, path.stat().st_size)  # noqa: T201


if __name__ == "__main__":
    main()
