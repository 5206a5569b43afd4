import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from mnistkit._core.statistics import exact_binomial_p, normal_p, t_quantile


@pytest.mark.parametrize("total", [0, 1, 2, 7, 24, 400, 1000])
def test_the_coin_has_scipys_p_values(total):
    for count in {0, total // 3, total // 2, total}:
        expected = stats.binomtest(count, total).pvalue if total else 1.0
        assert exact_binomial_p(count, total) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("z", [0.0, 0.3, 1.959963984540054, 5.0, -2.0])
def test_the_normal_has_scipys_p_values(z):
    assert normal_p(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)
    assert normal_p(z) == pytest.approx(stats.chi2.sf(z * z, 1), rel=1e-9)


@pytest.mark.parametrize("probability", [0.5, 0.6, 0.9, 0.975, 0.9995])
def test_students_t_has_scipys_quantiles(probability):
    freedoms = [1, 2, 3, 4, 5, 9, 10, 29, 30, 199, 1000]
    ours = [t_quantile(probability, freedom) for freedom in freedoms]
    assert ours == pytest.approx(stats.t.ppf(probability, freedoms), rel=1e-9, abs=1e-9)


def test_students_t_gives_statsmodels_interval():
    values = [0.9943, 0.9940, 0.9943, 0.9942, 0.9935]
    low, high = DescrStatsW(values).tconfint_mean()
    middle, std = sum(values) / 5, DescrStatsW(values, ddof=1).std
    half = t_quantile(0.975, 4) * std / 5**0.5
    assert (middle - half, middle + half) == pytest.approx((low, high), abs=1e-12)
