import json

import httpx2
import pytest

from dashboard.answer_memory import AnswerMemory
from dashboard.client import CentralClient, CentralForPerson
from dashboard.errors import (
    CentralRefused,
    CentralUnreachable,
    NotFound,
    SignInNeeded,
    SignInRefused,
    UnreadableAnswer,
)
from tests.fake_central import PEOPLE, FakeCentral

PROBLEM = {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "Somebody else was first."}


def person(handler) -> CentralForPerson:
    """One person's client in front of a hand-made centre."""
    http = httpx2.Client(base_url="http://central", transport=httpx2.MockTransport(handler))
    return CentralClient(http).for_person("a-token")


def answering(status: int, body: object = None, **more: object):
    content = json.dumps(body).encode() if body is not None else b""
    return lambda _: httpx2.Response(status, content=content, **more)


def test_signing_in_gives_the_token_of_the_person(client: CentralClient) -> None:
    session = client.sign_in("lead", PEOPLE["lead"])
    assert session.actor == "lead"
    assert session.token


def test_a_wrong_password_is_told_without_saying_which_of_the_two_is_wrong(client: CentralClient) -> None:
    with pytest.raises(SignInRefused, match="name or the password is wrong"):
        client.sign_in("lead", "wrong")


def test_an_empty_name_asks_for_one_without_a_request(client: CentralClient, central: FakeCentral) -> None:
    with pytest.raises(SignInRefused, match="give a name"):
        client.sign_in("", "x")
    assert central.asked == []


def test_too_many_tries_are_told_in_the_words_of_the_centre() -> None:
    http = httpx2.Client(
        base_url="http://central",
        transport=httpx2.MockTransport(answering(429, {**PROBLEM, "detail": "Wait a minute."})),
    )
    with pytest.raises(SignInRefused, match="Wait a minute"):
        CentralClient(http).sign_in("lead", "x")


def test_signing_out_ends_the_session_at_the_centre(client: CentralClient, central: FakeCentral) -> None:
    token = client.sign_in("lead", PEOPLE["lead"]).token
    client.sign_out(token)
    assert central.sessions == {}
    client.sign_out(token)  # a session that has already ended is no error
    with pytest.raises(SignInNeeded):
        client.for_person(token).sites()


def test_every_question_carries_the_token_of_the_person() -> None:
    seen = []

    def centre(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, json={"items": [], "next_cursor": None})

    person(centre).sites()
    assert seen == ["Bearer a-token"]


def test_lists_are_read_to_their_last_page(lead: CentralForPerson, central: FakeCentral) -> None:
    assert central.page_size < len(central.sites)
    assert {site.site for site in lead.sites()} == {site.name for site in central.sites}
    assert len(lead.alerts()) == len(central.alerts) > central.page_size


def test_a_cursor_that_never_moves_does_not_ask_for_ever() -> None:
    page = {"items": [], "next_cursor": "1"}
    assert person(answering(200, page)).sites() == ()


def test_alerts_are_asked_for_by_state_and_site(lead: CentralForPerson) -> None:
    assert lead.alerts(state="resolved") == ()
    assert {alert.site for alert in lead.alerts(site="south-clinic")} == {"south-clinic"}


def test_the_series_of_a_site_are_read_models(lead: CentralForPerson) -> None:
    assert lead.site("south-clinic").overview.site == "south-clinic"
    names = [info.name for info in lead.metrics("south-clinic")]
    assert [series.metric.name for series in lead.several_metrics("south-clinic", names)] == names
    assert lead.drift("south-clinic", "mean_entropy").metric.unit == "nats"
    assert lead.rates("south-clinic").points
    assert lead.detectors("south-clinic")
    assert lead.metric("north-clinic", "mean_entropy", "manufacturer=siemens").stratum == "manufacturer=siemens"


def test_acknowledging_is_recorded_in_the_name_of_the_person(lead: CentralForPerson) -> None:
    alert = lead.alerts(site="south-clinic")[0]
    changed = lead.acknowledge(str(alert.alert_id), "calling them")
    assert (changed.state, changed.owner) == ("acknowledged", "lead")
    assert changed.transitions[-1].comment == "calling them"
    assert lead.alert(str(alert.alert_id)).state == "acknowledged"
    assert lead.resolve(str(alert.alert_id), "scanner mended").state == "resolved"


def test_being_second_is_told_in_the_words_of_the_centre(lead: CentralForPerson) -> None:
    alert = str(lead.alerts()[0].alert_id)
    lead.resolve(alert, "")
    with pytest.raises(CentralRefused, match="already resolved"):
        lead.acknowledge(alert, "")


