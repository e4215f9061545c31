"""What Karimi and Gholipour 2022 print of multi-task training; of detection see `evaluation.paper_numbers`."""

from dataclasses import dataclass

MeanSd = tuple[float, float]


@dataclass(frozen=True)
class Printed:
    """One line of a table.

    Args:
        table: its number.
        training: the paper's words, shortened.
        data: the paper's name of the dataset.
        dice, hd95_mm, assd_mm, ece, mce: mean and SD over images.
    """

    table: str
    training: str
    data: str
    dice: MeanSd
    hd95_mm: MeanSd
    assd_mm: MeanSd
    ece: MeanSd
    mce: MeanSd


def _two(
    separate: tuple[tuple[str, MeanSd, MeanSd, MeanSd, MeanSd, MeanSd], ...], training: str, table: str
) -> tuple[Printed, ...]:
    return tuple(Printed(table, training, *line) for line in separate)


SEPARATE, TOGETHER, MIXUP = "a model for each dataset", "one model for all", "mixup"
NUMBERS = (
    *_two(
        (
            ("CP, younger fetus", (0.89, 0.05), (0.82, 0.04), (0.24, 0.06), (0.09, 0.02), (0.21, 0.06)),
            ("CP, older fetus", (0.82, 0.06), (1.01, 0.14), (0.35, 0.08), (0.12, 0.07), (0.28, 0.11)),
            ("CP, newborn", (0.90, 0.04), (0.83, 0.04), (0.22, 0.07), (0.07, 0.03), (0.20, 0.10)),
            ("heart", (0.89, 0.06), (8.0, 7.2), (2.00, 2.20), (0.17, 0.05), (0.32, 0.09)),
            ("hippocampus", (0.88, 0.04), (1.04, 0.25), (0.42, 0.06), (0.11, 0.03), (0.20, 0.05)),
            ("prostate", (0.85, 0.06), (12.7, 8.5), (3.6, 4.4), (0.26, 0.07), (0.37, 0.10)),
            ("liver, CT", (0.96, 0.02), (5.00, 1.99), (1.46, 0.36), (0.10, 0.02), (0.24, 0.05)),
            ("liver, MRI SPIR", (0.90, 0.03), (25.1, 11.0), (4.70, 1.51), (0.18, 0.03), (0.32, 0.05)),
            ("liver, MRI DUAL in", (0.89, 0.05), (11.0, 3.11), (4.02, 0.70), (0.11, 0.03), (0.18, 0.03)),
            ("liver, MRI DUAL out", (0.89, 0.04), (10.1, 2.87), (4.00, 0.54), (0.10, 0.02), (0.14, 0.03)),
            ("pancreas", (0.80, 0.03), (9.0, 2.81), (3.45, 0.92), (0.08, 0.02), (0.14, 0.06)),
            ("kidney", (0.91, 0.03), (8.1, 3.01), (0.81, 0.34), (0.09, 0.03), (0.16, 0.05)),
        ),
        SEPARATE,
        "II",
    ),
    *_two(
        (
            ("CP, younger fetus", (0.89, 0.04), (0.82, 0.01), (0.23, 0.06), (0.07, 0.01), (0.18, 0.04)),
            ("CP, older fetus", (0.84, 0.02), (0.88, 0.13), (0.34, 0.06), (0.09, 0.02), (0.21, 0.06)),
            ("CP, newborn", (0.90, 0.04), (0.82, 0.03), (0.17, 0.05), (0.07, 0.03), (0.15, 0.09)),
            ("heart", (0.88, 0.08), (8.2, 7.5), (2.14, 2.16), (0.11, 0.03), (0.21, 0.07)),
            ("hippocampus", (0.87, 0.03), (1.25, 0.20), (0.51, 0.06), (0.14, 0.02), (0.26, 0.05)),
            ("prostate", (0.89, 0.05), (5.12, 2.55), (1.88, 0.50), (0.21, 0.05), (0.30, 0.10)),
            ("liver, CT", (0.96, 0.02), (4.18, 1.07), (1.30, 0.26), (0.07, 0.02), (0.16, 0.05)),
            ("liver, MRI SPIR", (0.93, 0.03), (10.5, 4.08), (3.59, 1.60), (0.18, 0.05), (0.33, 0.06)),
            ("liver, MRI DUAL in", (0.89, 0.04), (7.0, 3.01), (3.93, 0.50), (0.08, 0.04), (0.14, 0.04)),
            ("liver, MRI DUAL out", (0.92, 0.03), (7.3, 2.66), (3.95, 0.44), (0.08, 0.02), (0.09, 0.03)),
            ("pancreas", (0.82, 0.03), (7.3, 2.50), (3.48, 0.88), (0.06, 0.03), (0.10, 0.06)),
            ("kidney", (0.91, 0.03), (8.1, 2.95), (0.80, 0.24), (0.06, 0.02), (0.11, 0.03)),
        ),
        TOGETHER,
        "II",
    ),
    *_two(
        (
            ("CP, younger fetus", (0.90, 0.02), (0.81, 0.01), (0.18, 0.03), (0.05, 0.03), (0.13, 0.08)),
            ("CP, older fetus", (0.85, 0.03), (0.90, 0.16), (0.30, 0.05), (0.04, 0.02), (0.09, 0.05)),
            ("CP, newborn", (0.92, 0.02), (0.81, 0.02), (0.16, 0.02), (0.03, 0.01), (0.07, 0.02)),
        ),
        TOGETHER,
        "IV",
    ),
    *_two(
        (
            ("CP, younger fetus", (0.89, 0.02), (0.81, 0.01), (0.17, 0.03), (0.08, 0.03), (0.18, 0.09)),
            ("CP, older fetus", (0.84, 0.03), (0.95, 0.25), (0.34, 0.07), (0.08, 0.04), (0.14, 0.06)),
            ("CP, newborn", (0.92, 0.02), (0.84, 0.06), (0.20, 0.04), (0.06, 0.02), (0.12, 0.03)),
        ),
        MIXUP,
        "IV",
    ),
)
SAYS = (
    "Karimi and Gholipour 2022: the joint model is significantly better calibrated on 9 of 12 datasets (ECE) and 10 of "
    "12 (MCE), worse on hippocampus alone; mixup over the twelve worsens the Dice on all of them. Theirs is a 3-D "
    "U-Net trained to convergence on 15 to 400 images of each dataset; ours a small slice-wise one, trained for "
    "minutes."
)
