"""Order statistics of each coordinate by sorting networks: whole rows are compared at once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from node.aggregation.elements import Kernel, Wide, widen
from node.tensors import DTYPES, Array

# Half precision is compared in float32, which is exact and what processors can do.
_COMPARED_AS = {"F16": "F32", "BF16": "F32", "BOOL": "U8"}
_BUFFER_BYTES = 10 << 20


class Comparator(NamedTuple):
    """Rows ``low`` and ``high`` get their smaller and larger values; the flags say which is read later."""

    low: int
    high: int
    keep_low: bool
    keep_high: bool


def chunk_for(rows: int) -> int:
    """Elements at a time, so that all rows of four bytes fit in 10 MiB of cache.

    Shorter rows would fit a core's own cache, but then threads wait longer for the interpreter's lock than for
    memory.
    """
    fitting = _BUFFER_BYTES // (4 * (rows + 1))
    return max(1 << 12, min(1 << 16, 1 << (fitting.bit_length() - 1)))


@lru_cache(maxsize=64)
def comparators(rows: int, first: int, last: int) -> tuple[Comparator, ...]:
    """A network after which rows ``first`` to ``last`` (inclusive) are those of the sorted column.

    Batcher's odd-even merge exchange (Batcher 1968; Knuth, TAOCP 3, 5.2.2 M), without what cannot reach them.
    """
    network = []
    span = 1 << max(0, (rows - 1).bit_length() - 1)
    p = span if rows > 1 else 0
    while p:
        q, r, d = span, 0, p
        while True:
            network += [(i, i + d) for i in range(rows - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    live = set(range(first, last + 1))
    kept = []
    for low, high in reversed(network):
        if low in live or high in live:
            kept.append(Comparator(low, high, low in live, high in live))
            live |= {low, high}
    return tuple(reversed(kept))


def trimmed_mean(count: int, trim: int) -> Kernel:
    """Mean of each coordinate without its ``trim`` largest and smallest values (Yin et al. 2018).

    What is left is added in ascending order. ``count`` parts; 2 trim < count. With trim = (count - 1) // 2 it
    is the median: the middle value, or the mean of the middle two.
    """
    first, last = trim, count - trim - 1
    network = comparators(count, first, last)
    chunk = chunk_for(count)
    buffers: dict[str, Array] = {}
    total = np.empty(chunk)

    def kernel(_: str, dtype: str, parts: Sequence[Array]) -> Wide:
        compared = _COMPARED_AS.get(dtype, dtype)
        if compared not in buffers:
            buffers.clear()
            buffers[compared] = np.empty((count + 1, chunk), DTYPES[compared])
        *rows, spare = buffers[compared][:, : parts[0].size]
        for row, part in zip(rows, parts, strict=True):
            widen(part, dtype, row)
        for low, high, keep_low, keep_high in network:
            a, b = rows[low], rows[high]
            if keep_low and keep_high:
                np.minimum(a, b, out=spare)
                np.maximum(a, b, out=b)
                rows[low], spare = spare, a
            elif keep_low:
                np.minimum(a, b, out=a)
            else:
                np.maximum(a, b, out=b)
        acc = total[: parts[0].size]
        np.copyto(acc, rows[first])
        for row in rows[first + 1 : last + 1]:
            np.add(acc, row, out=acc)
        np.divide(acc, float(last - first + 1), out=acc)
        return acc

    return kernel
