"""A small model folder whose parts belong together; its network is untrained and answers quickly."""

from pathlib import Path

import numpy as np

from hospital_agent.analysis.normalise import ValidationRange
from hospital_agent.analysis.ood.mahalanobis import Mahalanobis
from hospital_agent.analysis.quality.fitting import fit_quality_model
from hospital_agent.model_folder import save_model
from tests.quality_cases import simulated_cases


def write_model(folder: Path) -> Path:
    """Write a model folder; the same bytes every time."""
    import torch

    from hospital_agent.analysis.segmentation.bundled import WorkingGrid
    from hospital_agent.analysis.segmentation.unet import UNet, UNetShape

    torch.manual_seed(0)
    grid = WorkingGrid(spacing_mm=(4.0, 4.0, 4.0), tile=(16, 16, 16))
    rng = np.random.default_rng(0)
    rows, dice, patients = simulated_cases(patients=30, each=2)
    quality = fit_quality_model(rows, dice, patients, version="test-1")
    save_model(
        folder,
        name="small",
        version="0.0.1",
        network=UNet(UNetShape(channels=(4, 6, 8))),
        grid=grid,
        ood={"mahalanobis": Mahalanobis.fit(rng.normal(size=(40, 8 * 4**3)), [f"p{i // 4}" for i in range(40)])},
        validation={"mahalanobis": ValidationRange(100.0, 500.0, 900.0)},
        quality_kind="logistic_regression",
        quality=quality.to_json(),
        made_from={},
    )
    return folder
