"""One predictor of each backend, used by 16 threads at once: each picture gets the answer that it gets alone."""

import math
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from mnistkit import Prediction, Predictor, load_mnist
from tests.hostile import Outcome, cases, report

BACKENDS = ("torch", "onnx", "openvino")
THREADS = 16
CALLS = 10
# Alone, or as one of several: sums of another order differ by less.
SAME = 1e-3


def same(one: Prediction, other: Prediction) -> bool:
    return one.label == other.label and math.isclose(one.confidence, other.confidence, abs_tol=SAME)


def calls(
    predictor: Predictor, pictures: list[np.ndarray], alone: list[Prediction], seed: str
) -> tuple[int, list[str]]:
    """What one thread does: how many pictures it gave, and which were answered in another way than alone."""
    chance, tried, wrong = random.Random(seed), 0, []
    for _ in range(CALLS):
        chosen = chance.choices(range(len(pictures)), k=chance.choice([1, 1, 1, 3]))
        several = [pictures[number] for number in chosen]
        found = [predictor.predict(several[0])] if len(several) == 1 else predictor.predict(several)
        tried += len(chosen)
        wrong += [
            f"picture {number} was {result.label} at {result.confidence:.3f}, alone {alone[number].label} at "
            f"{alone[number].confidence:.3f}"
            for number, result in zip(chosen, found, strict=True)
            if not same(result, alone[number])
        ]
    return tried, wrong


def run(seed: int, seconds: float) -> Outcome:
    torch.set_num_threads(1)
    pictures = list(load_mnist().validation.images[:40, 0].numpy())
    predictors = {backend: Predictor(device="cpu", backend=backend) for backend in BACKENDS}
    alone = {backend: [predictor.predict(picture) for picture in pictures] for backend, predictor in predictors.items()}
    tried, failed = Counter[str](), Counter[str]()
    with ThreadPoolExecutor(THREADS) as pool:
        for number, _ in cases(seed, seconds):
            # In turn, and all three also in the shortest run.
            for backend in BACKENDS:
                seeds = [f"{seed}/{number}/{thread}" for thread in range(THREADS)]
                for count, wrong in pool.map(
                    lambda text, backend=backend: calls(predictors[backend], pictures, alone[backend], text), seeds
                ):
                    tried[backend] += count
                    failed[backend] += len(wrong)
                    for what in wrong:
                        report(seed, number, f"{backend}: {what}")
    figures = "; ".join(f"{backend} {failed[backend]:,} of {tried[backend]:,} failed" for backend in BACKENDS)
    return Outcome(tried.total(), failed.total(), figures)
