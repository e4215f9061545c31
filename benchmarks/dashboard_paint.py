"""How soon the dashboard's overview of 100 sites is painted: `python -m benchmarks.dashboard_paint`.

A centre in memory answers with 50 sites a page, the dashboard runs in this process, and a headless Chromium signs in
and then opens the overview anew, with its cache empty and with it warm. Measured are the first contentful paint, the
first row of the table (all rows come at once), both by the clock, and the processor time of the browser's main thread,
which does not depend on what else the machine does. Target: 1 s from the start of the navigation to the rows. On a
machine that is busy with other work the clock says nothing, and the processor time is compared instead.
"""

import argparse
import os
import shutil
import socket
import statistics
import sys
import threading
import time
from contextlib import closing

import waitress
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from dashboard.app import create_app
from dashboard.client import CentralClient
from dashboard.pages import overview
from dashboard.settings import Settings
from tests.fake_central import NOW, PEOPLE, FakeCentral

TARGET_S = 1.0
SITES = 100
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]  # fmt: skip

WATCH = """
new MutationObserver((_, watcher) => {
  if (!document.querySelector(".ag-center-cols-container .ag-row .badge")) return;
  watcher.disconnect();
  requestAnimationFrame(() => { window.firstRowAt = performance.now(); });
}).observe(document, {childList: true, subtree: true});
"""


def main() -> int:
    """Measure, print, and say by the exit status whether the warm paint meets the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--chromium", default=os.environ.get("SEGWATCH_CHROMIUM") or shutil.which("chromium"))
    chosen = parser.parse_args()
    central = FakeCentral.with_federation(extra_sites=SITES - 7)
    central.page_size = 50
    with closing(central.client()) as http, socket.create_server(("127.0.0.1", 0)) as listener:
        client = CentralClient(http)
        print(f"{len(central.sites)} sites; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"one answer of the dashboard, without HTTP: {_answer_s(client, chosen.repeats) * 1000:.0f} ms of CPU")
        server = waitress.create_server(
            create_app(Settings(central_url="http://central"), client, lambda: NOW).server,
            sockets=[listener],
            threads=6,
        )
        threading.Thread(target=server.run, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chosen.chromium, args=QUIET)
            met = _report(browser, f"http://127.0.0.1:{listener.getsockname()[1]}", chosen.repeats)
            browser.close()
    return 0 if met else 1


def _answer_s(client: CentralClient, repeats: int) -> float:
    person = client.for_person(client.sign_in("lead", PEOPLE["lead"]).token)
    sites = person.sites()
    started = time.process_time()
    for _ in range(repeats):
        overview.overview_table.rows(sites, NOW)
        overview.headline.strip(sites, None)
    return (time.process_time() - started) / repeats


def _report(browser: Browser, address: str, repeats: int) -> bool:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(120_000)
    page.add_init_script(WATCH)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address)
    page.fill("#username", "lead")
    page.fill("#password", PEOPLE["lead"])
    page.click("button[type=submit]")
    cold = [_opened(page, devtools)]
    warm = []
    for _ in range(repeats):
        page.goto(address)
        warm.append(_opened(page, devtools))
    for name, found in (("empty cache", cold), ("warm cache", warm)):
        paint, rows, busy = (statistics.median(times) for times in zip(*found, strict=True))
        print(
            f"{name}: first paint {paint:.2f} s, rows {rows:.2f} s; main thread {busy:.2f} s (median of {len(found)})"
        )
    return _verdict([rows for _, rows, _ in warm], [busy for _, _, busy in warm])


def _verdict(rows_s: list[float], busy_s: list[float]) -> bool:
    idle = os.getloadavg()[0] < (os.cpu_count() or 1)
    compared, name = (rows_s, "clock") if idle else (busy_s, "main thread's processor time, the machine being busy")
    met = statistics.median(compared) <= TARGET_S
    print(f"target {TARGET_S:.0f} s, compared with the {name}, warm cache: {'met' if met else 'missed'}")
    return met


def _opened(page: Page, devtools: CDPSession) -> tuple[float, float, float]:
    """Seconds to the first paint and to the rows by the clock, and processor time of the main thread up to then."""
    page.wait_for_selector(".ag-center-cols-container .ag-row .badge", state="attached")
    metrics = {metric["name"]: metric["value"] for metric in devtools.send("Performance.getMetrics")["metrics"]}
    page.wait_for_timeout(500)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
    return paint / 1000, page.evaluate("window.firstRowAt") / 1000, metrics["TaskDuration"]


if __name__ == "__main__":
    sys.exit(main())
