"""scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import check_estimator

from mnistkit.sklearn import DigitClassifier

NO_IMAGES = "feeds rows of a few numbers, which are no square images"
# Of a network of images.
EXPECTED_TO_FAIL = dict.fromkeys(
    [
        "check_classifier_data_not_an_array",
        "check_classifiers_classes",
        "check_classifiers_train",
        "check_dict_unchanged",
        "check_dont_overwrite_attributes",
        "check_dont_overwrite_parameters",
        "check_dtype_object",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_nan_inf",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1feature",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_pipeline_consistency",
        "check_readonly_memmap_input",
        "check_supervised_y_2d",
    ],
    NO_IMAGES,
)


def unexpected(model, expected):
    """The checks that do not pass, by name; one that needs a setting of the process is left out, as scikit-learn does."""
    estimator = DigitClassifier(model, epochs=20, lr=0.01, random_state=0)
    results = check_estimator(estimator, expected_failed_checks=expected, on_skip=None, on_fail=None)
    return {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}


@pytest.mark.parametrize(("model", "expected"), [("mlp", {}), ("lenet5", EXPECTED_TO_FAIL)])
def test_an_estimator_passes(model, expected):
    assert unexpected(model, expected) == {}
