"""A whole site in a folder: an agent with a quick segmenter, its inbox, a clock that the test owns, and a small centre.

The segmenter and the quality model are stand-ins that answer at once; reading, scoring, storing, releasing and
sending are the real ones.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from hospital_agent.analysis.case import Case
from hospital_agent.analysis.imaging.volume import Volume
from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.quality import QualityPrediction
from hospital_agent.analysis.segmentation.base import Segmentation
from hospital_agent.assembly import build_worker
from hospital_agent.reporting.sender import Central
from hospital_agent.settings import Settings
from hospital_agent.store.database import Store
from hospital_agent.toolkit import Toolkit
from hospital_agent.worker import Worker
from shared.quantities import Quantity, geometric_cuts, linear_cuts
from shared.report import SiteReport
from tests.series_files import chest_values, write_nifti

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KEY = "a-site-key-for-tests-0123456789"
LESION_HU = 60  # what the stand-in segmenter takes for a lesion


class ThresholdSegmenter:
    """Everything above LESION_HU is a lesion; one pass, no network."""

    def segment(self, volume: Volume) -> Segmentation:
        mask = np.asarray(volume.array > LESION_HU)
        probability = np.clip((volume.array.astype(np.float32) + 200) / 400, 0.0, 1.0)
        return Segmentation(mask, probability, volume.spacing_mm, None, "bundled", "7.1", "b" * 64, "cpu", 1)


class LesionVolume:
    quantity = Quantity(
        "lesion_volume_ml", "ml", "neither", 0.0, float("inf"), 1, geometric_cuts(0.001, 100.0), "Lesion volume"
    )

    def compute(self, case: Case) -> float | None:
        return float(case.mask.sum()) * case.volume.voxel_ml


class MeanLesionHu:
    quantity = Quantity("intensity_mode_hu", "HU", "neither", -1100, 4000, 1, linear_cuts(-100.0, 300.0), "Lesion HU")

    def compute(self, case: Case) -> float | None:
        return float(case.volume.array[case.mask].mean()) if case.mask.any() else None


class MeanProbability:
    quantity = Quantity("mean_entropy", "bit", "higher_is_worse", 0.0, 1.0, 1, linear_cuts(0.2, 0.22), "Entropy")

    def compute(self, segmentation: Segmentation) -> float | None:
        return None if segmentation.probability is None else float(segmentation.probability.mean())


class HuQuality:
    """Flags lesions whose HU is odd."""

    inputs = ("intensity_mode_hu",)
    version = "1"

    thresholds = (0.5,)

    def predict(self, scores: Mapping[str, float | None], *, empty: bool) -> QualityPrediction:
        hu = scores.get("intensity_mode_hu")
        if empty or hu is None:
            return QualityPrediction(None, 0.0, 1.0, "[0, 1]: empty", None, flagged=False, contributions={})
        risk = float(np.clip((hu - 60) / 100, 0.0, 1.0))
        return QualityPrediction(1 - risk, 0.0, 1.0, "none", risk, flagged=risk > 0.6, contributions={})


QUALITY_QUANTITIES = tuple(
    Quantity(name, "", direction, 0.0, 1.0, 1, linear_cuts(0.0, 1.0), name)  # type: ignore[arg-type]
    for name, direction in (("predicted_dice", "higher_is_better"), ("failure_probability", "higher_is_worse"))
)


def quick_toolkit(**changes: Any) -> Toolkit:
    """A toolkit that answers at once."""
    parts: dict[str, Any] = {
        "segmenter": ThresholdSegmenter(),
        "lungs": None,
        "lungs_backend": "none",
        "features": {"lesion_volume_ml": LesionVolume(), "intensity_mode_hu": MeanLesionHu()},
        "uncertainty": {"mean_entropy": MeanProbability()},
        "ood": {},
        "validation": {"mean_entropy": ValidationRange(0.1, 0.2, 0.4)},
        "quality": HuQuality(),
        "backend": "bundled",
        "model_version": "7.1",
        "model_hash": "b" * 64,
        "quality_quantities": QUALITY_QUANTITIES,
    }
    return Toolkit(**{**parts, **changes})


@dataclass
class TestClock:
    """A clock that moves when it is told to; `steady` moves with it."""

    __test__ = False
    now: datetime = START
    steady_s: float = 0.0

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **delta: float) -> None:
        self.now += timedelta(**delta)
        self.steady_s += timedelta(**delta).total_seconds()


Answer = Callable[[httpx2.Request], httpx2.Response]


@dataclass
class SmallCentral:
    """A centre in memory with the contract's rules: same bytes 200, new 201, other bytes under one id 409."""

    clock: Callable[[], datetime]
    site: str = "north"
    bodies: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    instead: Answer | None = None

    def client(self) -> Central:
        return Central("http://127.0.0.1:1", KEY, transport=httpx2.MockTransport(self.answer))

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(f"{request.method} {request.url.path}")
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        if self.instead is not None:
            return self.instead(request)
        if request.method == "GET":
            return httpx2.Response(200, json=self.view())
        status, receipt = self.store(request.url.path.rsplit("/", 1)[-1], request.content)
        return httpx2.Response(status, json=receipt)

    def view(self) -> dict[str, Any]:
        return {"site": self.site, "server_time": self.clock().isoformat(), "last_report_at": None}

    def store(self, report_id: str, body: bytes) -> tuple[int, dict[str, Any]]:
        report = SiteReport.model_validate_json(body)
        assert str(report.report_id) == report_id
        if self.bodies.get(report_id, body) != body:
            return 409, {"title": "conflict"}
        status = 200 if report_id in self.bodies else 201
        self.bodies[report_id] = body
        digest = hashlib.sha256(body).hexdigest()
        return status, {"report_id": report_id, "sha256": digest, "received_at": self.clock().isoformat()}

    def reports(self, kind: str = "window") -> list[SiteReport]:
        found = [SiteReport.model_validate_json(body) for body in self.bodies.values()]
        return sorted((r for r in found if r.kind == kind), key=lambda r: r.window.index)


