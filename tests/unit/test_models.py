"""The model zoo: shapes, initial weights that follow from the seed alone, and what it refuses to build."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn

from node.errors import SpecError, TrainingError
from node.spec import Architecture, load_job, parameters
from node.training.models import (
    build_model,
    default_update_bytes,
    initial_state,
    loaded,
    parameter_count,
    skeleton,
)

CNN = Architecture("cnn", {"channels": [4, 8], "hidden": 6, "dropout": 0.5}, (3, 9, 7), 5, 1)


class Tiny(nn.Module):
    """A model as an operator might bring it."""

    def __init__(self, input_shape: tuple[int, ...], classes: int, width: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(input_shape[0], width), nn.BatchNorm1d(width), nn.Linear(width, classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(x)
        return logits


def broken(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """A model whose outputs have the wrong width."""
    return nn.Linear(input_shape[0], classes + 1)


@pytest.fixture
def operator_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that brings two models; only its installation is simulated."""
    entries = {
        "tiny": EntryPoint("tiny", f"{__name__}:Tiny", "milon.models"),
        "broken": EntryPoint("broken", f"{__name__}:broken", "milon.models"),
        "gone": EntryPoint("gone", "no_such_package:Model", "milon.models"),
    }
    monkeypatch.setattr(parameters, "entry_points", lambda group: list(entries.values()))
    yield


@pytest.mark.parametrize(
    ("kind", "params", "shape"),
    [
        ("logistic", {}, (4,)),
        ("logistic", {"bias": False}, (1, 8, 8)),
        ("mlp", {"hidden": [5, 6], "dropout": 0.5, "activation": "tanh"}, (1, 8, 8)),
        ("cnn", {"channels": [4, 8], "hidden": 0, "activation": "gelu"}, (1, 8, 8)),
        (CNN.kind, dict(CNN.params), CNN.input_shape),
    ],
)
def test_model_gives_a_row_of_logits_per_sample(
    kind: str, params: dict[str, object], shape: tuple[int, ...]
) -> None:
    model = build_model(kind, params, shape, 5, 0)
    assert model(torch.zeros(2, *shape)).shape == (2, 5)


def test_model_built_twice_has_equal_weights_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first, again = initial_state(CNN), initial_state(CNN)
    assert torch.equal(torch.rand(4), expected)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = build_model(CNN.kind, CNN.params, CNN.input_shape, CNN.classes, seed=2).state_dict()
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_skeleton_has_the_names_and_shapes_of_the_model_without_its_memory() -> None:
    wide = Architecture("mlp", {"hidden": [1 << 16, 1 << 14]}, (1024,), 10)
    assert parameter_count(wide) > 1 << 30
    assert all(tensor.is_meta for tensor in skeleton(wide).state_dict().values())
    shapes = {name: tensor.shape for name, tensor in initial_state(CNN).items()}
    assert {name: tensor.shape for name, tensor in skeleton(CNN).state_dict().items()} == shapes


def test_default_limit_of_an_update_is_twice_the_model_and_64_kib() -> None:
    logistic = Architecture("logistic", {}, (4,), 3)
    assert default_update_bytes(logistic) == 2 * 4 * (4 * 3 + 3) + 65536


def test_model_of_more_than_eight_gib_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(TrainingError, match="at most 8 are allowed"):
        build_model("mlp", {"hidden": [1 << 16, 1 << 16]}, (4,), 2, 0)


@pytest.mark.parametrize(
    ("kind", "params", "shape", "says"),
    [
        ("cnn", {}, (64,), "cnn needs images"),
        ("cnn", {"channels": [4, 4, 4, 4]}, (1, 8, 8), "at most 3"),
        ("mlp", {"hidden": []}, (4,), "model.params.hidden"),
        ("mlp", {"widths": [4]}, (4,), "unknown key"),
        ("resnet", {}, (4,), "model.kind"),
    ],
)
def test_model_that_cannot_be_built_says_why(
    kind: str, params: dict[str, object], shape: tuple[int, ...], says: str
) -> None:
    with pytest.raises(TrainingError, match=says):
        build_model(kind, params, shape, 5, 0)


def test_weights_that_do_not_fit_are_refused_by_name() -> None:
    state = initial_state(CNN)
    cpu = torch.device("cpu")
    with pytest.raises(TrainingError, match=r"'0\.weight' is missing or unknown"):
        loaded(CNN, {name: tensor for name, tensor in state.items() if name != "0.weight"}, cpu)
    with pytest.raises(TrainingError, match=r"'0\.weight' is torch\.float64"):
        loaded(CNN, {**state, "0.weight": state["0.weight"].double()}, cpu)
    with pytest.raises(TrainingError, match=r"'0\.bias' is torch\.float32\[5\]"):
        loaded(CNN, {**state, "0.bias": torch.zeros(5)}, cpu)


@pytest.mark.usefixtures("operator_models")
def test_model_of_an_operator_is_built_seeded_and_checked() -> None:
    tiny = Architecture("tiny", {"width": 7}, (4,), 3, 5)
    first, again = initial_state(tiny), initial_state(tiny)
    assert first["layers.1.weight"].shape == (7, 4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    module = loaded(tiny, first, torch.device("cpu"))
    assert torch.equal(module.state_dict()["layers.1.weight"], first["layers.1.weight"])
    with pytest.raises(TrainingError, match=r"gives \[2, 4\] for 2 samples"):
        build_model("broken", {}, (4,), 3, 0)


@pytest.mark.usefixtures("operator_models")
def test_job_with_a_model_of_an_operator_has_its_parameters_checked() -> None:
    job = {"name": "j", "data.source": "iris", "model.kind": "tiny", "model.params.width": "4"}
    assert load_job(None, job).model.params == {"width": 4}
    with pytest.raises(SpecError, match=r"model\.params: tiny does not take them: .*depth"):
        load_job(None, {**job, "model.params.depth": "4"})
    with pytest.raises(SpecError, match=r"model\.kind: gone cannot be loaded"):
        load_job(None, {"name": "j", "data.source": "iris", "model.kind": "gone"})


def test_skeleton_when_the_weights_would_fill_the_memory_then_is_refused() -> None:
    with pytest.raises(TrainingError, match="GiB of weights"):
        skeleton(Architecture("mlp", {"hidden": [1 << 16] * 4}, (4,), 3, 0))
