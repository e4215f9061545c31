"""The dashboard in a real browser, in front of a centre in memory.

Every test ends by asking that the page wrote no error to the console, but for what Chromium itself writes where a test
cuts the connection, and sent no request to another host.
"""

import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import pytest
import waitress
from dash import Dash
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from waitress import wasyncore
from waitress.channel import HTTPChannel

from dashboard.app import create_app
from dashboard.client import CentralClient
from dashboard.settings import Settings
from tests.fake_central import NOW, PEOPLE, FakeCentral

CHROMIUM = os.environ.get("SEGWATCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
PATIENCE_MS = 60_000
NOTHING_BEYOND_1024 = "document.documentElement.scrollWidth <= 1024"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="There is no Chromium; set SEGWATCH_CHROMIUM to one."),
]


@dataclass
class Desk:
    """A person's browser in front of the dashboard, and the centre behind it."""

    page: Page
    central: FakeCentral
    address: str
    may_be_cut_off: bool = False

    def sign_in(self, path: str = "/") -> None:
        """Open a page as the lead."""
        self.page.goto(f"{self.address}{path}")
        self.page.get_by_label("Name").fill("lead")
        self.page.get_by_label("Password").fill(PEOPLE["lead"])
        self.page.get_by_role("button", name="Sign in").click()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture(scope="module")
def told() -> FakeCentral:
    return FakeCentral.with_federation()


@pytest.fixture
def central(told: FakeCentral) -> FakeCentral:
    return replace(told, alerts=dict(told.alerts), sessions={}, asked=[])


