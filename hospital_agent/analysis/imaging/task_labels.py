"""The labels of a mask file as those of a task: a file may be coded otherwise than the model it is compared with."""

import numpy as np
from numpy.typing import NDArray

from hospital_agent.analysis.errors import UnknownLabel

Labels = NDArray[np.uint8]


def task_labels(labels: Labels, label_count: int) -> Labels:
    """The labels, if they are those of the task.

    With one label, whatever is not background is that label: many programs write 255 for it. With several, a label
    above their count could be any of them, and would be background to whoever does not look.

    Args:
        labels: uint8, 0 is background; of any shape.
        label_count: labels of the task, background not counted, >= 1.

    Raises:
        UnknownLabel: one lies above the labels of the task; the sentence names it and nothing else of the file.
    """
    highest = int(labels.max(initial=0))
    if highest <= label_count:
        return labels
    if label_count == 1:
        return (labels > 0).astype(np.uint8)
    raise UnknownLabel(
        f"A mask that a person made holds label {highest}, and the model knows {label_count} labels, 1 to "
        f"{label_count}: write the masks with the model's own numbers."
    )
