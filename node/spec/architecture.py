"""What a model is built from: its kind and parameters, and the shape of what goes in and out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """A model, ready to be built.

    Attributes:
        kind: ``logistic``, ``mlp``, ``cnn``, or a name of the entry-point group ``milon.models``.
        params: complete parameters of that kind.
        input_shape: shape of one sample: ``(features,)`` or ``(channels, height, width)``.
        classes: number of classes, the width of the output.
        seed: seed of the initial weights.
    """

    kind: str
    params: Mapping[str, Any]
    input_shape: tuple[int, ...]
    classes: int
    seed: int = 0