@contextmanager
def served(app: Dash, listener: socket.socket) -> Iterator[None]:
    """The dashboard behind waitress; the loop ends before anything that it looks at is closed."""
    connections: dict[int, wasyncore.dispatcher] = {}
    server = waitress.create_server(app.server, map=connections, sockets=[listener], threads=6)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            wasyncore.loop(timeout=0.1, map=connections, count=1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(timeout=20)
    server.task_dispatcher.shutdown()
    for connection in list(connections.values()):
        # `handle_close` of a channel also closes the files of the answers that nobody waited for.
        connection.handle_close() if isinstance(connection, HTTPChannel) else connection.close()


@pytest.fixture
def address(central: FakeCentral) -> Iterator[str]:
    with closing(central.client()) as http, socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(Settings(central_url="http://central", refresh_s=1), CentralClient(http), lambda: NOW)
        with served(app, listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def desk(browser: Browser, central: FakeCentral, address: str) -> Iterator[Desk]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page, faults = context.new_page(), []
    desk = Desk(page, central, address)

    def note(message: ConsoleMessage) -> None:
        told_of_cut = desk.may_be_cut_off and "net::ERR_" in message.text
        if message.type == "error" and not told_of_cut:
            faults.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: faults.append(request.url) if _leaves(request.url, address) else None)
    yield desk
    context.close()
    assert faults == []


def becomes_true(page: Page, condition: str) -> None:
    """Wait until a layout has settled; asked from here, since the page's own rules forbid it to evaluate strings."""
    for _ in range(PATIENCE_MS // 100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"Never true: {condition}")


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:", "about:"))


def test_a_lead_signs_in_finds_who_needs_them_and_takes_an_alert_on(desk: Desk) -> None:
    page = desk.page
    desk.sign_in()
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows).to_have_count(7)
    first = page.locator(".ag-row[row-index='0']")
    expect(first).to_contain_text("South Clinic")
    expect(first).to_contain_text("Look at the open alerts and call the site.")
    expect(page.locator(".ag-row[row-index='1']")).to_contain_text("Harbour Hospital")

    page.get_by_role("link", name="South Clinic").click()
    expect(page.get_by_role("heading", name="South Clinic")).to_be_visible()
    card = page.locator(".alert-card", has_text="Mean entropy has become higher")
    expect(card).to_contain_text("0.71 to 0.91")
    expect(card).to_contain_text("threshold 17.0")
    expect(card).to_contain_text("Open")

    card.get_by_role("button", name="Acknowledge").click()
    page.get_by_label("Comment").fill("Called the site; new kernel since Thursday.")
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("owner: lead")
    expect(card).to_contain_text("Called the site; new kernel since Thursday.")
    expect(card.get_by_role("button", name="Acknowledge")).to_have_count(0)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert desk.central.sessions == {}


def test_a_quantity_is_chosen_by_keyboard_and_its_address_can_be_shared(desk: Desk) -> None:
    page = desk.page
    desk.sign_in("/sites/island-hospital?quantity=mean_entropy&window=20")
    expect(page.locator("#quantity")).to_have_value("Mean entropy")
    expect(page.locator("#quantity-histogram")).to_contain_text("site baseline")
    expect(page.locator("#quantity-course pattern").first).to_be_attached()  # suppressed windows are hatched

    page.locator(".multiple-button", has_text="Predicted Dice").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#quantity")).to_have_value("Predicted Dice")
    expect(page.locator("#quantity-course")).to_contain_text("Predicted Dice")
    expect(page.locator(".multiple-chosen")).to_contain_text("Predicted Dice")
    page.wait_for_url(re.compile(r"quantity=predicted_dice&window=20"))

    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = download.value.path().read_text()
    assert "suppressed,,," in text
    assert download.value.suggested_filename == "island-hospital_predicted_dice_all.csv"


def test_an_open_page_follows_the_centre_without_losing_its_place(desk: Desk) -> None:
    page, central = desk.page, desk.central
    desk.sign_in("/sites/south-clinic")
    expect(page.locator("#quantity-drift h4").first).to_be_visible()
    expect(page.locator(".alert-card")).to_have_count(5)
    page.evaluate("window.scrollTo(0, 1200)")

    central.broken = 503
    expect(page.get_by_text("The central server could not answer (HTTP 503).", exact=True)).to_be_attached()
    expect(page.locator(".alert-card")).to_have_count(5)

    central.broken = None
    alert = next(alert for alert in central.alerts.values() if alert.metric == "mean_entropy")
    central.add_alerts([alert.model_copy(update={"owner": "colleague", "state": "acknowledged"})])
    expect(page.locator(".alert-card", has_text="owner: colleague")).to_be_attached()
    expect(page.get_by_text("The central server could not answer (HTTP 503).")).to_have_count(0)
    assert page.evaluate("window.scrollY") == pytest.approx(1200, abs=120)

    central.sessions.clear()
    page.wait_for_url(re.compile("/sign-in"))
    expect(page.get_by_text("Your session has ended.")).to_be_visible()


def test_a_page_that_was_cut_off_says_so_and_goes_on_when_the_connection_is_back(desk: Desk) -> None:
    page, silence = desk.page, desk.page.get_by_text("The dashboard does not answer.")
    desk.sign_in("/alerts")
    expect(page.locator(".alert-card")).to_have_count(6)
    desk.may_be_cut_off = True
    page.context.set_offline(True)
    expect(silence).to_be_visible()
    page.context.set_offline(False)
    expect(silence).to_be_hidden()
    desk.central.alerts.clear()
    expect(page.get_by_text("No alert is open.")).to_be_visible()

    page.context.set_offline(True)
    page.get_by_role("link", name="Overview").click()
    expect(silence).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(7)
    expect(silence).to_be_hidden()


def test_nothing_is_cut_off_at_1024_pixels(desk: Desk) -> None:
    page = desk.page
    page.set_viewport_size({"width": 1024, "height": 800})
    desk.sign_in()
    expect(page.locator(".ag-row[row-index='0'] .interval-bar")).to_be_visible()
    becomes_true(
        page,
        "[...document.querySelectorAll('.ag-header-cell')].every(cell => cell.getBoundingClientRect().right <= 1024)",
    )
    page.get_by_role("link", name="Alerts", exact=True).click()
    expect(page.locator(".alert-card")).to_have_count(6)
    becomes_true(page, NOTHING_BEYOND_1024)
    page.locator(".alert-card .alert-site").first.click()
    expect(page.locator("#quantity-drift h4").first).to_be_visible()
    becomes_true(page, NOTHING_BEYOND_1024)


def test_runs_are_followed_and_chosen_by_keyboard_also_on_a_telephone(desk: Desk) -> None:
    page, central = desk.page, desk.central
    desk.sign_in("/federation")
    run = page.locator("#run")
    expect(run).to_contain_text("Running")
    newest = central.runs[0].overview.model_copy(update={"state": "completed", "sentence": "All sites took part."})
    central.runs = [central.runs[0].model_copy(update={"overview": newest}), *central.runs[1:]]
    expect(run).to_contain_text("All sites took part.")

    page.get_by_role("link", name="Train segmenter").first.focus()
    page.keyboard.press("Enter")
    expect(run).to_contain_text("Interrupted")
    expect(page).to_have_url(re.compile(r"run=0+3$"))
    expect(page.get_by_role("region", name="Rounds")).to_contain_text("its own policy does not allow this")
    page.set_viewport_size({"width": 390, "height": 844})
    becomes_true(page, "document.documentElement.scrollWidth <= 390")

    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.locator("#models-body")).to_contain_text("1 model in use at 6 sites")
    becomes_true(page, "document.documentElement.scrollWidth <= 390")


def test_one_alert_and_one_group_of_sites_have_addresses_of_their_own(desk: Desk) -> None:
    page = desk.page
    desk.sign_in("/?show=silent")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(2)
    page.get_by_role("link", name="Warming up").click()
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"show=warming_up"))
    page.get_by_role("link", name="Alerts", exact=True).click()
    page.get_by_role("link", name="permalink").nth(2).click()
    expect(page.locator(".alert-card")).to_have_count(1)
    page.get_by_role("link", name="Resolved", exact=True).click()
    expect(page.get_by_text("No alert is resolved.")).to_be_visible()
