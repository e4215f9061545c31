"""Lungs by the `lungmask` network, where a site has installed it and put its weights on its own disk."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from hospital_agent.analysis.errors import BackendUnavailable
from hospital_agent.analysis.imaging.lungs import lung_backends
from hospital_agent.analysis.imaging.volume import BoolArray, Volume


@lung_backends.register("lungmask")
class LungmaskLungs:
    """Both lungs by the U-Net R231, trained on diseased lungs, so that dense consolidation stays inside.

    The package would fetch its weights from the internet by itself; here it never may, so the file has to be given.

    Args:
        weights: the state dictionary `unet_r231-*.pth` on the local disk.
        device: "auto" (a GPU when there is one) or "cpu".

    Raises:
        BackendUnavailable: the package is not installed, or there are no weights at this place.

    Source: Hofmanninger et al., Eur Radiol Exp 2020; package lungmask 0.2, model R231, as the 2021 quality paper used
    it. Differs: run on the source grid in HU, not on a volume shrunk to (50, 512, 512).
    """

    def __init__(self, weights: Path | None = None, device: str = "auto") -> None:
        if find_spec("lungmask") is None:
            raise BackendUnavailable(
                "The lung backend 'lungmask' needs the package lungmask, which is not installed here."
            )
        if weights is None or not weights.is_file():
            raise BackendUnavailable(
                "The lung backend 'lungmask' needs a local file with its weights; none is configured, or it is missing."
            )
        self._weights = weights
        self._cpu = device == "cpu"

    def find(self, volume: Volume) -> BoolArray | None:
        """Both lungs on the volume's own grid; None where the network finds none, and for MR."""
        if volume.modality != "CT":
            return None
        build = import_module("lungmask").LMInferer
        network = build(modelpath=str(self._weights), force_cpu=self._cpu, tqdm_disable=True)
        labels = network.apply(np.clip(volume.array, -1024, None).astype(np.int16))
        lungs: BoolArray = labels > 0
        return lungs if lungs.any() else None
