"""Fully connected networks, and softmax regression, which is the one without a hidden layer."""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from mnistkit.errors import ConfigError, DataError
from mnistkit.models.layers import Activation, activation_layer, require_positive, require_probability
from mnistkit.models.registry import register_model

__all__ = ["MLP", "mlp", "softmax_regression"]


class MLP(nn.Module):
    """Dense layers with an activation between them.

    Shape:
        input: float ``(N, F)``, or any ``(N, ...)`` with F numbers an image. output: float ``(N, classes)``, logits.

    Args:
        sizes: numbers in the input, each hidden layer and the output.
        activation: between the layers.
        dropout: probability of dropping a hidden unit in training.
    """

    def __init__(self, sizes: tuple[int, ...], activation: Activation = "relu", dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), activation_layer(activation)]
            if dropout:
                layers.append(nn.Dropout(dropout))
        # Nothing but the logits after the last linear layer: softmax belongs with the loss.
        last = max(index for index, layer in enumerate(layers) if isinstance(layer, nn.Linear))
        self.layers = nn.Sequential(*layers[: last + 1])
        self.input_shape = (sizes[0],)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, classes)``.

        Raises:
            DataError: for images of another size.
        """
        features = math.prod(images.shape[1:])
        if features != self.input_shape[0]:
            raise DataError(
                f"got images of shape {tuple(images.shape)}, {features} numbers each; this network expects "
                f"{self.input_shape[0]}: set image_size= and channels= to the data's"
            )
        logits: Tensor = self.layers(images.flatten(1))
        return logits


@register_model
def mlp(
    *,
    hidden: tuple[int, ...] = (25, 15),
    activation: Activation = "relu",
    dropout: float = 0.0,
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
) -> MLP:
    """A multilayer perceptron; 784-25-15-10 by default, 400-25-15-10 for images of 20x20.

    Args:
        hidden: units of each hidden layer.
        activation: between the layers.
        dropout: probability of dropping a hidden unit in training.
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one, an unknown activation, or a dropout that is no probability.
    """
    if not isinstance(hidden, (tuple, list)):
        raise ConfigError(f"hidden is {hidden!r}, expected a tuple with each hidden layer's units, such as (25, 15)")
    require_positive(image_size=image_size, channels=channels, classes=classes)
    require_positive(**{f"hidden[{index}]": units for index, units in enumerate(hidden)})
    require_probability(dropout=dropout)
    return MLP((channels * image_size**2, *hidden, classes), activation, dropout)


@register_model
def softmax_regression(*, image_size: int = 28, channels: int = 1, classes: int = 10) -> MLP:
    """Multinomial logistic regression: one linear layer, 7,850 parameters.

    Args:
        image_size: height and width of the images.
        channels: of the images.
        classes: how many there are.

    Raises:
        ConfigError: for sizes below one.
    """
    require_positive(image_size=image_size, channels=channels, classes=classes)
    return MLP((channels * image_size**2, classes))
