"""Prediction: what a model says of one image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mnistkit._core import html
from mnistkit.types import JsonValue

__all__ = ["Prediction"]


@dataclass(frozen=True)
class Prediction:
    """What the model says of one image; prints as a line.

    Attributes:
        label: the class's number; for MNIST the digit. The likeliest one, even if it is rejected.
        name: the class's name.
        confidence: the probability of that class.
        probabilities: of every class, by number.
        rejected: why no answer should be taken from this image; ``None`` if one may, or if none was to be rejected.
        frame: uint8 ``(H, W)`` or ``(H, W, 3)``: what the model saw, before normalisation. When a prediction is wrong,
            look at this first.
        classes: the name of every class.
    """

    label: int
    name: str
    confidence: float
    probabilities: tuple[float, ...]
    frame: np.ndarray = field(repr=False, compare=False)
    classes: tuple[str, ...] = field(repr=False)
    rejected: str | None = None

    def top(self, count: int = 3) -> list[tuple[str, float]]:
        """The likeliest classes with their probabilities, best first."""
        best = sorted(range(len(self.probabilities)), key=lambda label: -self.probabilities[label])[:count]
        return [(self.classes[label], self.probabilities[label]) for label in best]

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON can hold it, without the frame."""
        return {
            "label": self.label,
            "name": self.name,
            "confidence": self.confidence,
            "probabilities": list(self.probabilities),
            "classes": list(self.classes),
            "rejected": self.rejected,
        }

    def _repr_html_(self) -> str:
        answer = f"{self.name} ({self.confidence:.1%})" if self.rejected is None else f"rejected: {self.rejected}"
        frame = html.picture(self.frame, f"what the model saw, read as {self.name}")
        return html.panel(answer, html.row(frame, html.shares(self.top(5))))

    def __str__(self) -> str:
        if self.rejected is not None:
            return f"rejected: {self.rejected}"
        others = ", ".join(
            f"{name} {probability:.1%}" for name, probability in self.top(3)[1:] if probability >= 0.0005
        )
        return f"{self.name} ({self.confidence:.1%}{f'; then {others}' if others else ''})"
