"""Chests of the study: who trains and who tests, what is cut, and what is not known."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.evaluation.federated import chests, sites
from hospital_agent.evaluation.federated.chests import CHEST_SITES, SimulatedChests, around_lungs, kind_of
from hospital_agent.evaluation.federated.measuring import rows_of
from hospital_agent.evaluation.federated.sites import SitePlan, sites_of
from hospital_agent.evaluation.tasks.chest_ct import UNKNOWN_TO_ALL, host_example
from hospital_agent.evaluation.tasks.reading import NoImages
from hospital_agent.simulation.hosts import phantom_host
from hospital_agent.training.hosts_on_disk import SHIPPABLE
from hospital_agent.training.pool import IGNORE

SMALL = SimulatedChests(phantoms=3, test_phantoms=1)


@pytest.fixture(scope="module")
def hosts():
    """Analytic chests under the names of the real ones, each with a lesion of its own."""
    made = []
    for number, (name, patient) in enumerate({**SHIPPABLE, UNKNOWN_TO_ALL: UNKNOWN_TO_ALL}.items()):
        host = phantom_host(number, (36, 34, 40), (6.0, 6.0, 6.0))
        ignore = np.zeros_like(host.ignore)
        ignore[np.unravel_index(np.flatnonzero(host.lungs)[:40], ignore.shape)] = True
        made.append(replace(host, name=name, patient=patient, ignore=ignore))
    return made


@pytest.fixture
def data(hosts, tmp_path, monkeypatch):
    monkeypatch.setattr(chests, "_real_hosts", lambda _: hosts)
    (tmp_path / "chest_ct").mkdir()
    for host in hosts:
        (tmp_path / "chest_ct" / f"{host.name}.nii.gz").touch()
    return tmp_path


def test_a_real_patient_is_left_out_and_no_chest_is_learnt_from_twice(data):
    seen: set[str] = set()
    for seed in range(5):
        parts = SMALL.parts(data, seed)
        train, test = ({one.patient for one in part} for part in (parts.train, parts.test))
        assert not train & test
        assert len(train & set(SHIPPABLE.values())) == 3
        assert UNKNOWN_TO_ALL in test
        analytic = {name for name in train | test if name.startswith("phantom")}
        assert len(analytic) == 4
        assert not analytic & seen
        seen |= analytic


def test_all_kernels_of_a_patient_stay_together(data):
    left_out = [one.name for one in SMALL.parts(data, 2).test if one.patient == "lungdx_A0001"]
    assert left_out == ["lungdx_A0001_kB", "lungdx_A0001_kL"]


def test_no_patient_is_at_two_sites_or_on_both_sides_of_one(hosts, monkeypatch):
    monkeypatch.setattr(sites, "_item", lambda images, example, scanner, seed: example)
    examples = [host_example(replace(host, patient=f"p{number // 2}")) for number, host in enumerate([*hosts, *hosts])]
    for seed in range(6):
        shared = sites_of(SMALL, examples, (SitePlan("a", 2), SitePlan("b", 1)), seed)
        parts = [part for site in shared for part in (site.train, site.held_out)]
        seen = [{one.patient for one in part} for part in parts]
        assert sum(map(len, parts)) == len(examples)
        assert sum(map(len, seen)) == len(set.union(*seen)) == 6


def test_a_missing_scan_is_named(data):
    (data / "chest_ct" / "lidc0003.nii.gz").unlink()
    with pytest.raises(NoImages, match=r"lacks lidc0003\."):
        SMALL.parts(data, 0)


def test_a_chest_is_cut_to_its_lungs_and_a_margin():
    whole = phantom_host(1, (40, 68, 110), (6.0, 3.0, 2.0))
    cut = around_lungs(whole, margin_mm=12.0)
    assert cut.lungs.sum() == whole.lungs.sum()
    np.testing.assert_array_equal(cut.image_hu[cut.lungs], whole.image_hu[whole.lungs])
    assert cut.image_hu.shape == cut.lungs.shape == cut.ignore.shape
    for axis, margin in enumerate((2, 4, 6)):
        others = tuple({0, 1, 2} - {axis})
        found, all_found = (np.flatnonzero(host.lungs.any(axis=others)) for host in (cut, whole))
        assert found[0] == min(margin, all_found[0])
        assert cut.lungs.shape[axis] - found[-1] - 1 == min(margin, whole.lungs.shape[axis] - all_found[-1] - 1)


def roughness(subject):
    return np.abs(np.diff(subject.volume.array, axis=2)).mean()


def test_every_site_shows_the_same_lesions_with_a_scanner_of_its_own():
    example = host_example(phantom_host(5))
    shown = {site.name: SMALL.under(example, site.scanner, 0) for site in CHEST_SITES}
    plain = shown["large"]
    assert plain.labels.any()
    for name in ("low dose", "sharp kernel"):
        np.testing.assert_array_equal(shown[name].labels, plain.labels)
        assert roughness(shown[name]) > 1.2 * roughness(plain)
    assert shown["small, thick slices"].volume.spacing_mm == (10.0, 3.0, 3.0)


def test_what_is_not_known_is_not_learnt_from(hosts):
    shared = sites_of(SMALL, [host_example(host) for host in hosts], (SitePlan("a", 1), SitePlan("b", 1)), seed=0)
    for image, labels in (item for site in shared for item in (*site.train, *site.held_out)):
        assert (labels == IGNORE).any()
        assert set(np.unique(labels)) <= {0, 1, IGNORE}
        assert image.shape == labels.shape


def test_what_is_not_known_is_not_scored(hosts, tmp_path):
    """A network that calls everything a lesion is as good as one may be outside what is not known."""
    example = host_example(hosts[0])
    subject = SMALL.under(example, SitePlan("a", 1).scanner, 0)
    everything = SimpleNamespace(segment=lambda volume: _all_of(volume.shape))
    strategies = SimpleNamespace(images=SMALL, seed=0, name=str, segmenter=lambda strategy, site: everything)
    row = next(iter(rows_of(strategies, [SitePlan("a", 1)], [example], tmp_path)))
    truth, known = int(subject.labels.sum()), int((~subject.ignore).sum())
    assert row.dice == pytest.approx(2 * truth / (truth + known))
    assert known < subject.ignore.size


@pytest.mark.data
@pytest.mark.skipif("SEGWATCH_DATA" not in os.environ, reason="SEGWATCH_DATA names no folder of real images.")
def test_real_chests_are_cut_and_receive_lesions():
    parts = SimulatedChests(phantoms=1, test_phantoms=1).parts(Path(os.environ["SEGWATCH_DATA"]), 0)
    assert {kind_of(one.patient) for one in parts.train} == {chests.REAL, chests.ANALYTIC}
    real = next(one for one in parts.test if kind_of(one.patient) == chests.REAL)
    for site in CHEST_SITES:
        subject = SMALL.under(real, site.scanner, 0)
        assert 0 < subject.labels.sum() < 0.5 * subject.lungs.sum()
        assert subject.ignore.any()
        assert not (subject.ignore & (subject.labels > 0)).any()


def _all_of(shape):
    return Segmentation(np.ones(shape, dtype=np.bool_), None, None, None, "test", "1", "0" * 64, "cpu", 1)
