"""The models a job may name and the parameters of each; no tensor library is needed to check them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from node.spec.mistakes import Mistake, not_allowed, not_one_of, unknown_key

ENTRY_POINTS = "milon.models"
_MAX_WIDTH = 1 << 16
_MAX_DEPTH = 64
_MAX_CUSTOM = 64


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model kind.

    Attributes:
        default: value when the job does not give one.
        allowed: what is allowed, in words.
        about: what it does.
        accept: the value in its canonical type, or None when it is not allowed.
    """

    default: Any
    allowed: str
    about: str
    accept: Callable[[Any], Any]


def _widths(value: Any) -> list[int] | None:
    ok = isinstance(value, list | tuple) and 1 <= len(value) <= _MAX_DEPTH
    return list(value) if ok and all(_whole(v, 1, _MAX_WIDTH) is not None for v in value) else None


def _whole(value: Any, low: int, high: int) -> int | None:
    ok = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return value if ok else None


def _share(value: Any) -> float | None:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    return float(value) if ok else None


def _odd(value: Any) -> int | None:
    return value if _whole(value, 1, 15) is not None and value % 2 else None


def _switch(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


ACTIVATIONS = ("relu", "gelu", "tanh")
_DROPOUT = Parameter(0.0, "a number from 0 up to, not including, 1", "share of hidden units dropped", _share)
_ACTIVATION = Parameter(
    "relu",
    f"one of {', '.join(ACTIVATIONS)}",
    "non-linearity",
    lambda value: value if value in ACTIVATIONS else None,
)
_WIDTHS = f"a list of 1 to {_MAX_DEPTH} whole numbers from 1 to {_MAX_WIDTH}"

ZOO: Mapping[str, Mapping[str, Parameter]] = {
    "logistic": {"bias": Parameter(True, "true or false", "whether each class has an offset", _switch)},
    "mlp": {
        "hidden": Parameter([64], _WIDTHS, "units of each hidden layer", _widths),
        "activation": _ACTIVATION,
        "dropout": _DROPOUT,
    },
    "cnn": {
        "channels": Parameter(
            [16, 32], _WIDTHS, "channels of each block (convolution, activation, 2x2 max pooling)", _widths
        ),
        "kernel": Parameter(3, "an odd whole number from 1 to 15", "side of the convolution kernels", _odd),
        "hidden": Parameter(
            64,
            f"a whole number from 0 to {_MAX_WIDTH}",
            "units of the dense layer before the classes; 0 leaves it out",
            lambda value: _whole(value, 0, _MAX_WIDTH),
        ),
        "activation": _ACTIVATION,
        "dropout": _DROPOUT,
    },
}


def custom_models() -> dict[str, EntryPoint]:
    """Models that operators installed under the entry-point group ``milon.models``, by name."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def check_parameters(kind: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    """Completes and checks a model's parameters.

    Returns:
        The parameters in canonical types with defaults filled in (of a model kind of an entry point, as they
        were given), and the mistakes under ``model.kind`` and ``model.params``; the first is meaningful only
        when there are none.
    """
    if kind in ZOO:
        return _check_zoo(ZOO[kind], params)
    custom = custom_models()
    if kind in custom:
        return dict(params), _check_custom(custom[kind], params)
    return dict(params), [not_one_of("model.kind", kind, [*ZOO, *custom])]


def _check_zoo(
    known: Mapping[str, Parameter], params: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Mistake]]:
    mistakes = [unknown_key(f"model.params.{name}", known) for name in params if name not in known]
    complete: dict[str, Any] = {}
    for name, parameter in known.items():
        given = params.get(name, parameter.default)
        complete[name] = parameter.accept(given)
        if complete[name] is None:
            mistakes.append(not_allowed(f"model.params.{name}", given, parameter.allowed))
    return complete, mistakes


def _check_custom(entry: EntryPoint, params: Mapping[str, Any]) -> list[Mistake]:
    if len(params) > _MAX_CUSTOM:
        return [Mistake("model.params", f"{len(params)} keys are too many: at most {_MAX_CUSTOM}")]
    try:
        inspect.signature(entry.load()).bind([1], 2, **params)
    except (ImportError, AttributeError) as error:
        return [Mistake("model.kind", f"{entry.name} cannot be loaded: {error}; reinstall its package")]
    except TypeError as error:
        return [Mistake("model.params", f"{entry.name} does not take them: {error}")]
    return []
