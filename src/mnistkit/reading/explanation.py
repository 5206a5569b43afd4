"""Explanation: how a picture became what the model saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mnistkit._core import html
from mnistkit._core.style import Theme, dress, look_of, several_axes
from mnistkit.reading.prediction import Prediction
from mnistkit.types import JsonValue

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Explanation"]

_TITLES = {
    "picture": "the picture",
    "ink": "its ink",
    "digit": "the digit",
    "strokes": "strokes of\nMNIST's width",
    "frame": "what the\nnetwork saw",
}


@dataclass(frozen=True)
class Explanation:
    """Why a picture was read as it was.

    Attributes:
        prediction: what the model says of it.
        stages: the picture on its way to the model, uint8 ``(H, W)`` or ``(H, W, 3)`` each, by name, in order:
            ``picture``, ``ink``, ``digit``, ``strokes``, ``frame``; of a picture that is only resized, the first and the
            last.
    """

    prediction: Prediction
    stages: Mapping[str, np.ndarray] = field(repr=False)

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it: the prediction, and the names of the stages without their pictures."""
        return {"prediction": self.prediction.to_json(), "stages": list(self.stages)}

    def _repr_html_(self) -> str:
        pictures = (
            html.picture(pixels, _TITLES[name], side=128, caption=" ".join(_TITLES[name].split()))
            for name, pixels in self.stages.items()
        )
        return html.row(*pictures) + self.prediction._repr_html_()

    def figure(self, *, theme: Theme = "light") -> Figure:
        """The stages in a row, and the probabilities.

        Args:
            theme: ``"light"`` or ``"dark"``.

        Raises:
            MissingExtraError: if matplotlib is not installed.
            ConfigError: for an unknown theme.
        """
        count = len(self.stages) + 1
        figure, axes = several_axes(None, count, count, (2.1 * count, 2.7), theme, "Explanation.figure()")
        for place, (name, picture) in zip(axes, self.stages.items(), strict=False):
            place.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            place.set_title(_TITLES[name], fontsize=10)
            place.set(xticks=[], yticks=[])
            dress(place, theme, frame=False)
        prediction, bars, look = self.prediction, axes[-1], look_of(theme)
        likeliest = prediction.top(5)[::-1]
        bars.barh(range(len(likeliest)), [share for _, share in likeliest], color=look.lines[0])
        bars.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "½", "1"])
        bars.set_yticks(range(len(likeliest)), [name for name, _ in likeliest])
        said = "rejected" if prediction.rejected else f"{prediction.name}, {prediction.confidence:.1%}"
        bars.set_title(said, fontsize=10)
        dress(bars, theme)
        if prediction.rejected:
            figure.supxlabel(prediction.rejected, fontsize=10, color=look.text)
        return figure
