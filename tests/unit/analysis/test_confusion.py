"""Confusion matrices counted by hand."""

import numpy as np
import pandas as pd

from analysis.confusion import confusion_matrix, worst_classes


def test_rows_are_the_images_own_classes() -> None:
    predictions = pd.DataFrame({"target": [0, 0, 0, 1, 2], "predicted": [0, 1, 1, 1, 0]})
    matrix = confusion_matrix(predictions.astype("Int64"), 4)
    assert matrix.tolist() == [[1, 2, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_the_worst_classes_come_first_with_what_they_are_taken_for() -> None:
    matrix = np.array([[6, 3, 1, 0], [0, 4, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    rows = worst_classes(matrix, ["cat", "dog", "eel", "fox"], 3)
    assert rows["class"].tolist() == ["eel", "cat", "dog"]  # 50, 60 and 100 %; no fox was seen
    assert rows["right_percent"].tolist() == [50.0, 60.0, 100.0]
    assert rows["mistaken_for"].tolist()[:2] == ["cat", "dog"]
    assert pd.isna(rows["mistaken_for"].iloc[2])
    assert rows["mistaken_percent"].tolist() == [50.0, 30.0, 0.0]
    assert len(worst_classes(matrix, ["cat", "dog", "eel", "fox"], 1)) == 1
