"""Reading a trained-model folder of nnU-Net v2 without running code that comes with it, or saying that it would run."""

import io
import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hospital_agent.analysis.errors import (
    AnalysisError,
    BackendUnavailable,
    ModelMismatch,
    NotApplicable,
    RunsCode,
)
from hospital_agent.analysis.segmentation.network import choose_device
from hospital_agent.analysis.segmentation.nnunet import NnunetOptions, NnunetSegmenter, quiet

KNOWN_CODE = ("dynamic_network_architectures.", "torch.nn.")
MOST_LABELS = 255


def load_nnunet(
    plans: dict[str, Any],
    dataset: dict[str, Any],
    checkpoint: bytes,
    options: NnunetOptions | None = None,
    *,
    trusted: bool,
    version: str,
    model_hash: str,
    device: str = "auto",
) -> NnunetSegmenter:
    """A fold of a trained-model folder of nnU-Net v2 (`nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0`).

    The checkpoint is read with torch's safe reader (`weights_only`), which runs no code and knows what nnU-Net writes.
    What still runs code, and is refused unless `trusted`: a checkpoint that holds other objects, plans that name
    classes beyond nnU-Net's and torch's own, and a trainer that is not part of nnU-Net.

    Args:
        plans, dataset: plans.json and dataset.json.
        checkpoint: the bytes of checkpoint_final.pth.
        trusted: whether the site has allowed exactly these files to run code.

    Raises:
        BackendUnavailable: nnU-Net is not installed.
        RunsCode: loading would run code, and these files are not trusted.
        ModelMismatch: the parts do not belong together.
        NotApplicable: it needs several images at once, a previous stage, or has too many labels.
    """
    where = choose_device(device)
    try:
        with quiet():
            from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    except ImportError:
        raise BackendUnavailable("nnU-Net is not installed: pip install 'segwatch[nnunet]'.") from None
    options = options or NnunetOptions()
    told = read_checkpoint(checkpoint, trusted=trusted)
    try:
        with quiet():
            predictor = nnUNetPredictor(
                use_mirroring=options.mirroring, device=where, perform_everything_on_device=True, allow_tqdm=False
            )
            _initialise(predictor, plans, dataset, told, trusted)
    except AnalysisError:
        raise
    except (KeyError, TypeError, AssertionError, RuntimeError) as problem:
        raise ModelMismatch("Plans, dataset.json and checkpoint of the nnU-Net do not belong together.") from problem
    return NnunetSegmenter(predictor, options, version=version, model_hash=model_hash, device=where)


def read_checkpoint(content: bytes, *, trusted: bool) -> dict[str, Any]:
    """What a checkpoint of nnU-Net holds.

    Raises:
        RunsCode: it holds more than weights and numbers, and is not trusted.
        ModelMismatch: it is damaged.
    """
    with torch.serialization.safe_globals(_numbers()):
        try:
            return _dictionary(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
        except pickle.UnpicklingError:
            if not trusted:
                raise RunsCode("The checkpoint holds more than weights and numbers: loading it runs code.") from None
        except (RuntimeError, EOFError, ValueError) as problem:
            raise ModelMismatch("The checkpoint cannot be read as one.") from problem
    return _dictionary(torch.load(io.BytesIO(content), map_location="cpu", weights_only=False))


def _dictionary(told: object) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise ModelMismatch("The checkpoint is not one of nnU-Net's.")
    return told


def _numbers() -> list[Any]:
    """numpy's numbers, which nnU-Net keeps beside the weights; old names of the same functions included."""
    from numpy._core.multiarray import scalar

    kinds = {type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?")}
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds]


def _initialise(
    predictor: Any, plans: dict[str, Any], dataset: dict[str, Any], told: dict[str, Any], trusted: bool
) -> None:
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    configuration = manager.get_configuration(told["init_args"]["configuration"])
    labels = manager.get_label_manager(dataset)
    channels = determine_num_input_channels(manager, configuration, dataset)
    if configuration.previous_stage_name is not None:
        raise NotApplicable("A cascade needs the answer of its previous stage; only its first stage can be run.")
    if channels != 1:
        raise NotApplicable(f"This nnU-Net needs {channels} images of a patient at once; one series is given.")
    if max(map(int, labels.all_labels)) > MOST_LABELS:
        raise NotApplicable(f"At most {MOST_LABELS} labels can be kept.")
    trainer = _trainer(told["trainer_name"], trusted)
    _refuse_foreign_names(configuration, trusted)
    network = trainer.build_network_architecture(
        manager, configuration, channels, labels.num_segmentation_heads, enable_deep_supervision=False
    )
    network.load_state_dict(told["network_weights"])
    predictor.manual_initialization(
        network, manager, configuration, [told["network_weights"]], dataset, told["trainer_name"],
        told.get("inference_allowed_mirroring_axes"),
    )  # fmt: skip
    predictor.network = network  # as it is, even where nnUNet_compile asks for another: hooks hear the plain one


def _trainer(name: str, trusted: bool) -> Any:
    """The trainer, which knows how to build the network: nnU-Net's own, or for trusted models one of the site's.

    nnU-Net looks a trainer up by importing all of them, one of which needs a working torchvision; only the module
    that defines the trainer is imported here.
    """
    import nnunetv2
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    root = Path(nnunetv2.__path__[0])
    for file in sorted((root / "training" / "nnUNetTrainer").rglob("*.py")):
        if f"class {name}(" in file.read_text(encoding="utf-8"):
            module = ".".join(("nnunetv2", *file.relative_to(root).with_suffix("").parts))
            return getattr(import_module(module), name)
    if not trusted:
        raise RunsCode("The network was trained by a trainer of somebody's own: loading it runs that code.")
    return recursive_find_trainer_class_by_name(name)


def _refuse_foreign_names(configuration: Any, trusted: bool) -> None:
    arguments = configuration.network_arch_init_kwargs
    imported = [arguments[key] for key in configuration.network_arch_init_kwargs_req_import]
    names = [configuration.network_arch_class_name, *(name for name in imported if name is not None)]
    if not trusted and not all(str(name).startswith(KNOWN_CODE) for name in names):
        raise RunsCode("The plans name classes beyond nnU-Net's and torch's own: building the network runs them.")
