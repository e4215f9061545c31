"""MODEL_CARD.md of a refined model: what changed and whom it has seen, every number computed."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

MadeFrom = Literal["given", "model", "annotated"]
BY = {"label": "a label", "view": "its view", "mean": "the mean over its labels"}
FENCED_BY = {"validation": "annotated", "target": "of the site, not annotated"}
MASKS_SEEN: dict[MadeFrom, str] = {
    "given": "was given with `--mask-autoencoder`; whether it has seen the annotated masks is not known here.",
    "model": "is that of the model before, whose card says which masks it has seen.",
    "annotated": "was trained on all annotated masks, as no other was given (`--mask-autoencoder`): those of the\n"
    "  held-out patients too, so its scores and fences are tighter here than for a new patient.",
}


def card(name: str, version: str, told: Mapping[str, Any], left_out: Sequence[str]) -> str:
    """MODEL_CARD.md of a proposed version: what changed, every number computed."""
    rows = "\n".join(
        f"| {row['cases']} | {row['measure']} | {row['count']} | {_number(row['before'])} | {_number(row['after'])} "
        f"| {_number(row['low'])} to {_number(row['high'])} |"
        for row in told["table"]
    )
    deciding, by_label = told["fences"]["deciding"], told["fences"]["by_label"]
    fences = "\n".join(
        f"| {_group(fences['by'], group)} | {_number(one['low_pdc'])} | {_number(one['high_phd_mm'])} "
        f"| {one['case_count']} {FENCED_BY[one['source']]} |"
        for fences in (deciding, *([by_label] if by_label and deciding["by"] != "label" else []))
        for group, one in fences["groups"].items()
    )
    missing = "\n".join(f"- {sentence}" for sentence in left_out) or "- Nothing."
    before = told["refined_from"]
    return f"""# Model card: {name} {version}

**Proposed, and in use nowhere until a person decides so. A quality-monitoring aid, not for diagnosis.**

Refined from {before["name"]} {before["version"]} (`{before["hash"]}`) in {told["epochs"]} epochs on cases whose masks
disagreed with their reconstruction; {told["flagged_before"]} were flagged before and {told["flagged_after"]} after.

The annotated cases of the table are held out: their patients taught the network nothing. The interval is that of
after - before over resampled patients. pDC and pHD compare a mask with its own reconstruction, and not with the truth.

## Whom it has seen

- The network was trained on the flagged cases and on annotated patients. {told["held_out_patients"]} annotated patients
  are held out; a quality model is fitted to the Dice of these alone, and needs failed and good masks among them.
- The scores' reference holds no flagged case. It holds annotated patients on whom the network was trained: a new
  patient may look a little less usual than they do.
- The mask autoencoder {MASKS_SEEN[told["mask_autoencoder"]]}

## What changed

| cases | measure | n | before | after | 95 % interval of the difference |
|---|---|---|---|---|---|
{rows}

## From when on a mask is unusual

A case is flagged where {BY[deciding["by"]]} lies beyond its fence; fences of labels say where to look. They are of the
masks that the model before made.

| of | pDC below | pHD above (mm) | cases |
|---|---|---|---|
{fences}

## Not there

{missing}
"""


def _group(by: str, group: str) -> str:
    return {"label": f"label {group}", "view": f"{group} slices"}.get(by, "mean over labels")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
