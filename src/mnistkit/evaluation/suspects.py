"""Images whose label in the data set is probably wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mnistkit.errors import ConfigError, unknown_name
from mnistkit.types import JsonValue

__all__ = ["SuspectLabel", "suspect_labels"]


@dataclass(frozen=True)
class SuspectLabel:
    """A test image whose label most people do not agree with.

    Attributes:
        index: of the image in the test set.
        label: what the data set says.
        guess: what the models that found it said.
        votes_for_label: how many of five people saw the label in it.
        votes_for_guess: how many saw the guess.
        votes_for_neither: how many saw neither.
    """

    index: int
    label: int
    guess: int
    votes_for_label: int
    votes_for_guess: int
    votes_for_neither: int

    @property
    def suggestion(self) -> int | None:
        """The guess where most people agree with it; ``None`` where they disagree with both or are divided."""
        return self.guess if self.votes_for_guess >= 3 else None

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it."""
        return {**asdict(self), "suggestion": self.suggestion}


# The images of mturk/mnist_mturk.json (https://github.com/cleanlab/label-errors, commit 5457895e) with fewer than three
# votes for the label: the 15 that the paper counts.
_SUSPECTS = {
    "mnist": (
        SuspectLabel(947, 8, 9, 0, 5, 0),
        SuspectLabel(1621, 0, 6, 2, 3, 0),
        SuspectLabel(1901, 9, 4, 2, 3, 0),
        SuspectLabel(2130, 4, 9, 2, 2, 1),
        SuspectLabel(2462, 2, 0, 0, 4, 1),
        SuspectLabel(2597, 5, 3, 0, 4, 1),
        SuspectLabel(2654, 6, 1, 0, 2, 3),
        SuspectLabel(3520, 6, 4, 2, 0, 3),
        SuspectLabel(3558, 5, 0, 1, 4, 0),
        SuspectLabel(5937, 5, 3, 1, 3, 1),
        SuspectLabel(6651, 0, 6, 0, 5, 0),
        SuspectLabel(6783, 1, 6, 2, 3, 0),
        SuspectLabel(8527, 4, 9, 2, 2, 1),
        SuspectLabel(9679, 6, 3, 2, 0, 3),
        SuspectLabel(9729, 5, 6, 2, 3, 0),
    )
}


def suspect_labels(name: str = "mnist") -> tuple[SuspectLabel, ...]:
    """The test images of a data set whose labels are probably wrong.

    Models proposed candidates, and five people judged each of them: in 15 of MNIST's fewer than three saw what the label
    says (C. G. Northcutt, A. Athalye, J. Mueller: Pervasive Label Errors in Test Sets Destabilize Machine
    Learning Benchmarks, NeurIPS 2021; pictures on https://labelerrors.com). They are 0.15 % of the test set: an accuracy
    above 99.85 % would have learned mistakes. Accuracies are nevertheless reported on the labels as they are, since
    everybody's are.

    Raises:
        ConfigError: for a data set without such a list.

    >>> from mnistkit.evaluation import suspect_labels
    >>> first = suspect_labels("mnist")[0]
    >>> first.index, first.label, first.suggestion
    (947, 8, 9)
    """
    if name not in _SUSPECTS:
        raise ConfigError(unknown_name("list of suspect labels", name, _SUSPECTS))
    return _SUSPECTS[name]
