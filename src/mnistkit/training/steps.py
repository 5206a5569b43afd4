"""What goes into a step and what comes out of it, with errors that say what was expected."""

from __future__ import annotations

from torch import Tensor, nn

from mnistkit.errors import ConfigError, DataError
from mnistkit.models.network import require_forward
from mnistkit.types import StepOutput

__all__ = ["as_output", "forward"]


def forward(model: nn.Module, images: Tensor) -> Tensor:
    """The logits of a model.

    Raises:
        ConfigError: for a model without ``forward``, of other numbers than float32, or whose output is no tensor.
        DataError: for one image where batch norm needs two.
    """
    try:
        logits: object = model(images)
    except (RuntimeError, ValueError) as error:
        require_forward(model)
        other = {p.dtype for p in model.parameters() if p.is_floating_point()} - {images.dtype}
        if other:
            raise ConfigError(
                f"the model has weights of {', '.join(map(str, sorted(other, key=str)))}, the images are {images.dtype}: "
                "call model.float() (precision='bf16' makes training faster and leaves the weights as they are)"
            ) from error
        if len(images) == 1 and "more than 1 value per channel" in str(error):
            raise DataError(
                "got a batch of one image, of which batch norm cannot compute a deviation; make the loader with "
                "drop_last=True or another batch_size, or give the Trainer the data set itself"
            ) from error
        raise
    if not isinstance(logits, Tensor):
        raise ConfigError(
            f"the model returned a {type(logits).__name__}, expected a tensor of logits (N, classes); for outputs of another "
            "form override training_step and evaluation_step"
        )
    return logits


def as_output(returned: object, step: str) -> StepOutput:
    """What a step returned, as a ``StepOutput``; a loss alone is one.

    Raises:
        ConfigError: for anything else, and for a loss that is not a single number.
    """
    output = StepOutput(returned) if isinstance(returned, Tensor) else returned
    if not isinstance(output, StepOutput):
        raise ConfigError(
            f"{step} returned {_described(returned)}, expected a loss or StepOutput(loss, logits, metrics)"
        )
    loss: object = output.loss
    if not isinstance(loss, Tensor) or loss.ndim != 0:
        kind = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise ConfigError(f"the loss that {step} returned is {kind}, expected a scalar tensor, the mean over the batch")
    for name, value in output.metrics.items():
        number: object = value
        if not isinstance(number, int | float) and not (isinstance(number, Tensor) and number.ndim == 0):
            raise ConfigError(f"the metric {name!r} that {step} returned is {_described(value)}, expected a number")
    return output


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "nothing" if value is None else f"a {type(value).__name__}"
