import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import flask.testing
import httpx2
import pytest
from dash import Dash

import dashboard
from dashboard.app import create_app, find_page, match
from dashboard.client import CentralClient
from dashboard.session import COOKIE
from dashboard.settings import Settings
from tests.dashboard_views import of_kind, words
from tests.fake_central import NOW, PEOPLE, FakeCentral

ASSETS = Path(dashboard.__file__).parent / "assets"
BROWSER = {"Sec-Fetch-Site": "same-origin"}


class Moment:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Moment:
    return Moment()


@pytest.fixture
def dash(client: CentralClient, clock: Moment) -> Dash:
    return create_app(Settings(central_url="http://central"), client, clock)


@pytest.fixture
def visitor(dash: Dash) -> flask.testing.FlaskClient:
    return dash.server.test_client()


@pytest.fixture
def signed_in(visitor: flask.testing.FlaskClient) -> flask.testing.FlaskClient:
    answer = sign_in(visitor)
    assert answer.status_code == 303
    return visitor


def sign_in(visitor: flask.testing.FlaskClient, password: str = PEOPLE["lead"], onward: str = "/alerts"):
    form = {"username": "lead", "password": password, "next": onward}
    return visitor.post("/sign-in", data=form, headers=BROWSER)


def call(visitor: flask.testing.FlaskClient, dash: Dash, output_begins: str, inputs: list, state: list, **more):
    """Call a callback as the page does."""
    (output,) = [key for key in dash.callback_map if key.startswith(output_begins)]
    outputs = [
        dict(zip(("id", "property"), part.rsplit(".", 1), strict=True)) for part in output.strip(".").split("...")
    ]
    body = {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        "inputs": inputs,
        "state": state,
        "changedPropIds": [],
        **more,
    }
    return visitor.post(
        "/_dash-update-component", json=body, headers={**BROWSER, "Referer": "http://localhost/alerts?x=1"}
    )


def prop(name: str, value: object) -> dict[str, object]:
    ident, which = name.rsplit(".", 1)
    return {"id": ident, "property": which, "value": value}


OVERVIEW = [prop("overview-tick.n_intervals", 0), prop("url.search", "")]
CHANGED = prop("changed.data", 0)
ROUTE = [prop("url.pathname", "/")]
ALERTS = [prop("alerts-tick.n_intervals", 0), CHANGED, prop("url.search", "")]
FEDERATION = [prop("federation-tick.n_intervals", 0), prop("url.search", "")]
MODELS = [prop("models-tick.n_intervals", 0)]
SITE_INPUTS = [prop("site-tick.n_intervals", 0), CHANGED]
SITE_STATE = [prop("site-name.data", "south-clinic"), prop("site-digest.data", None)]


def test_health_is_told_without_signing_in_and_without_the_centre(
    visitor: flask.testing.FlaskClient, central: FakeCentral
) -> None:
    assert visitor.get("/healthz").get_json() == {"status": "ok"}
    assert central.asked == []


@pytest.mark.parametrize("path", ["/", "/alerts?state=firing", "/sites/north-clinic"])
def test_a_page_asks_to_sign_in_first_and_remembers_where_one_wanted_to_go(
    visitor: flask.testing.FlaskClient, path: str
) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in?next=%2F")
    form = visitor.get(answer.location).get_data(as_text=True)
    assert f'name="next" value="{path}"' in form


@pytest.mark.parametrize("path", ["/_dash-layout", "/_dash-dependencies"])
def test_the_inside_of_the_page_is_for_signed_in_people(visitor: flask.testing.FlaskClient, path: str) -> None:
    assert visitor.get(path).status_code == 401


def test_the_library_opens_no_door_for_other_programs(dash: Dash) -> None:
    assert not [rule for rule in map(str, dash.server.url_map.iter_rules()) if "mcp" in rule or "ws" in rule]


def test_signing_in_leads_on_and_sets_a_cookie_that_scripts_cannot_read(visitor: flask.testing.FlaskClient) -> None:
    answer = sign_in(visitor)
    assert (answer.status_code, answer.location) == (303, "/alerts")
    cookie = answer.headers["Set-Cookie"]
    assert COOKIE in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_behind_tls_the_cookie_travels_over_tls_alone(client: CentralClient, clock: Moment) -> None:
    dash = create_app(Settings(central_url="http://central", secure_cookie=True), client, clock)
    assert "Secure" in sign_in(dash.server.test_client()).headers["Set-Cookie"]


