"""Mean-type rules: memory does not grow with the number of updates, which stream through one accumulator."""

import math
from collections.abc import Sequence

import numpy as np

from node.aggregation.elements import CHUNK, Kernel, Wide, widen
from node.tensors import FLOATING, Array

_RUNNING = frozenset({"running_mean", "running_var"})


def reduced_weights(samples: Sequence[int]) -> list[int]:
    """Sample counts divided by their greatest common divisor; all 1 if no update has any samples.

    Equal counts become 1, and small weights keep the products exact: 24 bits of float32 times 29 fit float64.
    """
    divisor = math.gcd(*samples)
    return [count // divisor for count in samples] if divisor else [1] * len(samples)


def weighted_mean(weights: Sequence[int]) -> Kernel:
    """sum(n_i * w_i) / sum(n_i) over one part per weight, in their order (McMahan et al. 2017)."""
    total, term = np.empty(CHUNK), np.empty(CHUNK)
    divisor = float(sum(weights))

    def kernel(_: str, dtype: str, parts: Sequence[Array]) -> Wide:
        size = parts[0].size
        acc, tmp = total[:size], term[:size]
        for i, (weight, part) in enumerate(zip(weights, parts, strict=True)):
            into = tmp if i else acc
            widen(part, dtype, into)
            if weight != 1:
                np.multiply(into, float(weight), out=into)
            if i:
                np.add(acc, tmp, out=acc)
        np.divide(acc, divisor, out=acc)
        return acc

    return kernel


def momentum(weights: Sequence[int], beta: float, server_lr: float) -> Kernel:
    """FedAvgM (Hsu et al. 2019) in its heavy-ball form, from final models alone.

    With v_t = beta v_{t-1} + (w_{t-1} - avg_t) and w_t = w_{t-1} - lr v_t, v_{t-1} is
    (w_{t-2} - w_{t-1}) / lr, so w_t = w_{t-1} + (lr (avg_t - w_{t-1}) + beta (w_{t-1} - w_{t-2})).
    Parts: the updates, w_{t-1}, and w_{t-2} unless this is the first round. Integers, booleans and the
    running statistics of normalisation layers take the mean itself: momentum could make a variance negative.
    """
    count = len(weights)
    mean = weighted_mean(weights)
    last, step = np.empty(CHUNK), np.empty(CHUNK)

    def kernel(name: str, dtype: str, parts: Sequence[Array]) -> Wide:
        acc = mean(name, dtype, parts[:count])
        if dtype not in FLOATING or name.rpartition(".")[2] in _RUNNING:
            return acc
        previous, before = last[: acc.size], step[: acc.size]
        widen(parts[count], dtype, previous)
        np.subtract(acc, previous, out=acc)
        np.multiply(acc, server_lr, out=acc)
        if len(parts) > count + 1:
            widen(parts[count + 1], dtype, before)
            np.subtract(previous, before, out=before)
            np.multiply(before, beta, out=before)
            np.add(acc, before, out=acc)
        np.add(acc, previous, out=acc)
        return acc

    return kernel
