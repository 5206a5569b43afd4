import pytest

from mnistkit.data import Splits


@pytest.fixture(scope="session")
def hundreds(mnist):
    """Enough images of each digit for everything that a page does with them, few enough to train in no time."""
    return Splits(mnist.train.take_per_class(40), mnist.validation[:1000], mnist.test[:1000])
