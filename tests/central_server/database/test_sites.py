"""Sites and their keys: given, rotated, revoked, and following a secret file."""

from central_server.credentials import key_hash, new_key
from central_server.database import sites
from tests.central_world import NOON, World


def heard(world: World, key: str) -> bool:
    answer = world.client.get("/api/v1/agents/self", headers={"Authorization": f"Bearer {key}"})
    return bool(answer.status_code == 200)


def follow(world: World, **listed: str) -> None:
    hashes = {name.replace("_", "-"): key_hash("site", key) for name, key in listed.items()}
    with world.centre.database.write() as session:
        sites.follow_list(session, hashes, NOON)


def test_revoked_keys_open_nothing_and_a_new_one_does(world: World) -> None:
    old = world.add_site("north-clinic")
    assert heard(world, old)
    new = new_key()
    with world.centre.database.write() as session:
        site = sites.site_named(session, "north-clinic")
        assert sites.revoke_keys(session, site, NOON, "test") == 1
        sites.give_key(session, site, key_hash("site", new), NOON, actor="test")
    assert not heard(world, old)
    assert heard(world, new)


def test_the_key_itself_is_nowhere_in_the_database(world: World) -> None:
    key = world.add_site("north-clinic")
    if world.centre.database.is_sqlite:
        with open(str(world.centre.database.url.database), "rb") as file:
            assert key.encode() not in file.read()


def test_a_listed_site_is_registered_and_heard(world: World) -> None:
    key = new_key()
    follow(world, north_clinic=key)
    assert heard(world, key)
    follow(world, north_clinic=key)
    assert heard(world, key)


def test_a_key_that_left_the_list_is_revoked_and_may_come_back(world: World) -> None:
    first, second, by_hand = new_key(), new_key(), world.add_site("south-clinic")
    follow(world, north_clinic=first)
    follow(world, north_clinic=second)
    assert (heard(world, first), heard(world, second)) == (False, True)
    follow(world, north_clinic=first)
    assert (heard(world, first), heard(world, second)) == (True, False)
    follow(world)
    assert not heard(world, first)
    assert heard(world, by_hand)
