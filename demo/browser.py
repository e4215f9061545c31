"""Look at the dashboard with a real browser."""

import shutil
from pathlib import Path

# As root in a container Chromium needs --no-sandbox; the rest keeps it from calling home.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """The browser of this machine, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def look(
    chromium: str, url: str, username: str, password: str, *, site: str, words: list[str], folder: Path
) -> list[str]:
    """Sign in, open the overview and the page of a site, and report what is not as it should be.

    Args:
        words: what must be readable on the site's page.
        folder: gets overview.png and site.png.
    """
    from playwright.sync_api import expect, sync_playwright

    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.on("pageerror", lambda error: problems.append(f"A script failed: {error}."))
        page.goto(url)
        page.get_by_label("Name").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        for name, address in (("overview", url), ("site", f"{url}/sites/{site}")):
            if name == "site":
                page.goto(address)
            wanted = words if name == "site" else [site]
            for word in wanted:
                try:
                    expect(page.get_by_text(word).first).to_be_visible(timeout=20_000)
                except AssertionError:
                    problems.append(f"'{word}' is not to be seen on the {name} page.")
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name}.png", full_page=True)
        browser.close()
    return problems
