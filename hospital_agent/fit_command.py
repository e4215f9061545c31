"""`hospital-agent fit`: a model from elsewhere and images in, a model folder out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hospital_agent.console import (
    Allow,
    AllowedIn,
    Device,
    FencesBy,
    KindOfImage,
    allowed_models,
    check_device,
    print_json,
    say,
)

Trained = Literal["segmentation_distortion", "mask_autoencoder"]


def fit(
    model: Annotated[
        list[Path],
        typer.Option(exists=True, help="nnU-Net folder or fold, MONAI bundle, TorchScript file; several: an ensemble."),
    ],
    images: Annotated[Path, typer.Option(exists=True, file_okay=False, help="NIfTI files and folders of series.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="The model folder to write.")],
    references: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="NIfTI masks with the names of the images.")
    ] = None,
    modality: Annotated[KindOfImage, typer.Option(help="What the images are; the model folder keeps it.")] = "CT",
    allow: Allow = None,
    data_dir: AllowedIn = None,
    device: Device = "auto",
    orientation: Annotated[
        str | None, typer.Option(help="Of an nnU-Net's training files (LPS, RAS, LAS, ...); else that of the images.")
    ] = None,
    mirroring: Annotated[
        bool, typer.Option("--mirroring", help="nnU-Net's test-time mirroring; eight times slower.")
    ] = False,
    copy: Annotated[bool, typer.Option("--copy", help="Put the model's own files into the folder as well.")] = False,
    name: Annotated[str | None, typer.Option(help="Of the model, for people.")] = None,
    method: Annotated[
        Trained | None,
        typer.Option(
            help="Train what this score needs as well: an autoencoder of features, or of --references; minutes."
        ),
    ] = None,
    fences_by: FencesBy = "mean",
    steps: Annotated[int, typer.Option(min=1, help="Of training what --method asks for.")] = 300,
) -> None:
    """Fit all scores to a model that others made, and write a model folder for `analyse` and AGENT_MODEL_DIR."""
    from hospital_agent.fitted_folder import fit_folder

    check_device(device)
    autoencoder = mask_autoencoder = None
    if method == "mask_autoencoder":
        from hospital_agent.training.mask_autoencoder import MaskTraining

        mask_autoencoder = MaskTraining(steps=steps)
    elif method is not None:
        from hospital_agent.training.autoencoder import AutoencoderTraining

        autoencoder = AutoencoderTraining(steps=steps)
    fitted = fit_folder(
        model, images, references, out,
        allowed=allowed_models(allow, data_dir), device=device, orientation=orientation, mirroring=mirroring, copy=copy,
        name=name, say=say, modality=modality, autoencoder=autoencoder,
        mask_autoencoder=mask_autoencoder, fences_by=fences_by,
    )  # fmt: skip
    for sentence in fitted.left_out:
        say(sentence)
    told = {
        "model": str(out),
        "modality": modality,
        "images": len(fitted.seen),
        "patients": fitted.patient_count,
        "ood": sorted(fitted.ood),
        "scaled": sorted(fitted.ranges),
        "quality": fitted.quality_kind,
    }
    print_json(told)
