"""The page for people in a real browser, over the real service and over a played one that has its bad days."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from taskhook.states import State
from tests.browser import chromium
from tests.e2e.conftest import World
from tests.page_api import KEY, PAGE, STAGE, PageApi, a_destination, a_scene, a_task, a_thousand

EXPECTED_NOISE = ("Failed to load resource", "autocomplete attributes")
"""What Chromium logs of its own accord where an answer is an error, and of a key that looks like a password."""

type Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def fresh_page(browser: Browser) -> Iterator[Open]:
    """Makes pages; none of them may break its policy, or break at all."""
    complaints: list[str] = []
    contexts = []

    def heard(message: ConsoleMessage) -> None:
        if not message.text.startswith(EXPECTED_NOISE) and not any(one in message.text for one in EXPECTED_NOISE):
            complaints.append(message.text)

    def make(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "timezone_id": "UTC", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(error.stack or str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def opened(fresh_page: Open) -> Open:
    """Opens the page over a played API, with its key entered already."""

    def open_page(api: PageApi, view: str = "", *, clock: bool = False, **options: Any) -> Page:
        page = fresh_page(**options)
        api.install(page)
        if clock:
            page.clock.install()
        page.add_init_script(f"sessionStorage.setItem('taskhook-key', {json.dumps(KEY)})")
        page.goto(f"{STAGE}/{view}")
        return page

    return open_page


def look_now(page: Page) -> None:
    """As when the network is back: the page asks at once."""
    page.evaluate("dispatchEvent(new Event('online'))")


def rows(page: Page) -> Locator:
    return page.locator("tbody tr")


def field(page: Page, label: str) -> Locator:
    """Of the view that is shown: others have fields of the same name."""
    return page.locator("section:visible").get_by_label(label, exact=True)


def test_the_page_is_one_small_file_that_needs_nobody_else() -> None:
    html = PAGE.read_text("utf-8")
    assert len(html.encode()) <= 50_000
    assert re.findall(r"""\b(?:src|href)=["'](?![#d])""", html) == []  # anchors, data and docs
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[\w.]+", html) == []
    assert re.findall(r"\son\w+=|\sstyle=|innerHTML|\beval\b", html) == []


def test_a_wrong_key_is_refused_with_words_and_a_right_one_opens_the_list(fresh_page: Open) -> None:
    page, api = fresh_page(), a_scene()
    api.install(page)
    page.goto(STAGE)  # without the slash
    key = page.get_by_label("API key")
    expect(key).to_be_focused()
    key.fill("wrong key")
    key.press("Enter")
    expect(page.get_by_text("A key has no blanks")).to_be_visible()
    key.fill("wrong")
    key.press("Enter")
    expect(page.get_by_text("This key is refused")).to_be_visible()
    expect(key).to_be_focused()
    key.fill(KEY)
    key.press("Enter")
    expect(rows(page)).to_have_count(10)
    assert KEY not in page.url
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    page.reload()
    expect(rows(page)).to_have_count(10)
    page.get_by_role("button", name="Forget key").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_row_says_state_progress_and_when_the_end_is_likely(opened: Open) -> None:
    page = opened(a_scene())
    row = page.get_by_role("row").filter(has_text="Create listener for shop.example")
    expect(row).to_contain_text(re.compile("running.*42 %.*10 min.*usually 20 min.*in 9 min", re.DOTALL))
    expect(row.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "0.42")
    guess = page.get_by_role("row").filter(has_text="Nightly backup check")
    expect(guess).to_contain_text("of usual time")
    expect(guess.locator("time")).to_have_attribute("title", re.compile(r"\d+ \w+ \d{4}"))
    expect(page.get_by_text("0.2.0")).to_be_visible()
    expect(page.get_by_role("link", name="API")).to_have_attribute("href", "/v1/docs")


def test_a_refresh_changes_rows_in_place_and_costs_nothing_where_nothing_changed(opened: Open) -> None:
    api = a_scene()
    page = opened(api)
    link = page.get_by_role("link", name="Nightly backup check")
    link.focus()
    look_now(page)
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').filter(one => /tasks/.test(one.name)).length > 1"
    )
    assert api.cheap >= 1
    api.tasks.insert(0, a_task(77, title="Brand new"))
    api.tasks[2]["state"] = "succeeded"
    look_now(page)
    expect(rows(page).first).to_contain_text("Brand new")
    expect(rows(page).nth(2)).to_contain_text("succeeded")
    expect(link).to_be_focused()


