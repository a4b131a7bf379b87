"""Krum (Blanchard et al. 2017): which updates lie closest to their neighbours.

Distances need sums over all parameters, whose rounding would depend on their order, and so on threads and on
the width of the processor's vectors. Here the summands are integers small enough that every partial sum is
exact: any order, and any BLAS, gives the same bits.
"""

from collections.abc import Callable, Sequence

import numpy as np

from node.aggregation.elements import Span, Wide, flat_chunks, on_threads, spans, widen
from node.tensors import FLOATING, Schema, Source

BITS = 20
BLOCK = 1 << 12
"""Elements of an exact sum: 2^12 products of two integers of 20 bits stay below 2^53."""

SPAN = 1 << 18
"""Elements whose blocks are added in order before spans are; a thread takes one span at a time."""

_CLAMP = 2.0**480
# A product of more multiplications than this starts the BLAS's own threads, which would fight with these.
_PRODUCT = 1 << 18
_SMALLEST_EXPONENT = -480


def select(distances: Wide, f: int, m: int) -> list[int]:
    """Places of the ``m`` best updates, best first; ties go to the earlier update.

    An update's score is the sum of its squared distances to its n - f - 2 closest others, added in ascending
    order. ``distances``: (n, n), n >= 2f + 3.
    """
    count = len(distances)
    scores = []
    for i in range(count):
        others = sorted(float(distances[i, j]) for j in range(count) if j != i)
        score = 0.0
        # Not sum(): from Python 3.12 on it compensates, and rounds otherwise than before.
        for distance in others[: count - f - 2]:
            score += distance
        scores.append(score)
    return sorted(range(count), key=lambda i: (scores[i], i))[:m]


def squared_distances(
    sources: Sequence[Source], previous: Source, schema: Schema, threads: int | None
) -> Wide:
    """(n, n) float64: squared Euclidean distances between updates over all floating tensors.

    In every block an update's difference from the previous model is rounded to a multiple of 2^-20 of the
    least power of two above its largest magnitude there: an outlier blurs itself and no other.
    """
    work = spans(schema, [name for name in schema if schema[name].dtype in FLOATING], SPAN)
    sums: dict[Span, Wide] = {}

    def make() -> Callable[[Span], None]:
        rows, base = np.empty((len(sources), BLOCK)), np.empty(BLOCK)
        depth = min(BLOCK, max(32, 1 << ((_PRODUCT // len(sources) ** 2).bit_length() - 1)))

        def run(span: Span) -> None:
            dtype = schema[span.name].dtype
            cut = slice(span.start, span.stop)
            reference = previous.tensor(span.name).reshape(-1)[cut]
            parts = [source.tensor(span.name).reshape(-1)[cut] for source in sources]
            total = np.zeros((len(sources), len(sources)))
            for block in flat_chunks(span.stop - span.start, BLOCK):
                size = block.stop - block.start
                steps, start = rows[:, :size], base[:size]
                widen(reference[block], dtype, start)
                for step, part in zip(steps, parts, strict=True):
                    widen(part[block], dtype, step)
                np.subtract(steps, start, out=steps)
                if dtype == "F64":
                    np.clip(steps, -_CLAMP, _CLAMP, out=steps)
                padded = rows[:, : -(-size // depth) * depth]
                padded[:, size:] = 0.0
                total += _block_distances(padded, depth)
            sums[span] = total

        return run

    on_threads(work, make, threads)
    total = np.zeros((len(sources), len(sources)))
    for span in work:
        total += sums[span]
    return total


def _block_distances(steps: Wide, depth: int) -> Wide:
    """(n, block) to (n, n), by products of ``depth`` columns at a time; changes ``steps``."""
    largest = np.maximum(steps.max(axis=1), -steps.min(axis=1))
    exponents = np.maximum(np.frexp(largest)[1], _SMALLEST_EXPONENT)
    np.multiply(steps, np.ldexp(1.0, BITS - exponents)[:, None], out=steps)
    np.rint(steps, out=steps)
    units = np.ldexp(1.0, exponents - BITS)
    pieces = steps.reshape(len(steps), -1, depth).transpose(1, 0, 2)
    products = (pieces @ pieces.transpose(0, 2, 1)).sum(axis=0) * units[:, None] * units[None, :]
    squares = products.diagonal()
    distances: Wide = np.maximum((squares[:, None] + squares[None, :]) - 2.0 * products, 0.0)
    return distances
