"""What a run takes for what: its confusion matrix, and the classes that it knows least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def confusion_matrix(predictions: pd.DataFrame, classes: int) -> NDArray[np.int64]:
    """Count the test images of each class by the predicted one.

    Args:
        predictions: columns target and predicted of one or more runs.
        classes: how many there are.

    Returns:
        ``(classes, classes)``: rows are the images' own classes.
    """
    target, predicted = (
        predictions[name].to_numpy(dtype=np.int64) for name in ("target", "predicted")
    )
    counts = np.bincount(target * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def worst_classes(matrix: NDArray[np.int64], names: Sequence[str], count: int) -> pd.DataFrame:
    """List the classes of which the fewest images are right.

    Args:
        matrix: as ``confusion_matrix`` gives it.
        names: of the classes.
        count: how many to list.

    Returns:
        Columns class, images, right_percent, mistaken_for (the class most often given instead) and
        mistaken_percent, the worst first; classes without a test image are left out.
    """
    images = matrix.sum(axis=1)
    wrong = matrix - np.diag(matrix.diagonal())
    instead = wrong.argmax(axis=1)
    rows = pd.DataFrame(
        {
            "class": list(names),
            "images": images,
            "right_percent": 100 * matrix.diagonal() / np.maximum(images, 1),
            "mistaken_for": [names[place] for place in instead],
            "mistaken_percent": 100 * wrong.max(axis=1) / np.maximum(images, 1),
        }
    )
    rows["mistaken_for"] = rows["mistaken_for"].where(rows["mistaken_percent"] > 0)
    known = rows[rows["images"] > 0]
    return known.sort_values(["right_percent", "class"]).head(count).reset_index(drop=True)
