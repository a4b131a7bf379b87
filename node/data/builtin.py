"""Real data sets that come with scikit-learn, so that nothing is downloaded."""

import numpy as np
from sklearn import datasets

from node.data.dataset import Dataset


def load_builtin(name: str) -> Dataset:
    """One of ``digits``, ``breast_cancer``, ``wine``, ``iris``.

    Digits (Alpaydin and Kaynak 1998) come as images ``[1797, 1, 8, 8]`` in 0 to 1; the others as vectors of
    raw features, whose scale differs, so that a job standardises them.

    Raises:
        KeyError: another name.
    """
    load = {
        "digits": datasets.load_digits,
        "breast_cancer": datasets.load_breast_cancer,
        "wine": datasets.load_wine,
        "iris": datasets.load_iris,
    }[name]
    bunch = load()
    x = np.asarray(bunch.data, dtype=np.float32)
    if name == "digits":
        x = x.reshape(-1, 1, 8, 8) / np.float32(16)
    return Dataset(x, np.asarray(bunch.target, dtype=np.int64), tuple(str(c) for c in bunch.target_names))
