"""The loop: what lies in the inbox is analysed once, windows close, the baseline freezes, reports reach the centre."""

import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, text

from hospital_agent.errors import CaseFailed
from hospital_agent.ingest.filing import Filing, Shelf
from hospital_agent.ingest.series import Identity, identify
from hospital_agent.pipeline import Values
from hospital_agent.store.overview import overview
from hospital_agent.store.tables import CaseRow, OutboxRow, PageRow, WindowRow
from shared.report import CountBand
from tests.agent_site import HuQuality, Site, SmallCentral, TestClock, quick_toolkit, told_json
from tests.series_files import SECRET_PATIENT, chest_values, rewrite, write_nifti, write_series


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def rows(site: Site) -> list[CaseRow]:
    with site.store.read() as session:
        return list(session.scalars(select(CaseRow).order_by(CaseRow.id)))


GROWN: dict[str, Any] = {"baseline_patients": 30, "federation_streams": 1000}


class TestInputs:
    def test_a_complete_input_is_scored_stored_and_filed(self, site: Site) -> None:
        site.drop("p1", 1)
        assert site.settle() == 1
        (row,) = rows(site)
        assert (row.outcome, row.counted, row.window_index) == ("scored", True, 0)
        assert row.values is not None
        assert row.values["lesion_volume_ml"] > 0
        assert list((site.data / "done").iterdir()) != []
        assert list(site.inbox.iterdir()) == []

    def test_a_dicom_folder_works_as_well(self, site: Site) -> None:
        write_series(site.inbox / "series", chest_values((4, 12, 10)))
        site.settle()
        assert [row.outcome for row in rows(site)] == ["scored"]

    def test_loose_dicom_files_are_put_together_by_series(self, site: Site) -> None:
        for name in ("a", "b"):
            folder = write_series(site.folder / name, chest_values((4, 12, 10)), patient=name)
            for path in folder.iterdir():
                shutil.move(path, site.inbox / f"{name}-{path.name}")
        assert site.settle() == 2
        assert [row.outcome for row in rows(site)] == ["scored", "scored"]
        assert list(site.inbox.iterdir()) == []

    def test_a_refused_input_is_counted_with_its_reason_and_kept(self, site: Site) -> None:
        write_nifti(site.inbox / "p1__bad.nii", (chest_values() + 2000).astype(np.int16))
        site.settle()
        (row,) = rows(site)
        assert (row.outcome, row.stage, row.reason) == ("refused", "read", "non_hu_values")
        assert [path.name for path in (site.data / "refused").iterdir()] == ["p1__bad.nii"]

    def test_a_failed_segmentation_is_an_outcome_and_not_a_score(self, tmp_path: Path) -> None:
        class Dying:
            def segment(self, volume: object) -> None:
                raise MemoryError

        site = Site(tmp_path, toolkit=quick_toolkit(segmenter=Dying()))
        site.drop("p1", 1)
        site.settle()
        (row,) = rows(site)
        assert (row.outcome, row.stage, row.reason, row.values) == ("failed", "segmentation", "out_of_memory", None)
        assert list((site.data / "failed").iterdir()) != []

    def test_an_input_that_failed_may_be_put_back_and_is_analysed_again(self, tmp_path: Path) -> None:
        class Dying:
            def segment(self, volume: object) -> None:
                raise MemoryError

        clock = TestClock(now=datetime.now(UTC) - timedelta(minutes=5))  # files tell when they were really moved
        site = Site(tmp_path, clock=clock, toolkit=quick_toolkit(segmenter=Dying()))
        site.drop("p1", 1)
        site.settle()
        site.toolkit = quick_toolkit()
        site.start()
        for back in (1, 2):
            clock.now = datetime.now(UTC) + timedelta(minutes=back)
            for path in (site.data / "failed").iterdir():
                path.rename(site.inbox / path.name)
            site.settle()
        assert [row.outcome for row in rows(site)] == ["failed", "scored"]
        assert len({row.case_id for row in rows(site)}) == 2

    def test_the_same_series_again_has_no_further_effect(self, site: Site) -> None:
        path = site.drop("p1", 1)
        content = path.read_bytes()
        site.settle()
        (site.inbox / "p1__copy.nii").write_bytes(content)
        site.settle()
        assert len(rows(site)) == 1
        assert list(site.inbox.iterdir()) == []

    def test_a_refused_input_again_is_filed_as_refused(self, site: Site) -> None:
        path = write_nifti(site.inbox / "p1__bad.nii", (chest_values() + 2000).astype(np.int16))
        content = path.read_bytes()
        site.settle()
        path.write_bytes(content)
        site.settle()
        assert len(rows(site)) == 1
        assert sorted(p.name for p in (site.data / "refused").iterdir()) == ["2-p1__bad.nii", "p1__bad.nii"]
        assert not (site.data / "done").exists()

    def test_slices_that_come_after_their_series_was_scored_are_refused_by_name(self, site: Site) -> None:
        folder = write_series(site.folder / "whole", chest_values((8, 12, 10)), series_uid="1.2.3")
        late = site.folder / "late"
        late.mkdir()
        for path in sorted(folder.iterdir())[4:]:
            shutil.move(path, late)
        shutil.move(folder, site.inbox / "first")
        site.settle()
        shutil.move(late, site.inbox / "second")
        site.settle()
        assert [(row.outcome, row.reason) for row in rows(site)] == [
            ("scored", None),
            ("refused", "series_already_scored"),
        ]

    @pytest.mark.parametrize("after", ["keep", "delete"])
    def test_slices_that_come_during_the_analysis_stay_and_are_refused_by_name(
        self, tmp_path: Path, after: str
    ) -> None:
        site = Site(tmp_path, after=after)
        folder = write_series(site.folder / "whole", chest_values((8, 12, 10)))
        arriving = site.inbox / "series"
        arriving.mkdir()
        slices = sorted(folder.iterdir())
        for path in slices[:4]:
            shutil.move(path, arriving)

        def send_the_rest(point: str) -> None:
            if point == "analysed":
                for path in slices[4:]:
                    shutil.move(path, arriving)
                site.reached = lambda point: None

        site.reached = send_the_rest
        site.settle()
        assert len(list(arriving.iterdir())) == 8
        site.settle()
        assert [(row.outcome, row.reason) for row in rows(site)] == [
            ("scored", None),
            ("refused", "series_already_scored"),
        ]
        assert list(site.inbox.iterdir()) == []

    def test_a_series_that_is_completed_while_it_is_refused_is_read_again(self, site: Site) -> None:
        folder = write_series(site.inbox / "series", chest_values((8, 12, 10)))
        shutil.move(folder / "slice-0004.dcm", site.folder)

        def complete(point: str) -> None:
            if point == "analysed" and (site.folder / "slice-0004.dcm").exists():
                shutil.move(site.folder / "slice-0004.dcm", folder)

        site.reached = complete
        site.settle()
        site.settle()
        assert [row.reason for row in rows(site)] == ["missing_slices", None]

    def test_a_series_that_was_refused_incomplete_may_come_again_whole(self, site: Site) -> None:
        folder = write_series(site.folder / "whole", chest_values((8, 12, 10)), series_uid="1.2.3")
        broken = shutil.copytree(folder, site.inbox / "first")
        (broken / "slice-0004.dcm").unlink()
        site.settle()
        shutil.move(folder, site.inbox / "second")
        site.settle()
        assert [row.reason for row in rows(site)] == ["missing_slices", None]

    def test_a_series_that_was_damaged_on_the_way_may_come_again_whole(self, site: Site) -> None:
        folder = write_series(site.folder / "whole", chest_values((8, 12, 10)), series_uid="1.2.3")
        damaged = shutil.copytree(folder, site.inbox / "first")
        content = (damaged / "slice-0004.dcm").read_bytes()
        (damaged / "slice-0004.dcm").write_bytes(content.replace(b"-1024", b"-  24"))  # same images, same sizes
        site.settle()
        shutil.move(folder, site.inbox / "second")
        site.settle()
        assert [row.outcome for row in rows(site)] == ["refused", "scored"]

    def test_a_scored_series_sent_again_with_other_headers_has_no_further_effect(self, site: Site) -> None:
        folder = write_series(site.folder / "whole", chest_values((4, 12, 10)), series_uid="1.2.3")
        shutil.copytree(folder, site.inbox / "first")
        site.settle()
        rewrite(folder / "slice-0002.dcm", lambda dataset: setattr(dataset, "StationName", "CT2"))
        shutil.move(folder, site.inbox / "second")
        site.settle()
        assert [row.outcome for row in rows(site)] == ["scored"]
        assert list(site.inbox.iterdir()) == []

    def test_a_patient_with_many_series_counts_once_in_a_window(self, site: Site) -> None:
        for number in range(3):
            site.drop("p1", number)
        site.settle()
        assert [row.counted for row in rows(site)] == [True, False, False]

    def test_inputs_that_name_no_patient_count_as_one_patient(self, site: Site) -> None:
        for number in range(3):
            site.drop("p", number).rename(site.inbox / f"scan{number}.nii")
        site.settle()
        assert sum(row.counted for row in rows(site)) == 1

    def test_an_input_that_cannot_be_moved_is_scored_once_and_holds_up_no_other(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put = Filing.put

        def refuse(filing: Filing, paths: Sequence[Path], shelf: Shelf, case_id: str) -> bool:
            if paths[0].name.startswith("p1"):
                raise PermissionError
            return put(filing, paths, shelf, case_id)

        monkeypatch.setattr(Filing, "put", refuse)
        site.drop("p1", 1)
        site.drop("p2", 2)
        site.settle()
        site.settle()
        assert len(rows(site)) == 2
        assert [path.name for path in site.inbox.iterdir()] == ["p1__ct1.nii"]
        monkeypatch.undo()
        site.start()
        site.settle()
        assert len(rows(site)) == 2
        assert list(site.inbox.iterdir()) == []

    @pytest.mark.parametrize("moving", ["raises", "says_no"])
    def test_what_cannot_be_moved_is_read_once_a_day(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, moving: str
    ) -> None:
        def refuse(*arguments: object) -> bool:
            if moving == "raises":
                raise PermissionError
            return False

        def counted(source: Path) -> Identity:
            nonlocal read
            read += 1
            return identify(source)

        monkeypatch.setattr(Filing, "put", refuse)
        monkeypatch.setattr("hospital_agent.worker.identify", counted)
        read = 0
        site.drop("p1", 1)
        site.settle()
        for _ in range(3):
            site.clock.pass_time(hours=7)
            site.worker.round()
        assert read == 1
        assert overview(site.store)["inbox"] == {"stalled": 0, "set_aside": 1}
        monkeypatch.undo()
        site.clock.pass_time(hours=7)
        site.worker.round()
        assert list(site.inbox.iterdir()) == []
        assert len(rows(site)) == 1
        assert overview(site.store)["inbox"] == {"stalled": 0, "set_aside": 0}

    @pytest.mark.parametrize("new_one", [False, True])
    def test_what_could_not_be_read_is_looked_at_again_after_an_hour_or_when_it_changed(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, new_one: bool
    ) -> None:
        def refuse(source: Path) -> Identity:
            raise PermissionError

        monkeypatch.setattr("hospital_agent.worker.identify", refuse)
        path = site.drop("p1", 1)
        site.settle()
        monkeypatch.undo()
        site.settle()
        assert rows(site) == []
        if new_one:
            path.unlink()
            site.drop("p1", 1)
            site.settle()
        else:
            site.clock.pass_time(hours=1)
            site.worker.round()
        assert [row.outcome for row in rows(site)] == ["scored"]

    @pytest.mark.parametrize("cut", [141, 152, 500])
    def test_a_damaged_file_is_refused_and_holds_up_no_other(self, site: Site, cut: int) -> None:
        for folder in (site.inbox / "series", site.folder / "loose"):
            write_series(folder, chest_values((4, 12, 10)))
            damaged = folder / "slice-0002.dcm"
            damaged.write_bytes(damaged.read_bytes()[:cut])
        shutil.move(site.folder / "loose" / "slice-0002.dcm", site.inbox / "loose.dcm")
        site.drop("p1", 1)
        site.settle()
        assert sorted((row.outcome, row.reason) for row in rows(site)) == [
            ("refused", "truncated_dicom"),
            ("refused", "truncated_dicom"),
            ("scored", None),
        ]

    @pytest.mark.parametrize("error", [PermissionError, MemoryError, RuntimeError])
    def test_an_input_that_cannot_be_read_holds_up_no_other(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        def refuse(source: Path) -> Identity:
            if source.name.startswith("p1"):
                raise error
            return identify(source)

        monkeypatch.setattr("hospital_agent.worker.identify", refuse)
        site.drop("p1", 1)
        site.drop("p2", 2)
        site.settle()
        assert [row.outcome for row in rows(site)] == ["scored"]

    def test_an_inbox_that_goes_away_and_comes_back(self, site: Site) -> None:
        site.inbox.rename(site.folder / "away")
        with pytest.raises(OSError, match="inbox"):
            site.worker.round()
        (site.folder / "away").rename(site.inbox)
        site.drop("p1", 1)
        site.settle()
        assert [row.outcome for row in rows(site)] == ["scored"]

    def test_processed_inputs_can_be_deleted(self, tmp_path: Path) -> None:
        site = Site(tmp_path, after="delete")
        site.drop("p1", 1)
        site.settle()
        assert list(site.inbox.iterdir()) == []
        assert not (site.data / "done").exists()

    def test_an_input_on_which_the_program_keeps_dying_is_given_up(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        site.drop("p1", 1)
        begun = 0

        def die(point: str) -> None:
            nonlocal begun
            if point == "begun" and begun < 3:
                begun += 1
                raise SystemExit

        site.reached = die
        for _ in range(3):
            with pytest.raises(SystemExit):
                site.settle()
            site.start()
        site.settle()
        assert [(row.outcome, row.reason) for row in rows(site)] == [("failed", "crashed")]


class TestFullDisk:
    def test_the_loop_goes_on_and_cases_are_stored_when_there_is_room(
        self, site: Site, capsys: pytest.CaptureFixture[str]
    ) -> None:
        class Stop(threading.Event):
            rounds = 0

            def wait(self, timeout: float | None = None) -> bool:
                self.rounds += 1
                site.clock.pass_time(seconds=site.settings.quiet_period_s + 1)
                allow_pages(site, 100_000 if self.rounds == 6 else 0)
                if self.rounds == 8:
                    self.set()
                return self.is_set()

        for number in range(9):  # the first fit into pages that the store has
            site.drop(f"p{number}", number)
        site.worker.run(Stop(), 1.0)
        assert [row.outcome for row in rows(site)] == ["scored"] * 9
        log = capsys.readouterr().err
        assert log.count("round_failed") >= 4
        assert '"error": "OperationalError"' in log
        assert "lesion" not in log
        assert "agent_stopped" in log


def allow_pages(site: Site, count: int) -> None:
    """Let the store grow to some pages, and never below what it has: SQLite then says that the disk is full."""
    with site.store._writer.connect() as connection:
        connection.execute(text(f"PRAGMA max_page_count={max(count, 1)}"))


class TestWindows:
    def test_a_window_with_k_patients_is_reported(self, site: Site) -> None:
        site.day(7, first=0)
        (report,) = site.central.reports()
        assert (report.status, report.patient_count, report.window.index) == ("released", 7, 0)
        assert {metric.name for metric in report.metrics} == {
            "lesion_volume_ml", "intensity_mode_hu", "mean_entropy", "predicted_dice", "failure_probability",
        }  # fmt: skip
        assert {(event.name, event.out_of) for event in report.events} == {("empty_mask", 7), ("flagged", 7)}

    @pytest.mark.parametrize("leftover", ["y.dcm.part", "x.nii.gz"])
    def test_a_leftover_in_the_inbox_stops_no_report_and_is_told(
        self, site: Site, leftover: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (site.inbox / leftover).symlink_to("nothing")
        for day in range(3):
            site.day(7, first=10 * day)
        assert [report.patient_count for report in site.central.reports()] == [7, 7, 7]
        assert overview(site.store)["inbox"] == {"stalled": 1, "set_aside": 0}
        assert capsys.readouterr().err.count("inputs_stalled") == 1
        (site.inbox / leftover).unlink()
        site.worker.round()
        assert overview(site.store)["inbox"] == {"stalled": 0, "set_aside": 0}

    def test_a_quality_model_that_fails_does_not_read_as_nothing_flagged(self, tmp_path: Path) -> None:
        class Broken(HuQuality):
            def predict(self, scores: object, *, empty: bool) -> Any:
                raise RuntimeError

        site = Site(tmp_path, toolkit=quick_toolkit(quality=Broken()))
        site.day(9, first=0)
        (report,) = site.central.reports()
        assert [event.name for event in report.events] == ["empty_mask"]

    def test_empty_masks_are_no_part_of_the_flagged_rate(self, site: Site) -> None:
        for number in range(20):
            site.drop(f"p{number}", number, lesion_hu=None if number < 6 else 100.0)
        site.day(0, first=0)
        (report,) = site.central.reports()
        assert {(event.name, event.out_of) for event in report.events} == {("empty_mask", 20), ("flagged", 14)}

    def test_fewer_patients_keep_it_open_until_more_come(self, site: Site) -> None:
        site.day(4, first=0)
        assert site.central.reports() == []
        site.day(3, first=10)
        (report,) = site.central.reports()
        assert report.patient_count == 7
        assert (report.window.end_at - report.window.start_at).days == 2

    def test_at_its_age_limit_it_is_told_as_suppressed(self, site: Site) -> None:
        site.day(4, first=0)
        site.clock.pass_time(days=8)
        site.worker.round()
        (report,) = site.central.reports()
        assert report.status == "suppressed"
        assert report.patient_count is None

    def test_without_a_k_nothing_leaves_at_all(self, tmp_path: Path) -> None:
        site = Site(tmp_path, k=None)
        site.day(9, first=0)
        site.day(9, first=20)
        assert site.central.calls == []
        with site.store.read() as session:
            assert session.scalar(select(func.count()).select_from(OutboxRow)) == 0
            assert (
                session.scalar(select(func.count()).select_from(WindowRow).where(WindowRow.state == "unreported")) == 2
            )

    def test_a_case_is_late_when_its_window_was_released(self, site: Site) -> None:
        site.day(7, first=0)
        late = site.drop("late", 50)
        look = site.worker._inbox.look

        def long_ago(steady_s: float) -> object:
            found = look(steady_s)
            for item in (*found.complete, *found.pending):
                object.__setattr__(item, "arrived_at", site.clock.now.replace(day=2, hour=9))
            return found

        site.worker._inbox.look = long_ago  # type: ignore[method-assign, assignment]
        site.settle()
        site.worker._inbox.look = look  # type: ignore[method-assign]
        assert rows(site)[-1].late
        assert not late.exists()
        site.day(8, first=20)
        assert site.central.reports()[-1].late_count == CountBand(low=1, high=4)

    def test_a_clock_that_was_set_back_makes_no_case_late_and_loses_none(self, site: Site) -> None:
        site.day(7, first=0)
        site.clock.now = site.clock.now.replace(day=1)
        site.day(7, first=20)
        assert not any(row.late for row in rows(site))
        site.clock.pass_time(days=5)
        site.worker.round()
        assert [report.patient_count for report in site.central.reports()] == [7, 7]

    def test_another_model_never_shares_a_window(self, site: Site) -> None:
        site.drop("p1", 1)
        site.settle()
        site.toolkit = quick_toolkit(model_version="8.0", model_hash="c" * 64)
        site.start()
        site.day(6, first=20)
        first, second = site.central.reports()
        assert (first.status, first.versions.model) == ("suppressed", "7.1")
        assert (second.status, second.versions.model, second.patient_count) == ("released", "8.0", 6)

    def test_the_preview_says_what_would_be_sent_and_writes_nothing(self, site: Site) -> None:
        for number in range(6):
            site.drop(f"p{number}", number)
        site.settle()
        preview = site.worker._desk.preview(site.clock.now)
        assert preview is not None
        assert preview.patient_count == 6
        assert site.central.reports() == []
        site.day(0, first=0)
        (sent,) = site.central.reports()
        assert sent.metrics == preview.metrics
        assert sent.events == preview.events


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose baseline has just been frozen, to be copied by each test."""
    site = Site(tmp_path_factory.mktemp("frozen"), **GROWN)
    for day in range(3):
        site.day(10, first=100 * day)
    return site


class TestBaseline:
    @pytest.fixture
    def grown(self, frozen: Site, tmp_path: Path) -> Site:
        shutil.copytree(frozen.folder, tmp_path / "copy")
        clock = replace(frozen.clock)
        central = SmallCentral(clock, bodies=dict(frozen.central.bodies))
        return Site(tmp_path / "copy", clock=clock, central=central, **GROWN)

    def test_it_is_frozen_at_a_windows_close_and_told_once(self, grown: Site) -> None:
        (baseline,) = grown.central.reports("baseline")
        assert (baseline.versions.baseline, baseline.patient_count, baseline.window.index) == (1, 30, 2)
        assert [r.versions.baseline for r in grown.central.reports()] == [None] * 3
        grown.day(10, first=900)
        assert len(grown.central.reports("baseline")) == 1
        assert grown.central.reports()[-1].versions.baseline == 1

    def test_it_is_exactly_the_sum_of_the_released_windows(self, grown: Site) -> None:
        (baseline,) = grown.central.reports("baseline")
        for metric in baseline.metrics:
            if metric.histogram is None:
                continue
            parts = [m.histogram for r in grown.central.reports() for m in r.metrics if m.name == metric.name]
            if all(parts):
                total = tuple(sum(p.counts[i] for p in parts if p) for i in range(8))
                assert metric.histogram.unwrap().coarsen(8).counts == total
                break
        else:
            pytest.fail("No distribution was released in all windows.")

    def test_detectors_are_told_from_then_on(self, grown: Site) -> None:
        assert all(not report.detectors for report in grown.central.reports())
        grown.day(10, first=900)
        told = grown.central.reports()[-1].detectors
        assert {d.metric for d in told} >= {"intensity_mode_hu", "empty_mask"}
        assert {(d.baseline_n, d.stream_n) for d in told} == {(30, 10)}

    @pytest.mark.parametrize("exact", [False, True])
    def test_a_rates_evidence_tells_no_count_that_is_hidden(self, frozen: Site, tmp_path: Path, exact: bool) -> None:
        """Worlds that differ in a hidden count and in its order tell the same of its rate, now and afterwards."""
        worlds = set()
        for world, empty in enumerate(({3}, {0, 5, 6}, {6, 7, 8, 9})):
            shutil.copytree(frozen.folder, tmp_path / str(world))
            clock = replace(frozen.clock)
            site = Site(tmp_path / str(world), clock=clock, exact_event_counts=exact, **GROWN)
            for number in range(10):
                site.drop(f"p{number}", 400 + number, lesion_hu=None if number in empty else 100.0)
                site.settle()
            site.day(0, first=0)
            site.day(10, first=500)
            said = [(e.count, d) for r in site.central.reports() for e in r.events for d in r.detectors
                    if e.name == d.metric == "empty_mask"]  # fmt: skip
            worlds.add(tuple(said[-2:]))
        assert len(worlds) == (3 if exact else 1)

    def test_a_change_pages_and_an_unchanged_site_does_not(self, grown: Site) -> None:
        for day in range(9, 11):
            grown.day(10, first=100 * day)
        assert pages(grown) == set()
        for day in range(11, 13):
            grown.day(10, first=100 * day, lesion_hu=180.0)
        assert "intensity_mode_hu:greater" in pages(grown)
        last = grown.central.reports()[-1]
        assert any(d.pages_total and d.metric == "intensity_mode_hu" for d in last.detectors)

    def test_a_restart_after_every_case_changes_no_report(self, tmp_path: Path) -> None:
        def story(folder: Path, restarts: bool) -> list[str]:
            site = Site(folder, baseline_patients=20, federation_streams=1)
            for day in range(6):
                for number in range(100 * day, 100 * day + 5):
                    site.drop(f"p{number}", number, lesion_hu=120.0 if day == 5 else 100.0)
                    if restarts and day > 3:
                        site.settle()
                        site.start()
                site.settle()
                site.clock.now = site.clock.now.replace(hour=8, minute=0, second=0)
                site.clock.pass_time(days=1)
                site.worker.round()
            return [r.model_dump_json(exclude={"created_at"}) for r in site.central.reports()]

        assert story(tmp_path / "a", restarts=False) == story(tmp_path / "b", restarts=True)


def pages(site: Site) -> set[str]:
    with site.store.read() as session:
        return set(session.scalars(select(PageRow.detector)))


class TestPrivacy:
    def test_nothing_that_is_sent_or_stored_names_a_patient(self, site: Site) -> None:
        for number in range(6):
            write_series(
                site.inbox / f"{SECRET_PATIENT}-{number}",
                chest_values((4, 12, 10)),
                patient=f"{SECRET_PATIENT}{number}",
            )
        site.settle()
        site.day(0, first=0)
        assert site.central.reports()[0].patient_count == 6
        assert SECRET_PATIENT not in told_json(site)
        for path in site.data.glob("agent.sqlite*"):
            assert SECRET_PATIENT.encode() not in path.read_bytes()

    def test_five_answers_stay_apart(self, site: Site) -> None:
        for number in range(12):
            site.drop(f"p{number}", number, lesion_hu=None if number < 3 else 100.0)
        site.settle()
        site.day(0, first=0)
        (report,) = site.central.reports()
        metrics = {metric.name: metric for metric in report.metrics}
        assert metrics["intensity_mode_hu"].withheld == "would_reveal_a_small_count"
        assert metrics["intensity_mode_hu"].undefined == CountBand(low=1, high=4)
        assert metrics["mean_entropy"].histogram is not None
        assert metrics["mean_entropy"].undefined == CountBand.exactly(0)


class TestSending:
    def test_a_centre_that_is_down_for_three_days_loses_nothing(self, tmp_path: Path) -> None:
        import httpx2

        clock = TestClock()
        central = SmallCentral(clock, instead=lambda request: httpx2.Response(503))
        site = Site(tmp_path, clock=clock, central=central)
        for day in range(3):
            site.day(6, first=100 * day)
        assert central.bodies == {}
        central.instead = None
        site.clock.pass_time(hours=2)
        site.worker.round()
        assert [report.window.index for report in central.reports()] == [0, 1, 2]

    def test_a_sign_of_life_is_given_now_and_then(self, site: Site) -> None:
        site.worker.round()
        site.worker.round()
        assert site.central.calls.count("GET /api/v1/agents/self") == 1
        site.clock.pass_time(seconds=61)
        site.worker.round()
        assert site.central.calls.count("GET /api/v1/agents/self") == 2

    def test_the_clocks_are_compared(self, site: Site) -> None:
        site.central.clock = lambda: site.clock.now.replace(minute=10)
        site.worker.round()
        assert site.store.fact("clock_skew_s") == "-600.0"


def test_failing_scores_are_left_out_and_the_rest_is_kept(tmp_path: Path) -> None:
    class Broken:
        quantity = quick_toolkit().features["intensity_mode_hu"].quantity

        def compute(self, case: object) -> float | None:
            raise RuntimeError("secret text")

    toolkit = quick_toolkit()
    site = Site(tmp_path, toolkit=quick_toolkit(features={**toolkit.features, "intensity_mode_hu": Broken()}))
    site.drop("p1", 1)
    site.settle()
    (row,) = rows(site)
    values: Values = row.values or {}
    assert "intensity_mode_hu" not in values
    assert values["lesion_volume_ml"]
    assert row.result is not None
    assert row.result["failures"] == [{"stage": "features", "reason": "unexpected_error"}]


def test_a_case_failure_says_stage_and_reason() -> None:
    failure = CaseFailed("x", stage="segmentation", reason="no_segmenter")
    assert (failure.stage, failure.reason) == ("segmentation", "no_segmenter")
