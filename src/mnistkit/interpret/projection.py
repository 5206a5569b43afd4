"""Many features brought to two, to be drawn."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from mnistkit.errors import ConfigError, DataError, MissingExtraError, unknown_name

__all__ = ["Projection", "project"]

Projection: TypeAlias = Literal["pca", "tsne"]


def project(features: Tensor, method: Projection = "pca", *, seed: int = 0) -> Tensor:
    """Bring features to two dimensions.

    Args:
        features: float ``(N, F)`` with at least 3 rows and 2 columns.
        method: ``"pca"``: the two directions of the largest variance; distances mean something. ``"tsne"``: t-SNE (van der
            Maaten & Hinton 2008) by scikit-learn; neighbours stay neighbours, distances between groups mean nothing.
        seed: of t-SNE.

    Returns:
        float64 ``(N, 2)`` on the CPU.

    Raises:
        ConfigError: for an unknown method.
        DataError: for features of another shape.
        MissingExtraError: for t-SNE without scikit-learn.

    >>> line = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> project(line)[:, 0].abs()
    tensor([5., 0., 5.], dtype=torch.float64)
    """
    if method not in get_args(Projection):
        raise ConfigError(unknown_name("projection", method, get_args(Projection)))
    if features.ndim != 2 or features.shape[0] < 3 or features.shape[1] < 2:
        raise DataError(f"got features of shape {tuple(features.shape)}, expected (N, F), at least (3, 2)")
    points = features.detach().cpu().double()
    if method == "pca":
        centred = points - points.mean(0)
        _, _, directions = torch.linalg.svd(centred, full_matrices=False)
        # A direction and its opposite are as good; the larger entry's sign decides, so that every machine draws the same.
        largest = directions[:2].abs().argmax(1, keepdim=True)
        axes = directions[:2] * directions[:2].gather(1, largest).sign()
        return torch.matmul(centred, axes.T)
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "plot", "t-SNE") from error
    perplexity = min(30.0, (len(points) - 1) / 3)
    placed = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(points.numpy())
    return torch.from_numpy(placed).double()
