"""Element-wise work over large tensors: cut in chunks that stay in cache, on threads that share nothing.

Every element is computed from the elements at its own place alone, so neither the cuts nor the threads can
change a result. Arithmetic is float64, of one IEEE operation per NumPy call, and is rounded once at the end.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from node.tensors import Array, Schema, Source

Wide = NDArray[np.float64]
Kernel = Callable[[str, str, Sequence[Array]], Wide]
"""(name, dtype, the same chunk of every source) -> the result's chunk, in memory that the kernel owns."""

CHUNK = 1 << 16
"""Elements at a time: a chunk in float64 (512 KiB) and its accumulator fit in a core's L2 cache."""

_SPAN = 1 << 20
_LARGEST = {
    "F64": float(np.finfo(np.float64).max),
    "F32": float(np.finfo(np.float32).max),
    "F16": float(np.finfo(np.float16).max),
    "BF16": (2 - 2.0**-7) * 2.0**127,
}
_BOUNDS = {
    # The largest int64 is no float64; this is the next one below.
    "I64": (-(2.0**63), 2.0**63 - 1024),
    "I32": (-(2.0**31), 2.0**31 - 1),
    "I16": (-(2.0**15), 2.0**15 - 1),
    "I8": (-(2.0**7), 2.0**7 - 1),
    "U8": (0.0, 255.0),
    "BOOL": (0.0, 1.0),
}


class Span(NamedTuple):
    """Elements ``start`` to ``stop`` of a flattened tensor."""

    name: str
    start: int
    stop: int


def spans(schema: Schema, names: Iterable[str], length: int = _SPAN) -> list[Span]:
    """The named tensors cut in spans of ``length`` elements, the last of each tensor shorter."""
    return [
        Span(name, start, min(start + length, schema[name].size))
        for name in names
        for start in range(0, schema[name].size, length)
    ]


def on_threads(work: Sequence[Any], make: Callable[[], Callable[[Any], None]], threads: int | None) -> None:
    """Runs every item of ``work`` through a function of the thread's own, as ``make`` returns it.

    ``threads`` None: one per available core, at most four (memory is the limit beyond). Raises what an item
    raised.
    """
    left = deque(work)

    def drain() -> None:
        run = make()
        # Overflow saturates in narrow(); warnings of one thread would reach nobody.
        with np.errstate(all="ignore"):
            while True:
                try:
                    item = left.popleft()
                except IndexError:
                    return
                run(item)

    count = min(threads if threads is not None else _cores(), len(work))
    if count <= 1:
        drain()
        return
    with ThreadPoolExecutor(count) as pool:
        for future in [pool.submit(drain) for _ in range(count)]:
            future.result()


def elementwise(
    sources: Sequence[Source],
    schema: Schema,
    out: Mapping[str, Array],
    make_kernel: Callable[[], Kernel],
    threads: int | None,
    chunk: int = CHUNK,
) -> None:
    """Fills ``out`` with what the kernel makes of the sources, ``chunk`` elements at a time."""

    def make() -> Callable[[Span], None]:
        kernel = make_kernel()

        def run(span: Span) -> None:
            dtype = schema[span.name].dtype
            flat = [source.tensor(span.name).reshape(-1) for source in sources]
            target = out[span.name].reshape(-1)
            for start in range(span.start, span.stop, chunk):
                part = slice(start, min(start + chunk, span.stop))
                narrow(kernel(span.name, dtype, [array[part] for array in flat]), dtype, target[part])

        return run

    work = spans(schema, schema)
    small = sum(spec.size for spec in schema.values()) <= _SPAN
    on_threads(work, make, 1 if small else threads)


def widen(array: Array, dtype: str, out: NDArray[Any]) -> None:
    """Values of a tensor of ``dtype`` into ``out``, whose dtype is no narrower.

    Exact but for int64 beyond 2^53 into float64.
    """
    if dtype == "BF16":
        array = (array.view("<u2").astype("<u4") << 16).view("<f4")
    np.copyto(out, array, casting="unsafe")


def narrow(wide: Wide, dtype: str, out: Array) -> None:
    """``wide`` into ``out``, rounded once, half to even; changes ``wide``.

    What is beyond the dtype's range becomes its largest finite value, so that no rule yields an infinity; NaN
    (float64 sums that overflow both ways) becomes 0, and so does -0.
    """
    if dtype in _BOUNDS:
        np.rint(wide, out=wide)
        np.clip(wide, *_BOUNDS[dtype], out=wide)
        np.copyto(out, wide, casting="unsafe")
        return
    largest = _LARGEST[dtype]
    if dtype == "F64":
        np.nan_to_num(wide, copy=False, nan=0.0)
    np.clip(wide, -largest, largest, out=wide)
    # minimum() and maximum() may return either of two zeros, by processor: one sign for all.
    np.add(wide, 0.0, out=wide)
    if dtype == "BF16":
        out.view("<u2")[...] = _bfloat16_bits(wide)
    else:
        np.copyto(out, wide, casting="same_kind")


def flat_chunks(size: int, chunk: int) -> Iterator[slice]:
    """Slices that cover ``size`` elements in order."""
    for start in range(0, size, chunk):
        yield slice(start, min(start + chunk, size))


def _bfloat16_bits(wide: Wide) -> NDArray[np.uint16]:
    # By way of float32 it would be rounded twice. 45 of a float64's 52 fraction bits go; below 2^-126
    # bfloat16 is a multiple of 2^-133.
    bits = wide.view(np.uint64)
    half = np.uint64((1 << 44) - 1) + ((bits >> np.uint64(45)) & np.uint64(1))
    normal = ((bits + half) & np.uint64(~((1 << 45) - 1) & ((1 << 64) - 1))).view(np.float64)
    small = np.rint(wide * 2.0**133) * 2.0**-133
    exact = np.where(np.abs(wide) < 2.0**-126, small, normal).astype("<f4")
    return (exact.view("<u4") >> 16).astype("<u2")


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return min(4, len(affinity(0)) if affinity else os.cpu_count() or 1)