def test_nothing_is_asked_while_nobody_looks(opened: Open) -> None:
    api = a_scene()
    page = opened(api, clock=True)
    expect(rows(page)).to_have_count(10)
    hide = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    page.evaluate(hide + "document.dispatchEvent(new Event('visibilitychange')) }", True)
    page.clock.run_for(5_000)
    before = len(api.requests)
    page.clock.run_for(60_000)
    assert len(api.requests) == before
    api.tasks[0]["state"] = "failed"
    page.evaluate(hide + "document.dispatchEvent(new Event('visibilitychange')) }", False)
    expect(rows(page).first).to_contain_text("failed")


def test_filters_are_in_the_address_and_go_back_and_forth(opened: Open) -> None:
    api = a_scene()
    page = opened(api)
    field(page, "State").select_option("failed")
    expect(rows(page)).to_have_count(1)
    assert page.url.endswith("#/tasks?state=failed")
    field(page, "Account").fill("alibaba")
    field(page, "Account").press("Enter")
    expect(page.get_by_role("heading", name="No task fits these filters")).to_be_visible()
    page.go_back()
    expect(rows(page)).to_have_count(1)
    expect(field(page, "Account")).to_have_value("")
    page.go_back()
    expect(rows(page)).to_have_count(10)
    page.go_forward()
    expect(field(page, "State")).to_have_value("failed")
    page.get_by_role("link", name="Clear").click()
    expect(rows(page)).to_have_count(10)
    api.fault = (422, {"detail": "1 field.", "errors": [{"field": "provider", "message": "did you mean tencent.clb?"}]})
    field(page, "Provider").fill("tencent.cbl")
    field(page, "Provider").press("Enter")
    expect(field(page, "Provider")).to_have_accessible_description(re.compile("did you mean tencent.clb"))


def test_a_thousand_tasks_come_in_pages_and_a_refresh_keeps_the_place(opened: Open) -> None:
    api = a_thousand()
    page = opened(api)
    expect(rows(page)).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(rows(page).first).to_contain_text("Task 51")
    expect(page.get_by_role("heading", name="Tasks")).to_be_focused()
    page.mouse.wheel(0, 900)
    page.wait_for_function("() => scrollY > 500")
    place = page.evaluate("scrollY")
    api.tasks[60]["title"] = "Renamed"
    look_now(page)
    expect(rows(page).nth(10)).to_contain_text("Renamed")
    assert page.evaluate("scrollY") == place
    page.get_by_role("link", name="Newest").click()
    expect(rows(page).first).to_contain_text("Task 1")
    page.go_back()
    expect(rows(page).first).to_contain_text("Task 51")


def test_a_task_shows_its_story_with_reasons_and_what_comes_next(opened: Open) -> None:
    api = a_scene()
    page = opened(api)
    page.get_by_role("link", name="Create listener for shop.example").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Create listener for shop.example")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    line = page.locator("#line li")
    expect(line).to_have_count(6)
    expect(line.first).to_contain_text("Submitted")
    expect(line.nth(2)).to_contain_text("Trouble: No answer that helps")
    expect(line.last).to_contain_text(re.compile("Next look.*planned in"))
    expect(page.locator("#facts")).to_contain_text(re.compile("Next look.*typical duration 20 min"))
    expect(page.locator("#taskMetadata")).to_contain_text('"team": "shop"')
    page.get_by_role("link", name="All tasks").click()
    page.get_by_role("link", name="Migrate orders").click()
    expect(page.get_by_text("Allow the migration service's addresses")).to_be_visible()
    expect(page.locator("#deliveries li").nth(1)).to_contain_text(re.compile("ops.*held.*the webhook is gone.*4 att"))


def test_a_change_is_shown_and_told_without_a_reload(opened: Open) -> None:
    api = a_scene()
    task = api.tasks[0]
    page = opened(api, f"#/tasks/{task['id']}")
    expect(page.locator("#taskState")).to_have_text("running")
    task["progress"] = 0.9
    look_now(page)
    expect(page.locator("#taskShare")).to_have_text("90 %")
    task.update(state="succeeded", took_seconds=700.0)
    look_now(page)
    expect(page.locator("#taskState")).to_have_text("succeeded")
    expect(page.locator("#live")).to_have_text("The task is succeeded now.")
    expect(page.get_by_role("button", name="Stop watching")).to_be_hidden()


