"""Seeds: one number from which every other is derived, so that nothing random needs saving."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

__all__ = ["derive_seed", "seed_everything"]

# Devices without a generator besides the CPU's.
_WITHOUT = frozenset({"cpu", "meta"})


def derive_seed(*parts: int | str) -> int:
    """A seed in ``[0, 2**63)`` that depends on every part and on their order.

    Unlike ``seed + epoch``, no two positions of one run, nor of two runs with neighbouring seeds, share a stream.

    >>> derive_seed(0, "order", 1) == derive_seed(0, "order", 1)
    True
    >>> derive_seed(0, "order", 1) == derive_seed(1, "order", 0)
    False
    """
    plain = tuple(part if isinstance(part, str) else int(part) for part in parts)  # NumPy's integers too
    digest = hashlib.blake2b(repr(plain).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (every device), so that a new model gets the same weights each time."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed torch's generators, of the CPU and of a device.

    `torch.manual_seed` also keeps in memory, for every device that may be used later, where it was called, each time.
    """
    torch.default_generator.manual_seed(seed)
    if device.type not in _WITHOUT:
        module = torch.get_device_module(device)
        getattr(module, "manual_seed_all", module.manual_seed)(seed)  # Apple's has one only


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's generators, of the CPU and of a device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type not in _WITHOUT:
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_generator_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Put torch's generators into a saved state; those of a device that is not here are left alone."""
    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type not in _WITHOUT:
        torch.get_device_module(device).set_rng_state(states[device.type])


@contextlib.contextmanager
def keeping_generators(device: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, torch's generators are afterwards as they were."""
    states = generator_states(device)
    try:
        yield
    finally:
        set_generator_states(states, device)


@contextlib.contextmanager
def keeping_all_generators(device: torch.device) -> Iterator[None]:
    """The same for all that :func:`seed_everything` seeds."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with keeping_generators(device):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