def test_a_wrong_password_says_so_keeps_the_name_and_forgets_the_password(visitor: flask.testing.FlaskClient) -> None:
    answer = sign_in(visitor, password="wrong-guess")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 401
    assert "The name or the password is wrong." in page
    assert 'value="lead"' in page
    assert "wrong-guess" not in page
    assert visitor.get("/").status_code == 302


def test_a_name_is_shown_as_text_and_never_as_markup(visitor: flask.testing.FlaskClient) -> None:
    form = {"username": '"><script>alert(1)</script>', "password": "x"}
    assert "<script>" not in visitor.post("/sign-in", data=form, headers=BROWSER).get_data(as_text=True)


def test_signing_in_never_leads_to_another_host(visitor: flask.testing.FlaskClient) -> None:
    assert sign_in(visitor, onward="//evil.example/").location == "/"


def test_who_is_signed_in_need_not_sign_in_again(signed_in: flask.testing.FlaskClient) -> None:
    assert signed_in.get("/sign-in?next=/alerts").location == "/alerts"


def test_signing_out_ends_the_session_here_and_at_the_centre(
    signed_in: flask.testing.FlaskClient, central: FakeCentral
) -> None:
    assert signed_in.post("/sign-out", headers=BROWSER).location == "/sign-in"
    assert signed_in.get("/").status_code == 302
    assert central.sessions == {}


def test_signing_out_works_while_the_centre_is_away(signed_in: flask.testing.FlaskClient, central: FakeCentral) -> None:
    central.broken = 503
    assert signed_in.post("/sign-out", headers=BROWSER).location == "/sign-in"
    assert signed_in.get("/").status_code == 302


def test_a_session_ends_when_its_time_is_over(signed_in: flask.testing.FlaskClient, clock: Moment) -> None:
    assert signed_in.get("/").status_code == 200
    clock.now += timedelta(hours=12)
    assert signed_in.get("/").status_code == 302


def test_a_forged_cookie_is_nobody(visitor: flask.testing.FlaskClient) -> None:
    visitor.set_cookie(COOKIE, "eyJ0b2tlbiI6InRva2VuLTAtbGVhZCJ9.forged.signature")
    assert visitor.get("/").status_code == 302