class Site:
    """One site in a folder.

    Args:
        folder: everything lies in here.
        reached: told the points at which a test may let the agent crash.
        settings: what shall differ from the defaults of this class; with a `model_dir` the toolkit is not the quick
            one, but is loaded by the program itself.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: TestClock | None = None,
        central: SmallCentral | None = None,
        toolkit: Toolkit | None = None,
        reached: Callable[[str], None] = lambda point: None,
        **settings: Any,
    ) -> None:
        self.folder, self.inbox, self.data = folder, folder / "inbox", folder / "data"
        self.inbox.mkdir(parents=True, exist_ok=True)
        self.clock = clock or TestClock()
        self.central = central or SmallCentral(self.clock)
        self.settings = site_settings(self.inbox, self.data, **settings)
        self.toolkit = toolkit or (None if "model_dir" in settings else quick_toolkit())
        self.reached = reached
        self.store = Store.open(self.data)
        self.worker = self.start()

    def start(self) -> Worker:
        """A worker as after a start of the program."""
        self.worker = build_worker(
            self.settings,
            self.store,
            toolkit=self.toolkit,
            central=self.central.client(),
            clock=self.clock,
            steady=lambda: self.clock.steady_s,
            reached=lambda point: self.reached(point),  # noqa: PLW0108 - a test may exchange it later
        )
        self.worker.begin()
        return self.worker

    def drop(self, patient: str, seed: int, *, lesion_hu: float | None = 100.0, name: str = "ct") -> Path:
        """Put a patient's NIfTI volume into the inbox; without a lesion when `lesion_hu` is None."""
        values = np.minimum(chest_values((4, 12, 10), seed), 40).astype(np.int16)
        if lesion_hu is not None:
            rng = np.random.default_rng(seed)
            size = int(rng.integers(1, 4))
            values[1:3, 4 : 4 + size, 4:6] = int(lesion_hu + rng.normal(scale=8))
        return write_nifti(self.inbox / f"{patient}__{name}{seed}.nii", values)

    def settle(self) -> int:
        """Let the quiet period pass and do one round on what lies in the inbox."""
        self.worker.round()
        self.clock.pass_time(seconds=self.settings.quiet_period_s + 1)
        return self.worker.round()

    def day(self, patients: int, first: int, **drop: Any) -> None:
        """A day with some patients, ending after its window's end."""
        for number in range(first, first + patients):
            self.drop(f"p{number}", number, **drop)
        self.settle()
        self.clock.pass_time(seconds=self.settings.window_length_s)
        self.worker.round()


def site_settings(inbox: Path, data: Path, **changes: Any) -> Settings:
    """Settings that do not look at the environment."""
    given: dict[str, Any] = {
        "site": "north",
        "inbox": inbox,
        "data_dir": data,
        "central_url": "http://127.0.0.1:1",
        "site_key": KEY,
        "k": 5,
        "baseline_patients": 40,
        "quiet_period_s": 30,
        "window_length_s": 86400,
    }
    return Settings(_env_file=None, **{**given, **changes})


def told_json(site: Site) -> str:
    """Everything that was sent, as one text to search in."""
    return json.dumps([body.decode() for body in site.central.bodies.values()])
