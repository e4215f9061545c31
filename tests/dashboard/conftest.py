"""A centre in memory, told once and given fresh to each test."""

from dataclasses import replace

import pytest

from dashboard.client import CentralClient, CentralForPerson
from tests.fake_central import PEOPLE, FakeCentral


@pytest.fixture(scope="session")
def told_federation() -> FakeCentral:
    return FakeCentral.with_federation()


@pytest.fixture
def central(told_federation: FakeCentral) -> FakeCentral:
    return replace(told_federation, alerts=dict(told_federation.alerts), sessions={}, asked=[])


@pytest.fixture
def client(central: FakeCentral) -> CentralClient:
    return CentralClient(central.client())


@pytest.fixture
def lead(client: CentralClient) -> CentralForPerson:
    return client.for_person(client.sign_in("lead", PEOPLE["lead"]).token)
