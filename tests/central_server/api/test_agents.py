"""The agent's question is the site's sign of life."""

from datetime import datetime

from shared.report import AgentView
from tests.central_world import World
from tests.report_factory import SiteStory


def test_the_question_is_noted_as_a_sign_of_life(world: World) -> None:
    world.add_site("north-clinic")
    assert world.get("/sites").json()["items"][0]["state"] == "never_seen"
    world.clock.forward(minutes=5)
    answer = world.client.get("/api/v1/agents/self", headers=world.as_site("north-clinic"))
    view = AgentView.model_validate_json(answer.content)
    assert (view.site, view.server_time, view.last_report_at) == ("north-clinic", world.clock(), None)
    seen = world.get("/sites").json()["items"][0]["last_seen_at"]
    assert datetime.fromisoformat(seen) == world.clock()


def test_it_answers_when_the_last_report_arrived(world: World) -> None:
    world.tell(SiteStory("north-clinic", windows=2))
    arrived = world.clock()
    world.clock.forward(hours=2)
    answer = world.client.get("/api/v1/agents/self", headers=world.as_site("north-clinic")).json()
    assert datetime.fromisoformat(answer["last_report_at"]) == arrived


def test_a_report_is_a_sign_of_life_too(world: World) -> None:
    world.tell(SiteStory("north-clinic", windows=1))
    assert world.get("/sites").json()["items"][0]["last_seen_at"] is not None