def test_stopping_asks_first(opened: Open) -> None:
    api = a_scene()
    page = opened(api, f"#/tasks/{api.tasks[0]['id']}")
    stop = page.get_by_role("button", name="Stop watching")
    stop.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(stop).to_be_focused()
    assert api.posted("DELETE") == []
    stop.click()
    page.get_by_role("dialog").get_by_role("button", name="Stop watching").click()
    expect(page.locator("#taskState")).to_have_text("stopped")
    expect(page.get_by_role("status").filter(has_text="Nobody watches")).to_be_visible()
    assert len(api.posted("DELETE")) == 1


def test_news_is_told_again_and_an_id_copied(opened: Open) -> None:
    api = a_scene()
    failed = api.tasks[3]
    page = opened(api, f"#/tasks/{failed['id']}", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Send again to ops").click()
    expect(page.get_by_text("Sent to ops again")).to_be_visible()
    assert api.posted() == [(f"/tasks/{failed['id']}/deliveries/ops", None)]
    page.get_by_role("button", name="Copy id").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == failed["id"]
    page.goto(f"{STAGE}/#/tasks/nobody")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


def test_the_form_finds_a_provider_and_explains_its_ids(opened: Open) -> None:
    api = a_scene()
    page = opened(api, "#/new")
    expect(page.get_by_text("80 of 80")).to_be_visible()
    provider = field(page, "Provider")
    provider.fill("load balancer taskstatus")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(provider).to_have_value("tencent.clb.DescribeTaskStatus")
    task_id = field(page, "Task id")
    expect(task_id).to_be_focused()
    expect(task_id).to_have_accessible_description(re.compile("Found in.*RequestId"))
    expect(field(page, "Region required")).to_be_visible()
    task_id.fill("55c85074")
    field(page, "Region required").fill("ap-guangzhou")
    field(page, "Title optional").fill("My listener")
    page.get_by_role("checkbox", name="ops").check()
    field(page, "Tell another address, for this task alone optional").fill("https://ci.example.com/hook")
    field(page, "Metadata optional").fill('{"a": 1}')
    page.get_by_role("button", name="Watch it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("My listener")
    expect(page.get_by_text("This task is watched now.")).to_be_visible()
    assert api.posted() == [
        ("/tasks", {
            "provider": "tencent.clb.DescribeTaskStatus", "task_id": "55c85074", "region": "ap-guangzhou",
            "title": "My listener", "urgency": "normal", "timeout_seconds": 86_400, "metadata": {"a": 1},
            "notify": ["default", "ops", {"type": "webhook", "url": "https://ci.example.com/hook"}],
        }),
    ]  # fmt: skip


def test_what_is_wrong_with_a_form_is_said_at_its_fields_and_nothing_is_lost(opened: Open) -> None:
    api = a_scene()
    page = opened(api, "#/new")
    field(page, "Title optional").fill("Kept")
    field(page, "Metadata optional").fill("{")
    page.get_by_role("button", name="Watch it").click()
    expect(field(page, "Metadata optional")).to_be_focused()
    expect(field(page, "Metadata optional")).to_have_accessible_description(re.compile("not JSON"))
    field(page, "Metadata optional").fill("")
    field(page, "Tell another address, for this task alone optional").fill("http://ci.example.com")
    errors = [
        {"field": "notify[1].url", "message": "must begin with https://"},
        {"field": "notify[0]", "message": "there is no destination named 'default'"},
        {"field": "task_id", "message": "is required"},
        {"field": "x", "message": "is not a field"},
    ]
    api.refusal = (422, {"detail": "4 fields are not as they must be; nothing was stored.", "errors": errors})
    page.get_by_role("button", name="Watch it").click()
    task_id, own = field(page, "Task id"), field(page, "Tell another address, for this task alone optional")
    expect(task_id).to_be_focused()
    expect(task_id).to_have_accessible_description(re.compile("is required"))
    expect(own).to_have_accessible_description(re.compile("must begin with https"))
    expect(own).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("group", name="Tell")).to_have_accessible_description(re.compile("no destination named"))
    expect(page.get_by_role("alert").filter(has_text="x: is not a field")).to_be_visible()
    expect(field(page, "Title optional")).to_have_value("Kept")
    api.refusal = (503, {"detail": "Later."})
    page.get_by_role("button", name="Watch it").click()
    expect(page.get_by_text("What you have entered is still here")).to_be_visible()
    expect(task_id).not_to_have_attribute("aria-invalid", "true")


def test_a_destination_is_tried_out_and_its_held_news_let_go(opened: Open) -> None:
    api = a_scene()
    page = opened(api, "#/destinations")
    ops = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="ops"))
    expect(ops).to_contain_text(re.compile("ops.*dead.*ci.example.com.*410 Gone.*News held: 3", re.DOTALL))
    page.get_by_role("button", name="Send a test to ops").click()
    expect(ops.get_by_role("status")).to_have_text(re.compile(r"delivered \(200, 0.3 s\). The receiver took it."))
    release = page.get_by_role("button", name="Send held news to ops")
    release.click()
    expect(ops.get_by_role("status")).to_have_text("Held news goes out now: 3.")
    expect(release).to_be_hidden()
    api.refusal = (409, {"detail": "The destination is paused."})
    page.get_by_role("button", name="Send held news to oncall").click()
    expect(page.get_by_text("The destination is paused.")).to_be_visible()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (None, "taskhook does not answer"),
        ((500, {"detail": "broken"}), "taskhook has a problem of its own (500)"),
        ((502, "no JSON"), "taskhook has a problem of its own (502)"),
        ((429, {"detail": "Limit Exceeded."}), "Too many requests for this key. Limit Exceeded."),
    ],
    ids=["network lost", "broken", "a gateway", "too many"],
)
def test_trouble_is_said_and_over_by_itself(opened: Open, fault: Any, words: str) -> None:
    api = a_scene()
    page = opened(api, clock=True)
    expect(rows(page)).to_have_count(10)
    api.fault, api.broken = fault, True
    look_now(page)
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    expect(page.get_by_text("Trying again in")).to_be_visible()
    expect(rows(page)).to_have_count(10)
    api.fault, api.broken = None, False
    api.tasks.pop()
    page.clock.run_for(5_000)
    expect(rows(page)).to_have_count(9)
    expect(page.get_by_text("Trying again in")).to_be_hidden()


