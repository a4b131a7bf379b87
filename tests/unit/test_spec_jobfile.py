"""The job file: everything wrong is said at once, everything right arrives typed and complete."""

from pathlib import Path

import pytest

from node.data.arrays import save_npz
from node.data.builtin import load_builtin
from node.errors import SpecError
from node.spec import load_job
from node.spec.checks import CHECKS
from node.spec.fields import tokens

EXAMPLES = Path(__file__).parents[2] / "examples"
LEAST = {"name": "a job", "model.kind": "mlp", "data.source": "digits"}


def mistakes(overrides: dict[str, str]) -> list[str]:
    with pytest.raises(SpecError) as error:
        load_job(None, {**LEAST, **overrides})
    first, *rest = str(error.value).splitlines()
    assert first.startswith("job: ")
    return [line.strip() for line in rest]


def test_job_with_little_given_takes_defaults_of_every_section() -> None:
    job = load_job(None, LEAST)
    assert job.model.params == {"hidden": [64], "activation": "relu", "dropout": 0.0}
    assert job.shards == job.schedule.epochs_per_round == 8
    assert job.aggregation.rule == "fedavg"


def test_job_file_when_many_things_are_wrong_lists_each_with_key_and_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(
        """
        nam = "x"
        [model]
        kind = "cn"
        [data]
        source = "digit"
        splt = "even"
        [training]
        lr = -1
        optimizer = "adan"
        batch_size = 0
        [schedule]
        epochs_per_round = "8"
        lease = 1000
        [budget]
        vote_price = -1
        [extra]
        """
    )
    with pytest.raises(SpecError) as error:
        load_job(path, {"aggregation.rule": "fedavgs"})
    text = str(error.value)
    for expected in (
        f"{path}: 13 mistakes",
        "nam: unknown key; did you mean name?",
        "name: is missing: 1 to 64 letters",
        "extra: unknown key",
        'model.kind: "cn" is not allowed: one of cnn, logistic, mlp; did you mean cnn?',
        'data.source: "digit" is not allowed: one of breast_cancer, digits, ',
        "data.splt: unknown key; did you mean split?",
        "training.lr: -1 is not allowed: a number > 0",
        'training.optimizer: "adan" is not allowed: one of adam, adamw, sgd; did you mean adam?',
        "training.batch_size: 0 is not allowed: a whole number from 1 to 65536",
        'schedule.epochs_per_round: "8" is not allowed: a whole number from 1 to 256',
        "schedule.lease: 1000 is not allowed: at most schedule.training_window (300)",
        "budget.vote_price: -1 is not allowed: tokens >= 0",
        'aggregation.rule: "fedavgs" is not allowed: one of ',
    ):
        assert expected in text
    assert len(text.splitlines()) == 1 + 13


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("training.lr", "nan", "a number > 0"),
        ("training.lr", "true", "a number > 0"),
        ("training.momentum", "1", "up to, not including, 1"),
        ("model.params.hiden", "[8]", "did you mean hidden?"),
        ("model.params.hidden", "[0]", "a list of 1 to 64 whole numbers"),
        ("model.params.hidden", "8", "a list of 1 to 64 whole numbers"),
        ("model.seed", "-1", "a whole number >= 0"),
        ("data.alpha", "0", "a number > 0"),
        ("data.source", "./nowhere.csv", "no such file or folder"),
        ("schedule.epochs_per_round", "257", "1 to 256"),
        ("budget.epoch_price", "0.0000000000000000001", "at most 18 decimals"),
        ("budget.epoch_price", "many", "at most 18 decimals"),
        ("name", '"../x"', "1 to 64 letters"),
        ("training", "5", "a table of keys"),
        ("aggregation.params.beta", "0.5", "unknown key"),
    ],
)
def test_job_with_one_wrong_value_names_the_key_and_what_is_allowed(key: str, value: str, says: str) -> None:
    (line,) = mistakes({key: value})
    assert line.startswith(f"{key}: ")
    assert says in line


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"schedule.min_lease": "121"}, "schedule.min_lease"),
        ({"schedule.lease": "301"}, "schedule.lease"),
        ({"schedule.claim_window": "300"}, "schedule.claim_window"),
        ({"schedule.grace": "121"}, "schedule.grace"),
        ({"schedule.min_updates": "9"}, "schedule.min_updates"),
        ({"data.shards": "9"}, "data.shards"),
        ({"training.optimizer": "adam", "training.momentum": "0.9"}, "training.momentum"),
        ({"data.input_shape": "[64]"}, "data.input_shape"),
        ({"data.classes": '["a", "b"]'}, "data.classes"),
        ({"aggregation.rule": "krum", "aggregation.params.f": "1"}, "schedule.min_updates"),
        ({"aggregation.rule": "krum"}, "aggregation.params.f"),
    ],
)
def test_job_whose_keys_do_not_go_together_names_the_one_to_change(
    overrides: dict[str, str], key: str
) -> None:
    (line,) = mistakes(overrides)
    assert line.startswith(f"{key}: ")


