import pytest

from mnistkit.errors import ConfigError
from mnistkit.evaluation import suspect_labels


def test_the_list_is_about_the_test_images_in_this_package(mnist):
    suspects = suspect_labels("mnist")
    indices = [suspect.index for suspect in suspects]
    assert indices == sorted(set(indices))
    assert mnist.test.labels[indices].tolist() == [suspect.label for suspect in suspects]


def test_it_has_the_fifteen_that_the_paper_counts():
    suspects = suspect_labels()
    assert len(suspects) == 15
    for suspect in suspects:
        assert suspect.votes_for_label + suspect.votes_for_guess + suspect.votes_for_neither == 5
        assert suspect.votes_for_label < 3
        assert suspect.guess != suspect.label
        assert 0 <= suspect.guess <= 9


def test_a_suggestion_needs_a_majority():
    by_index = {suspect.index: suspect for suspect in suspect_labels()}
    assert (by_index[6651].label, by_index[6651].suggestion) == (0, 6)
    assert by_index[8527].suggestion is None
    assert sum(suspect.suggestion is not None for suspect in by_index.values()) == 10


def test_other_data_sets_have_no_list():
    with pytest.raises(ConfigError, match="unknown list of suspect labels 'kmnist'; did you mean 'mnist'"):
        suspect_labels("kmnist")