def test_a_key_that_stops_working_is_asked_for_anew_and_a_form_survives_it(opened: Open) -> None:
    api = a_scene()
    page = opened(api, "#/new")
    field(page, "Title optional").fill("Kept")
    api.key = "another"
    page.get_by_role("button", name="Watch it").click()
    expect(page.get_by_text("This key is refused")).to_be_visible()
    page.get_by_label("API key").fill("another")
    page.get_by_role("button", name="Continue").click()
    expect(field(page, "Title optional")).to_have_value("Kept")
    page.get_by_role("link", name="Tasks", exact=True).click()
    expect(rows(page)).to_have_count(10)
    api.key = "a third"
    look_now(page)
    expect(page.get_by_label("API key")).to_be_focused()


def test_a_key_that_may_not_do_one_thing_is_not_thrown_away(opened: Open) -> None:
    api = a_scene()
    api.refusal = (403, {"detail": "This key manages no destinations."})
    page = opened(api, "#/destinations")
    page.get_by_role("button", name="Send a test to ops").click()
    expect(page.get_by_text("This key manages no destinations.")).to_be_visible()
    expect(page.get_by_role("button", name="Send a test to ops")).to_be_focused()


def test_an_installation_without_tasks_or_destinations_says_what_to_do(opened: Open) -> None:
    page = opened(PageApi(destinations=[]))
    expect(page.get_by_role("heading", name="Nothing is watched yet")).to_be_visible()
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Watch a task").click()
    expect(page.get_by_text("No destination is stored yet")).to_be_visible()
    page.get_by_role("link", name="Destinations").click()
    expect(page.get_by_role("heading", name="No destination yet")).to_be_visible()


