"""The model zoo, built from a kind and parameters; initial weights follow from the seed alone."""

from collections.abc import Mapping
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import nn

from node.errors import TrainingError
from node.spec import JobSpec
from node.spec.architecture import Architecture
from node.spec.parameters import ZOO, check_parameters, custom_models
from node.training.determinism import deterministic, seed_device

MAX_MODEL_BYTES = 8 << 30
_UPDATE_SLACK = 64 << 10
_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
State = dict[str, torch.Tensor]


def build_model(
    kind: str, params: Mapping[str, Any], input_shape: tuple[int, ...], classes: int, seed: int
) -> nn.Module:
    """A new model on the CPU: float32 ``[n, *input_shape]`` in, logits float32 ``[n, classes]`` out.

    The same arguments give the same weights, and the caller's random state is left as it was.

    Raises:
        TrainingError: unknown kind, wrong parameters, a model that does not fit the input, or one larger than
            8 GiB.
    """
    cpu = torch.device("cpu")
    with deterministic(cpu):
        seed_device(cpu, seed)
        if kind in ZOO:
            architecture = Architecture(kind, params, tuple(input_shape), classes, seed)
            skeleton(architecture)
            return _zoo(architecture)
        return _custom(Architecture(kind, params, tuple(input_shape), classes, seed))


def initial_state(model: JobSpec | Architecture) -> State:
    """The weights that a job starts from; raises as `build_model` does."""
    a = model.architecture if isinstance(model, JobSpec) else model
    return dict(build_model(a.kind, a.params, a.input_shape, a.classes, a.seed).state_dict())


def skeleton(model: Architecture) -> nn.Module:
    """The model without weights: its tensors are on the meta device, so that even a large one costs nothing.

    A model of an entry point is built whole, since its author may compute with the weights.
    Raises as `build_model` does.
    """
    if model.kind not in ZOO:
        return _custom(model)
    with torch.device("meta"):
        module = _zoo(model)
    _check_size(module)
    return module


def loaded(model: Architecture, state: Mapping[str, torch.Tensor], device: torch.device) -> nn.Module:
    """The model with a copy of ``state`` on ``device``.

    Raises:
        TrainingError: the state's names, shapes or dtypes are not the model's; and as `build_model`.
    """
    module = skeleton(model)
    expected = module.state_dict()
    if set(expected) != set(state):
        odd = sorted(set(expected) ^ set(state))[0]
        raise TrainingError(
            f"weights do not fit the {model.kind} model: tensor {odd!r} is missing or unknown"
        )
    for name, tensor in expected.items():
        given = state[name]
        if given.shape != tensor.shape or given.dtype != tensor.dtype:
            raise TrainingError(
                f"weights do not fit the {model.kind} model: tensor {name!r} is {given.dtype}"
                f"{list(given.shape)}, not {tensor.dtype}{list(tensor.shape)}"
            )
    if model.kind in ZOO:
        module.load_state_dict({name: state[name].to(device, copy=True) for name in expected}, assign=True)
        return module
    module.load_state_dict(state)
    return module.to(device)


def parameter_count(model: Architecture) -> int:
    """Number of weights."""
    return sum(tensor.numel() for tensor in skeleton(model).state_dict().values())


def default_update_bytes(model: Architecture) -> int:
    """Size limit of an update when the job sets none: twice the model and 64 KiB."""
    return 2 * _bytes(skeleton(model)) + _UPDATE_SLACK


def _bytes(module: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())


def _check_size(module: nn.Module) -> None:
    size = _bytes(module)
    if size > MAX_MODEL_BYTES:
        raise TrainingError(
            f"the model has {size >> 30} GiB of weights; at most {MAX_MODEL_BYTES >> 30} are allowed"
        )


def _zoo(model: Architecture) -> nn.Module:
    params, mistakes = check_parameters(model.kind, model.params)
    if mistakes:
        raise TrainingError("; ".join(map(str, mistakes)))
    if model.kind == "logistic":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(prod(model.input_shape), model.classes, bias=params["bias"])
        )
    if model.kind == "mlp":
        return _mlp(model, params)
    return _cnn(model, params)


def _mlp(model: Architecture, params: Mapping[str, Any]) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    widths = [prod(model.input_shape), *params["hidden"]]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), _ACTIVATIONS[params["activation"]](), *_dropout(params)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], model.classes))


def _cnn(model: Architecture, params: Mapping[str, Any]) -> nn.Module:
    if len(model.input_shape) != 3:
        raise TrainingError(
            f"model.kind: cnn needs images; samples have shape {list(model.input_shape)}: use mlp or logistic"
        )
    channels, height, width = model.input_shape
    blocks = len(params["channels"])
    if min(height, width) >> blocks == 0:
        most = min(height, width).bit_length() - 1
        raise TrainingError(
            f"model.params.channels: {blocks} blocks are too many for {height}x{width} images: at most {most}"
        )
    activation = _ACTIVATIONS[params["activation"]]
    layers: list[nn.Module] = []
    for before, after in pairwise([channels, *params["channels"]]):
        layers += [
            nn.Conv2d(before, after, params["kernel"], padding=params["kernel"] // 2),
            activation(),
            nn.MaxPool2d(2),
        ]
    features = params["channels"][-1] * (height >> blocks) * (width >> blocks)
    layers.append(nn.Flatten())
    if params["hidden"]:
        layers += [nn.Linear(features, params["hidden"]), activation(), *_dropout(params)]
        features = params["hidden"]
    return nn.Sequential(*layers, nn.Linear(features, model.classes))


def _dropout(params: Mapping[str, Any]) -> list[nn.Module]:
    return [nn.Dropout(params["dropout"])] if params["dropout"] else []


def _custom(model: Architecture) -> nn.Module:
    _, mistakes = check_parameters(model.kind, model.params)
    if mistakes:
        raise TrainingError("; ".join(map(str, mistakes)))
    build = custom_models()[model.kind].load()
    try:
        module = build(model.input_shape, model.classes, **model.params)
        with torch.no_grad():
            shape = tuple(module.eval()(torch.zeros(2, *model.input_shape)).shape)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise TrainingError(f"model {model.kind!r} cannot be built: {error}; see its package") from error
    if not isinstance(module, nn.Module) or shape != (2, model.classes):
        raise TrainingError(
            f"model {model.kind!r} gives {list(shape)} for 2 samples, not [2, {model.classes}]"
        )
    _check_size(module)
    return module
