"""Two dimensions of many: PCA against scikit-learn's, t-SNE by its neighbours."""

import sys

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from mnistkit.errors import ConfigError, DataError, MissingExtraError
from mnistkit.interpret import project


@pytest.fixture
def groups():
    """Three groups far apart in ten dimensions."""
    generator = torch.Generator().manual_seed(0)
    centres = 20 * torch.randn(3, 10, generator=generator)
    return torch.cat([centre + torch.randn(20, 10, generator=generator) for centre in centres])


def test_pca_is_scikit_learns_up_to_signs(groups):
    expected = PCA(2, svd_solver="full").fit_transform(groups.double().numpy())
    np.testing.assert_allclose(project(groups).abs(), np.abs(expected), atol=1e-9)


def test_the_signs_of_pca_do_not_depend_on_the_order_of_the_rows(groups):
    order = torch.randperm(len(groups))
    torch.testing.assert_close(project(groups[order]), project(groups)[order])


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_groups_stay_together(groups, method):
    points = project(groups, method)
    assert points.shape == (60, 2)
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    nearest = distances.argmin(1)
    assert torch.equal(nearest // 20, torch.arange(60) // 20)


def test_tsne_depends_on_its_seed_only(groups):
    assert torch.equal(project(groups, "tsne", seed=1), project(groups, "tsne", seed=1))


def test_few_points_are_enough_for_tsne():
    assert project(torch.randn(4, 5), "tsne").isfinite().all()


@pytest.mark.parametrize("shape", [(2, 5), (5, 1), (5,), (5, 2, 2)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(DataError, match=r"expected \(N, F\), at least \(3, 2\)"):
        project(torch.zeros(shape))


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match="unknown projection 'tnse'; did you mean 'tsne'"):
        project(torch.zeros(5, 5), "tnse")


def test_without_scikit_learn_the_pip_line_is_said(monkeypatch, groups):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(MissingExtraError, match=r"t-SNE needs scikit-learn, .*: pip install 'mnistkit\[plot\]'"):
        project(groups, "tsne")
    assert project(groups).shape == (60, 2)
