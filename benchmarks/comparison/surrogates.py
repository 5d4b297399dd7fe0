"""Models of learning curves: what a configuration that nobody trained would have reached.

A curve is predicted as a whole: by the few principal components that explain nearly all of the
recorded curves' variance.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

EXPLAINED = 0.99
MOST_COMPONENTS = 6
TREES = 100


class CurveModel(Protocol):
    """Predicts curves."""

    def __init__(
        self, places: NDArray[np.float64], curves: NDArray[np.float64]
    ) -> None:  # pragma: no cover
        """Fit ``(N, epochs, 2)`` curves to ``(N, hyperparameters)`` places."""

    def curves(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict the mean curves ``(n, epochs, 2)`` of ``(n, hyperparameters)`` places."""

    def deviations(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict how far a recorded last top-1 lies from the mean; ``(n,)``, in percent."""


class GaussianProcesses:
    """An independent Gaussian process for each principal component."""

    def __init__(self, places: NDArray[np.float64], curves: NDArray[np.float64]) -> None:
        self._shape = curves.shape[1:]
        # top-1 and log loss weigh the same, and so do all epochs of each
        self._scale = np.maximum(curves.std(axis=(0, 1)), 1e-9)
        flat = (curves / self._scale).reshape(len(curves), -1)
        self._pca = PCA(min(MOST_COMPONENTS, len(curves) - 1, flat.shape[1]), svd_solver="full")
        components = self._pca.fit_transform(flat)
        explained = np.cumsum(self._pca.explained_variance_ratio_)
        self._count = min(int(np.searchsorted(explained, EXPLAINED)) + 1, components.shape[1])
        self._processes = [self._fit(places, one) for one in components.T[: self._count]]
        left = curves[:, -1, 0] - self._back(components[:, : self._count])[:, -1, 0]
        self._left_out = float(left.var())

    @staticmethod
    def _fit(places: NDArray[np.float64], component: NDArray[np.float64]) -> Any:
        smooth = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(
            np.ones(places.shape[1]), (0.05, 10), nu=2.5
        )
        process = GaussianProcessRegressor(
            smooth + WhiteKernel(0.05, (1e-3, 1)),
            normalize_y=True,
            n_restarts_optimizer=1,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a scale at its bound is fine
            return process.fit(places, component)

    def _back(self, components: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = components @ self._pca.components_[: self._count] + self._pca.mean_
        curves: NDArray[np.float64] = flat.reshape(-1, *self._shape) * self._scale
        return curves

    def curves(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict the mean curves."""
        return self._back(np.stack([one.predict(places) for one in self._processes], axis=1))

    def deviations(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict the spread, noise of a run included."""
        spreads = [one.predict(places, return_std=True)[1] for one in self._processes]
        weights = self._pca.components_[: self._count].reshape(-1, *self._shape)[:, -1, 0]
        variances = (np.stack(spreads, axis=1) * weights * self._scale[0]) ** 2
        deviations: NDArray[np.float64] = np.sqrt(variances.sum(axis=1) + self._left_out)
        return deviations


class Trees:
    """A random forest."""

    def __init__(self, places: NDArray[np.float64], curves: NDArray[np.float64]) -> None:
        self._shape = curves.shape[1:]
        self._scale = np.maximum(curves.std(axis=(0, 1)), 1e-9)
        flat = (curves / self._scale).reshape(len(curves), -1)
        forest = RandomForestRegressor(TREES, min_samples_leaf=2, oob_score=True, random_state=0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores")
            forest.fit(places, flat)
        self._trees: Sequence[Any] = [tree.tree_ for tree in forest.estimators_]
        out_of_bag = forest.oob_prediction_.reshape(curves.shape) * self._scale
        self._deviation = float(np.sqrt(np.mean((out_of_bag - curves)[:, -1, 0] ** 2)))

    def curves(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict the mean curves."""
        # the forest's own predict takes ten times as long for a single place
        at = places.astype(np.float32)
        flat = np.mean([tree.predict(at).reshape(len(at), -1) for tree in self._trees], axis=0)
        curves: NDArray[np.float64] = flat.reshape(-1, *self._shape) * self._scale
        return curves

    def deviations(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the error of configurations that a tree was not fitted to; everywhere the same."""
        return np.full(len(places), self._deviation)


class Nearest:
    """The curve of the nearest recorded configuration."""

    def __init__(self, places: NDArray[np.float64], curves: NDArray[np.float64]) -> None:
        self._places, self._curves = places, curves
        distances = ((places[:, None] - places) ** 2).sum(axis=-1)
        np.fill_diagonal(distances, np.inf)
        errors = (curves[distances.argmin(axis=1)] - curves)[:, -1, 0]
        self._deviation = float(np.sqrt(np.mean(errors**2)))

    def curves(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look the nearest up."""
        distances = ((places[:, None] - self._places) ** 2).sum(axis=-1)
        found: NDArray[np.float64] = self._curves[distances.argmin(axis=1)]
        return found

    def deviations(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the distance of recorded neighbours in top-1; everywhere the same."""
        return np.full(len(places), self._deviation)