def test_text_of_others_is_never_markup(opened: Open) -> None:
    evil = "<img src=x onerror=alert(1)>"
    api = PageApi(tasks=[a_task(1, title=evil, message=evil)], destinations=[a_destination("ops", host=evil)])
    page = opened(api)
    page.get_by_role("link", name=evil).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(evil)
    page.get_by_role("link", name="Destinations").click()
    expect(page.get_by_role("listitem")).to_contain_text(evil)
    assert page.locator("img").count() == 0


def test_everything_is_reached_by_keyboard(opened: Open) -> None:
    page = opened(a_scene())
    expect(rows(page)).to_have_count(10)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    seen = []
    for _ in range(18):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent || document.activeElement.id"))
    assert seen[0] == "Watch a task"
    assert "Create listener for shop.example" in seen
    assert seen.index("Filter") < seen.index("Create listener for shop.example")
    assert "Delete snapshots of June" in seen


VIEWS = ("#/tasks", "#/tasks?account=nobody", "{running}", "{failed}", "#/new", "#/destinations", "#/tasks/none")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_every_view_is_accessible_and_fits(opened: Open, fresh_page: Open, scheme: str, width: int) -> None:
    api = a_scene()
    places = {name: f"#/tasks/{api.tasks[place]['id']}" for name, place in {"running": 0, "failed": 3}.items()}
    look: dict[str, Any] = {
        "color_scheme": scheme, "viewport": {"width": width, "height": 760}, "reduced_motion": "reduce",
    }  # fmt: skip
    gate = fresh_page(**look)
    api.install(gate)
    gate.goto(STAGE)
    _check_view(gate, "the key", width)
    page = opened(api, **look)
    for view in VIEWS:
        page.goto(STAGE + "/" + view.format(**places))
        expect(page.locator(".loading:visible")).to_have_count(0)
        if view == "#/new":
            field(page, "Provider").fill("tencent.clb")
            page.get_by_role("button", name="Watch it").click()
        _check_view(page, view, width)


def _check_view(page: Page, view: str, width: int) -> None:
    found = Axe().run(page).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == [], view
    assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_a_task_is_watched_from_the_form_to_the_received_news(world: World, fresh_page: Open) -> None:
    page = fresh_page()
    answer = page.goto(world.stack.page)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page.get_by_label("API key").fill(world.stack.api_key)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Watch a task").click()
    expect(page.get_by_role("heading", name="Watch a task")).to_be_visible()
    field(page, "Provider").fill("tencent.clb")
    field(page, "Task id").fill("quick-page")
    page.get_by_role("button", name="Watch it").click()
    expect(field(page, "Region required")).to_have_accessible_description(re.compile("is required by"))
    field(page, "Region required").fill("ap-guangzhou")
    field(page, "Title optional").fill("Seen from the page")
    page.get_by_role("button", name="Watch it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Seen from the page")
    expect(page.locator("#taskState")).to_have_text("succeeded", timeout=60_000)
    expect(page.locator("#deliveries")).to_contain_text("delivered", timeout=30_000)
    story = re.compile("Submitted.*The provider says.*Ended.*default: told", re.DOTALL)
    expect(page.locator("#line")).to_contain_text(story)
    page.get_by_role("link", name="All tasks").click()
    field(page, "State").select_option("succeeded")
    page.get_by_role("link", name="Seen from the page").click()
    page.get_by_role("button", name="Send again to default").click()
    expect(page.locator("#deliveries")).to_contain_text("2 attempts", timeout=30_000)


def test_destinations_and_a_stop_work_on_the_real_service(world: World, fresh_page: Open) -> None:
    task = world.post("tencent.clb", "forever-page", title="Runs for ever")
    page = fresh_page()
    page.add_init_script(f"sessionStorage.setItem('taskhook-key', {json.dumps(world.stack.api_key)})")
    page.goto(f"{world.stack.page}#/tasks/{task['id']}")
    expect(page.locator("#line")).to_contain_text("Submitted")
    page.get_by_role("button", name="Stop watching").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop watching").click()
    expect(page.locator("#taskState")).to_have_text(State.STOPPED.value)
    page.get_by_role("link", name="Destinations").click()
    page.get_by_role("button", name="Send a test to slack").click()
    expect(page.get_by_text(re.compile(r"delivered \(200,"))).to_be_visible()
    page.get_by_role("button", name="Send a test to gone").click()
    expect(page.get_by_text(re.compile(r"dead \(410,"))).to_be_visible()