def test_job_with_krum_when_enough_updates_are_demanded_is_accepted() -> None:
    job = load_job(
        None,
        {**LEAST, "aggregation.rule": "krum", "aggregation.params.f": "1", "schedule.min_updates": "5"},
    )
    assert job.aggregation.params == {"f": 1}


def test_private_job_without_source_needs_shape_and_classes() -> None:
    overrides = {"name": "p", "model.kind": "mlp", "data.mode": "private"}
    with pytest.raises(SpecError) as error:
        load_job(None, overrides)
    assert "data.input_shape: is missing" in str(error.value)
    assert "data.classes: is missing" in str(error.value)
    job = load_job(None, {**overrides, "data.input_shape": "[4]", "data.classes": '["a", "b"]'})
    assert job.data.input_shape == (4,)


def test_override_replaces_what_the_file_says_and_unknown_places_are_mistakes() -> None:
    job = load_job(EXAMPLES / "digits.toml", {"training.lr": "0.5", "model.params.channels": "[4]"})
    assert job.training.lr == 0.5
    assert job.model.params["channels"] == [4]
    assert "name.x: unknown key; write section.key, such as training.lr" in mistakes({"name.x": "1"})


def test_relative_source_is_taken_from_the_folder_of_the_job_file(tmp_path: Path) -> None:
    save_npz(load_builtin("iris"), tmp_path / "iris.npz")
    (tmp_path / "job.toml").write_text('name="j"\n[model]\nkind="mlp"\n[data]\nsource="iris.npz"\n')
    assert load_job(tmp_path / "job.toml").data.source == str(tmp_path / "iris.npz")


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"x" * (2 << 20)])
def test_file_that_is_no_job_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "job.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        load_job(path)
    assert str(error.value).startswith(str(path))
    assert len(str(error.value).splitlines()) == 1


def test_file_that_is_missing_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load_job(tmp_path / "none.toml")


def test_cost_is_rounds_of_epochs_and_votes_and_the_budget_caps_it() -> None:
    prices = {"budget.epoch_price": '"0.1"', "budget.vote_price": "0.5", "budget.budget": "28"}
    job = load_job(None, {**LEAST, **prices})
    assert job.cost(4) == 10 * (8 * 10**17 + 4 * 5 * 10**17)
    job.check_budget(4)
    with pytest.raises(SpecError, match=r"28 tokens are not enough: 10 rounds and 5 organisations cost 33"):
        job.check_budget(5)


@pytest.mark.parametrize(("given", "units"), [("0.1", 10**17), (0.1, 10**17), (3, 3 * 10**18), ("1e-18", 1)])
def test_tokens_when_given_as_number_or_text_are_exact(given: object, units: int) -> None:
    assert tokens(given) == units


@pytest.mark.parametrize("name", ["digits", "digits-dirichlet", "digits-cnn-bench", "mlp25m", "private"])
def test_example_is_a_job_without_mistakes(name: str) -> None:
    assert load_job(EXAMPLES / f"{name}.toml").name.startswith(name.split("-")[0])


def test_relations_between_keys_name_keys_that_exist() -> None:
    job = load_job(None, LEAST)
    for check in CHECKS:
        for key in check.keys:
            section, _, name = key.partition(".")
            assert hasattr(getattr(job, section), name)
