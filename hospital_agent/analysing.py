"""`hospital-agent analyse`: one input by hand, from files to JSON."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hospital_agent.console import (
    FAULT,
    REFUSED,
    Allow,
    AllowedIn,
    Device,
    KindOfImage,
    allowed_models,
    check_device,
    print_json,
    say,
)
from hospital_agent.errors import CaseFailed, InputRefused

if TYPE_CHECKING:
    from hospital_agent.allow_list import AllowList

ShownMap = Literal["distances", "distortion"]


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    path: Path
    mask: Path | None
    lungs: Path | None
    modality: KindOfImage | None
    model: Path | None
    device: str
    mask_out: Path | None
    map_out: Path | None
    map: ShownMap


def analyse(
    path: Annotated[Path, typer.Argument(exists=True, help="A folder of DICOM files, or a NIfTI file.")],
    mask: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Score this NIfTI mask; needs no network.")
    ] = None,
    lungs: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Use this NIfTI lung mask.")] = None,
    modality: Annotated[
        KindOfImage | None,
        typer.Option(help="Of the input; what the model reads by default (the shipped one CT)."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Model folder; the shipped one by default.")
    ] = None,
    device: Device = "auto",
    allow: Allow = None,
    data_dir: AllowedIn = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the JSON here instead.")] = None,
    mask_out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the mask here (.nii.gz).")] = None,
    map_out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write a map for people here (.nii.gz); 0 is outside."),
    ] = None,
    map_: Annotated[
        ShownMap,
        typer.Option("--map", help="Of --map-out: distances from training, or what familiar features would change."),
    ] = "distances",
) -> None:
    """Segment and score one CT or MR series, or score a mask that another product made."""
    check_device(device)
    for option, file in (("--mask-out", mask_out), ("--map-out", map_out)):
        if file is not None and not file.name.endswith((".nii", ".nii.gz")):
            raise typer.BadParameter("must end in .nii or .nii.gz.", param_hint=option)
    if map_out is not None and mask is not None:
        raise typer.BadParameter("needs the network's features; a given --mask has none.", param_hint="--map-out")
    wish = Wish(path, mask, lungs, modality, model, device, mask_out, map_out, map_)
    try:
        result = _analysed(wish, allowed_models(allow, data_dir))
    except InputRefused as refusal:
        print_json({"refused": {"reason": refusal.reason, "detail": str(refusal)}}, out)
        raise typer.Exit(REFUSED) from None
    except CaseFailed as failure:
        print_json({"failed": {"stage": failure.stage, "reason": failure.reason, "detail": str(failure)}}, out)
        raise typer.Exit(FAULT) from None
    print_json(result, out)


def _analysed(wish: Wish, allowed: "AllowList") -> dict[str, Any]:
    from hospital_agent.ingest.series import read_series
    from hospital_agent.mask_labels import labels_told, mask_autoencoder_in, supplied
    from hospital_agent.pipeline import analyse_case
    from hospital_agent.shown_map import map_named
    from hospital_agent.toolkit import build_toolkit, modality_for

    begun = perf_counter()
    modality = modality_for(wish.model, wish.modality, with_network=wish.mask is None)
    if wish.lungs is not None and modality != "CT":
        raise typer.BadParameter("is for CT; in MR no score looks at lungs.", param_hint="--lungs")
    say("reading")
    series = read_series(wish.path, modality)
    labels = None if wish.mask is None else series.read_labels(wish.mask)
    given_lungs = None if wish.lungs is None else series.read_mask(wish.lungs)
    read_s = perf_counter() - begun
    say("loading the model")
    toolkit = build_toolkit(
        wish.model, device=wish.device, with_network=labels is None, allowed=allowed, modality=modality
    )
    load_s = perf_counter() - begun - read_s
    folder = mask_autoencoder_in(wish.model, toolkit)
    given, refused = (None, None) if labels is None else supplied(labels, series.volume, folder)
    show = None if wish.map_out is None else map_named(wish.map, toolkit)
    result = analyse_case(series.volume, toolkit, mask=given, lungs=given_lungs, progress=say)
    written = wish.mask_out or wish.mask
    if wish.mask_out is not None:
        series.write_mask(wish.mask_out, result.segmentation.mask)
    if wish.map_out is not None and show is not None:
        series.write_map(wish.map_out, show(result.segmentation))
    told = result.to_json(mask_path=None if written is None else str(written))
    if wish.map_out is not None:
        told["segmentation"]["map"] = str(wish.map_out)
    told["mask_autoencoder"], said = labels_told(result.segmentation, series.volume, folder, refused)
    told["timings_s"] = {"read": round(read_s, 4), "load_model": round(load_s, 4), **told["timings_s"]}
    told["timings_s"]["total"] = round(perf_counter() - begun, 4)
    told["warnings"] = [*series.warnings, *told["warnings"], *said]
    return told