def test_a_comment_that_is_too_long_is_refused_before_it_is_sent(lead: CentralForPerson, central: FakeCentral) -> None:
    before = len(central.asked)
    with pytest.raises(CentralRefused, match="at most 1000"):
        lead.acknowledge("any", "x" * 1001)
    assert len(central.asked) == before


def test_what_does_not_exist_is_not_found(lead: CentralForPerson) -> None:
    with pytest.raises(NotFound):
        lead.site("nowhere")


def test_a_run_of_no_id_at_all_is_not_found_as_one_that_does_not_exist(lead: CentralForPerson) -> None:
    with pytest.raises(NotFound):
        lead.run("f" * 32)
    with pytest.raises(NotFound):
        person(answering(422, PROBLEM)).run("no id")
    with pytest.raises(CentralRefused, match="Somebody else"):
        person(answering(409, PROBLEM)).run("no id")


def test_keys_are_read_over_all_pages_and_runs_on_one(lead: CentralForPerson, central: FakeCentral) -> None:
    assert [key.site for key in lead.federation_keys()] == [key.site for key in central.keys]
    assert [run.job for run in lead.runs().items] == [run.overview.job for run in central.runs]


def test_a_name_typed_into_the_address_stays_one_part_of_the_path() -> None:
    asked = []

    def centre(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.raw_path.decode())
        return httpx2.Response(404, json=PROBLEM)

    with pytest.raises(NotFound):
        person(centre).site("../alerts?x=")
    assert asked == ["/api/v1/sites/..%2Falerts%3Fx%3D"]


@pytest.mark.parametrize("fault", [httpx2.ConnectError("no"), httpx2.ReadError("cut"), httpx2.ConnectTimeout("slow")])
def test_a_centre_that_does_not_answer_is_unreachable(fault: Exception) -> None:
    def centre(_: httpx2.Request) -> httpx2.Response:
        raise fault

    with pytest.raises(CentralUnreachable):
        person(centre).sites()


def test_a_centre_that_fails_is_unreachable_and_its_page_is_not_shown() -> None:
    with pytest.raises(CentralUnreachable, match="HTTP 502") as caught:
        person(lambda _: httpx2.Response(502, content=b"<html>proxy at 10.0.0.7</html>")).sites()
    assert "proxy" not in str(caught.value)


def test_a_refusal_without_a_problem_document_names_the_status_alone() -> None:
    with pytest.raises(CentralRefused, match="HTTP 407") as caught:
        person(lambda _: httpx2.Response(407, content=b"<html>secret</html>")).sites()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [{"unexpected": 1}, {"items": [], "next_cursor": None, "more": 1}, [1]])
def test_an_answer_of_another_version_is_told_as_such(body: object) -> None:
    with pytest.raises(UnreadableAnswer, match="different versions"):
        person(answering(200, body)).sites()


def test_an_unchanged_series_is_neither_sent_nor_parsed_again(client: CentralClient, lead: CentralForPerson) -> None:
    first = lead.rates("south-clinic")
    assert lead.rates("south-clinic") is first


def test_a_changed_series_is_read_anew(lead: CentralForPerson) -> None:
    before = lead.alerts(site="south-clinic")
    lead.acknowledge(str(before[0].alert_id), "")
    assert lead.alerts(site="south-clinic") != before


def test_nobody_is_given_what_another_person_asked_for() -> None:
    def centre(request: httpx2.Request) -> httpx2.Response:
        if "if-none-match" in request.headers:
            return httpx2.Response(304)
        return httpx2.Response(200, json={"items": [], "next_cursor": None}, headers={"etag": '"1"'})

    http = httpx2.Client(base_url="http://central", transport=httpx2.MockTransport(centre))
    shared_client = CentralClient(http)
    seen = []
    http.event_hooks = {"request": [lambda request: seen.append("if-none-match" in request.headers)]}
    shared_client.for_person("one").sites()
    shared_client.for_person("two").sites()
    shared_client.for_person("one").sites()
    assert seen == [False, False, True]


def test_the_memory_forgets_what_was_not_asked_for_longest() -> None:
    memory = AnswerMemory(capacity=20)
    memory.put("a", "1", "A", 10)
    memory.put("b", "1", "B", 10)
    memory.get("a")
    memory.put("c", "1", "C", 10)
    assert memory.get("b") is None
    assert memory.get("a") is not None
    assert memory.get("c") is not None


def test_the_memory_counts_an_answer_once_and_bytes_not_answers() -> None:
    memory = AnswerMemory(capacity=20)
    for _ in range(3):
        memory.put("a", "1", "A", 9)
    for name in "bcdefghijkl":
        memory.put(name, "1", name, 1)
    assert memory.get("a") is not None
    memory.put("large", "1", "L", 21)
    assert memory.get("large") is None
    memory.put("b", "1", "B", 20)
    assert memory.get("b") is not None