def test_a_centre_that_is_away_is_said_on_the_sign_in_page(clock: Moment) -> None:
    def away(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    http = httpx2.Client(base_url="http://central", transport=httpx2.MockTransport(away))
    dash = create_app(Settings(central_url="http://central"), CentralClient(http), clock)
    answer = sign_in(dash.server.test_client())
    assert answer.status_code == 503
    assert "cannot be reached" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/_dash-update-component"])
def test_what_another_site_began_is_refused(
    signed_in: flask.testing.FlaskClient, central: FakeCentral, headers: dict[str, str], path: str
) -> None:
    before = dict(central.sessions)
    assert signed_in.post(path, headers=headers, json={}).status_code == 403
    assert central.sessions == before


@pytest.mark.parametrize("headers", [{"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {}])
def test_what_began_here_is_accepted(visitor: flask.testing.FlaskClient, headers: dict[str, str]) -> None:
    form = {"username": "lead", "password": PEOPLE["lead"]}
    assert visitor.post("/sign-in", data=form, headers=headers).status_code == 303


@pytest.mark.parametrize("path", ["/sign-in", "/_dash-update-component"])
def test_a_body_that_no_page_sends_is_not_read(visitor: flask.testing.FlaskClient, path: str) -> None:
    assert visitor.post(path, json={"output": "x" * 2_000_000}, headers=BROWSER).status_code == 413


@pytest.mark.parametrize("path", ["/healthz", "/sign-in", "/", "/assets/style.css"])
def test_every_answer_carries_the_security_headers(visitor: flask.testing.FlaskClient, path: str) -> None:
    with visitor.get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


def test_pages_are_not_kept_by_the_browser_but_libraries_are(signed_in: flask.testing.FlaskClient) -> None:
    page = signed_in.get("/")
    assert page.headers["Cache-Control"] == "no-store"
    library = re.search(r'src="(/_dash-component-suites/[^"]+)"', page.get_data(as_text=True))
    assert library is not None
    with signed_in.get(library[1]) as answer:
        assert "max-age" in answer.headers["Cache-Control"]


def test_nothing_on_the_page_comes_from_another_host(signed_in: flask.testing.FlaskClient) -> None:
    for page in (signed_in.get("/"), signed_in.get("/sign-in")):
        assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]+', page.get_data(as_text=True))
    own = [path for path in ASSETS.rglob("*") if path.suffix in (".css", ".js", ".svg")]
    for path in own:
        found = re.findall(r"https?://\S+", path.read_text().replace("http://www.w3.org/2000/svg", ""))
        assert found == [], path


def test_every_file_that_the_style_names_exists() -> None:
    named = re.findall(r'url\("([^"]+)"\)', (ASSETS / "style.css").read_text())
    assert named
    for name in named:
        assert (ASSETS / name).is_file(), name


def test_the_disclaimer_is_on_every_page(
    signed_in: flask.testing.FlaskClient, visitor: flask.testing.FlaskClient
) -> None:
    sentence = "A quality-monitoring aid, not for diagnosis."
    assert sentence in json.dumps(signed_in.get("/_dash-layout").get_json())
    signed_in.post("/sign-out", headers=BROWSER)
    assert sentence in visitor.get("/sign-in").get_data(as_text=True)


def test_the_page_names_the_signed_in_person(signed_in: flask.testing.FlaskClient) -> None:
    assert '"lead"' in json.dumps(signed_in.get("/_dash-layout").get_json())


@pytest.mark.parametrize(
    ("pattern", "path", "named"),
    [
        ("/", "/", {}),
        ("/alerts", "/alerts/", {}),
        ("/sites/<site>", "/sites/north-clinic", {"site": "north-clinic"}),
        ("/sites/<site>", "/sites/a%2Fb", {"site": "a/b"}),
        ("/sites/<site>", "/sites/", None),
        ("/sites/<site>", "/sites/a/b", None),
        ("/alerts", "/", None),
    ],
)
def test_an_address_is_matched_to_its_page(pattern: str, path: str, named: dict[str, str] | None) -> None:
    assert match(pattern, path) == named


def test_the_address_chooses_quantity_window_and_stratum() -> None:
    page = find_page(
        "/sites/north-clinic", "?quantity=mean_entropy&window=7&stratum=manufacturer%3Dsiemens&site=other&x=1"
    )
    stores = {store.id: store.data for store in of_kind(page, "Store") if hasattr(store, "data")}
    assert stores["site-name"] == "north-clinic"
    assert stores["stratum"] == "manufacturer=siemens"
    chosen = {select.id: select.value for select in of_kind(page, "Select")}
    assert chosen == {"quantity": "mean_entropy", "window": "7"}


def test_an_address_without_a_page_is_said_in_words() -> None:
    assert "no such page" in words(find_page("/nothing/here"))


def test_the_open_overview_is_filled_by_its_callback(signed_in: flask.testing.FlaskClient, dash: Dash) -> None:
    answer = call(signed_in, dash, "..overview-strip", OVERVIEW, [])
    rows = answer.get_json()["response"]["sites-table"]["rowData"]
    assert [row["site"] for row in rows][:2] == ["south-clinic", "harbour-hospital"]


def test_an_ended_session_leads_the_open_page_back_to_sign_in(
    signed_in: flask.testing.FlaskClient, dash: Dash, central: FakeCentral
) -> None:
    central.sessions.clear()
    answer = call(signed_in, dash, "..overview-strip", OVERVIEW, []).get_json()
    assert answer["sideUpdate"]["leave"]["data"] == "/sign-in?next=%2Falerts%3Fx%3D1&ended"
    assert "rowData" not in json.dumps(answer.get("response", {}))
    assert signed_in.get("/").status_code == 302


def test_nobody_gets_an_answer_from_a_callback(
    visitor: flask.testing.FlaskClient, dash: Dash, central: FakeCentral
) -> None:
    answer = call(visitor, dash, "..overview-strip", OVERVIEW, []).get_json()
    assert answer["sideUpdate"]["leave"]["data"].startswith("/sign-in?next=")
    assert central.asked == []


def test_a_centre_that_is_away_is_a_banner_and_the_page_keeps_what_it_shows(
    signed_in: flask.testing.FlaskClient, dash: Dash, central: FakeCentral
) -> None:
    central.broken = 503
    response = call(signed_in, dash, "..overview-strip", OVERVIEW, []).get_json()["response"]
    assert "tries again every 30 seconds" in json.dumps(response["overview-banner"])
    assert "sites-table" not in response


def test_a_fault_of_the_dashboard_is_said_without_its_inside(
    signed_in: flask.testing.FlaskClient,
    dash: Dash,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("dashboard.pages.overview.look", broken)
    answer = call(signed_in, dash, "..overview-strip", OVERVIEW, []).get_data(as_text=True)
    assert "an error it did not expect" in answer
    assert "inside" not in answer
    logged = capsys.readouterr().err
    assert "callback_failed" in logged
    assert "inside" not in logged


@pytest.mark.parametrize(
    ("output", "inputs", "state"),
    [
        ("content.children", ROUTE, [prop("url.search", "")]),
        ("..overview-strip", OVERVIEW, []),
        ("..alerts-filters", ALERTS, [prop("alerts-digest.data", None)]),
        ("..site-banner", SITE_INPUTS, SITE_STATE),
        ("..federation-body", FEDERATION, [prop("federation-digest.data", None)]),
        ("..models-body", MODELS, [prop("models-digest.data", None)]),
    ],
)
def test_what_the_banner_says_is_taken_back_when_a_page_opens_or_looks_with_success(
    signed_in: flask.testing.FlaskClient, dash: Dash, output: str, inputs: list, state: list
) -> None:
    answer = call(signed_in, dash, output, inputs, state).get_json()
    assert answer["sideUpdate"] == {"banner": {"children": None}}


def test_a_site_is_filled_once_and_left_alone_until_something_changes(
    signed_in: flask.testing.FlaskClient, dash: Dash
) -> None:
    first = call(signed_in, dash, "..site-banner", SITE_INPUTS, SITE_STATE).get_json()["response"]
    assert first["site-page"]["className"] == ""
    known = [SITE_STATE[0], prop("site-digest.data", first["site-digest"]["data"])]
    again = call(signed_in, dash, "..site-banner", SITE_INPUTS, known).get_json()["response"]
    assert set(again) == {"site-banner", "site-head"}


def test_the_list_of_alerts_stays_until_an_alert_changes_or_has_another_age(
    signed_in: flask.testing.FlaskClient, dash: Dash, central: FakeCentral, clock: Moment
) -> None:
    central.add_alerts([next(iter(central.alerts.values())).model_copy(update={"opened_at": NOW})])

    def listed(known: str | None) -> dict[str, dict[str, str]]:
        state = [prop("alerts-digest.data", known)]
        return call(signed_in, dash, "..alerts-filters", ALERTS, state).get_json()["response"]

    first = listed(None)["alerts-digest"]["data"]
    clock.now += timedelta(seconds=1)
    assert "alerts-list" not in listed(first)
    clock.now += timedelta(minutes=2)
    assert "2 min ago" in json.dumps(listed(first)["alerts-list"])


@pytest.mark.parametrize(("page", "inputs"), [("federation", FEDERATION), ("models", MODELS)])
def test_runs_and_models_stay_until_something_changes_and_while_the_centre_is_away(
    signed_in: flask.testing.FlaskClient, dash: Dash, central: FakeCentral, page: str, inputs: list
) -> None:
    def shown(known: str | None) -> dict[str, dict[str, object]]:
        answer = call(signed_in, dash, f"..{page}-body", inputs, [prop(f"{page}-digest.data", known)])
        return answer.get_json()["response"]

    first = shown(None)
    assert first[f"{page}-body"]["children"]
    known = first[f"{page}-digest"]["data"]
    assert set(shown(known)) == {f"{page}-banner", f"{page}-as-of"}
    central.runs = central.runs[4:]
    assert f"{page}-body" in (shown(known) if page == "federation" else shown(None))
    central.broken = 503
    away = shown(known)
    assert set(away) == {f"{page}-banner"}
    assert "tries again" in json.dumps(away)


def test_a_site_that_does_not_exist_is_said_in_words(signed_in: flask.testing.FlaskClient, dash: Dash) -> None:
    unknown = [prop("site-name.data", "nowhere"), prop("site-digest.data", None)]
    response = call(signed_in, dash, "..site-banner", SITE_INPUTS, unknown).get_json()["response"]
    assert "There is no such site." in json.dumps(response["site-head"])
    assert response["site-page"]["className"] == "only-head"


def detail(visitor: flask.testing.FlaskClient, dash: Dash, quantity: str | None, known: str | None = None):
    inputs = [
        prop("quantity.value", quantity),
        prop("window.value", "latest"),
        prop("detail-tick.n_intervals", 0),
        CHANGED,
    ]
    state = [prop("site-name.data", "south-clinic"), prop("stratum.data", "all"), prop("detail-digest.data", known)]
    return call(visitor, dash, "..detail-problem", inputs, state).get_json()["response"]


def test_a_quantity_is_drawn_once_and_left_alone_until_something_changes(
    signed_in: flask.testing.FlaskClient, dash: Dash
) -> None:
    first = detail(signed_in, dash, "mean_entropy")
    assert first["quantity-course"]["figure"]["data"]
    again = detail(signed_in, dash, "mean_entropy", first["detail-digest"]["data"])
    assert "quantity-course" not in again


def test_a_quantity_that_does_not_exist_is_said_in_words(signed_in: flask.testing.FlaskClient, dash: Dash) -> None:
    assert "could not be read" in json.dumps(detail(signed_in, dash, "nonsense")["detail-problem"])
    assert detail(signed_in, dash, None)["detail-body"]["hidden"] is True


def multiples(visitor: flask.testing.FlaskClient, dash: Dash, site: str):
    inputs = [prop("multiples-tick.n_intervals", 0), CHANGED, prop("show-all.n_clicks", 0)]
    state = [prop("site-name.data", site), prop("multiples-digest.data", None), prop("quantity.value", None)]
    return call(visitor, dash, "..multiples.children", inputs, state).get_json()["response"]


def test_the_quantities_choose_the_most_changed_one(signed_in: flask.testing.FlaskClient, dash: Dash) -> None:
    response = multiples(signed_in, dash, "south-clinic")
    offered = [option["value"] for option in response["quantity"]["data"]]
    assert response["quantity"]["value"] == offered[0]
    assert response["quantity-detail"]["hidden"] is False


def test_a_site_without_quantities_offers_none_to_look_at_in_detail(
    signed_in: flask.testing.FlaskClient, dash: Dash
) -> None:
    response = multiples(signed_in, dash, "valley-clinic")
    assert "No quantity has been reported yet." in json.dumps(response["multiples"])
    assert response["quantity-detail"]["hidden"] is True


def confirm(visitor: flask.testing.FlaskClient, dash: Dash, alert: str, action: str = "acknowledge"):
    state = [
        prop("action-chosen.data", {"type": "alert-action", "action": action, "alert": alert}),
        prop("action-comment.value", "calling them"),
        prop("changed.data", 4),
    ]
    (key,) = [k for k in dash.callback_map if "action-problem.children@" in k]
    return call(visitor, dash, key, [prop("action-confirm.n_clicks", 1)], state).get_json()["response"]


def test_confirming_acts_in_the_name_of_the_signed_in_person(
    signed_in: flask.testing.FlaskClient, dash: Dash, central: FakeCentral
) -> None:
    alert = next(iter(central.alerts))
    response = confirm(signed_in, dash, str(alert))
    assert response["changed"]["data"] == 5
    assert central.alerts[alert].owner == "lead"
    assert central.alerts[alert].transitions[-1].comment == "calling them"


def test_being_second_is_told_in_the_dialog(
    signed_in: flask.testing.FlaskClient, dash: Dash, central: FakeCentral
) -> None:
    alert = str(next(iter(central.alerts)))
    confirm(signed_in, dash, alert, "resolve")
    response = confirm(signed_in, dash, alert)
    assert "already resolved" in json.dumps(response)
    assert response["changed"]["data"] == 5


def test_two_dashboards_in_one_process_do_not_share_pages(client: CentralClient, clock: Callable[[], datetime]) -> None:
    settings = Settings(central_url="http://central")
    first, second = create_app(settings, client, clock), create_app(settings, client, clock)
    for dash in (first, second):
        assert dash.server.test_client().get("/healthz").status_code == 200
    assert set(first.callback_map) == set(second.callback_map)
