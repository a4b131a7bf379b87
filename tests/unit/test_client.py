"""What a client prepares and refuses before anything is published or spent; models on disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from node.client import JobPlan, Quote, check_quote, prepare_job
from node.errors import ContentError, DataError, SpecError, StorageError
from node.models import Model, labelled, read_model, save_model, spec_path
from node.spec import JobFile, check_job
from node.tensors import StateFile, digest, save

TOKEN = 10**18
CLIENT = "0x" + "C1" * 20
RICH = Quote(CLIENT, organisations=4, validators=4, capacity=10, cost=0, balance=10**6 * TOKEN, allowance=0)


def job(**changes: dict[str, object] | object) -> JobFile:
    raw: dict[str, object] = {
        "name": "flowers",
        "model": {"kind": "logistic"},
        "data": {"source": "iris"},
        "schedule": {"rounds": 3, "epochs_per_round": 4},
        "budget": {"epoch_price": "1.5", "vote_price": "0.5"},
    }
    return check_job({**raw, **changes})


@pytest.fixture(scope="module")
def plan() -> JobPlan:
    return prepare_job(job())


def test_plan_when_prepared_then_terms_are_those_of_the_job_file(plan: JobPlan) -> None:
    assert (plan.terms.rounds, plan.terms.epochs_per_round) == (3, 4)
    assert (plan.terms.epoch_price, plan.terms.vote_price) == (3 * TOKEN // 2, TOKEN // 2)
    assert plan.terms.budget(4) == plan.job.cost(4) == 3 * (4 * 3 + 4 * 1) * TOKEN // 2
    assert plan.terms.ruleset_name == "milon-1"
    assert len(plan.terms.ruleset) == 32
    assert plan.parameters == 4 * 3 + 3
    assert plan.model_digest == digest(plan.state)


def test_plan_when_prepared_twice_then_starts_from_the_same_weights(plan: JobPlan) -> None:
    assert prepare_job(job()).model_digest == plan.model_digest


def test_plan_when_private_then_publishes_no_data() -> None:
    private = prepare_job(job(data={"source": "iris", "mode": "private"}))
    assert private.prepared.shards == ()
    assert private.prepared.holdout is None
    assert private.upload_bytes == 4 * 15


def test_plan_when_limit_is_below_the_model_then_refuses() -> None:
    wide = job(model={"kind": "mlp", "params": {"hidden": [512]}}, max_update_bytes=1024)
    with pytest.raises(SpecError, match="max_update_bytes: 1024 is less than the model's own"):
        prepare_job(wide)


def test_plan_when_data_cannot_be_read_then_says_where(tmp_path: Path) -> None:
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("a,b,label\n1,2\n")
    with pytest.raises(DataError, match="line 2"):
        prepare_job(job(data={"source": str(ragged)}))


def test_quote_when_all_is_well_then_passes(plan: JobPlan) -> None:
    check_quote(plan, replace(RICH, cost=plan.terms.budget(4)))


def test_quote_when_several_things_stand_against_it_then_lists_all(plan: JobPlan) -> None:
    poor = replace(RICH, validators=0, capacity=0, cost=24 * TOKEN, balance=23 * TOKEN)
    with pytest.raises(SpecError) as caught:
        check_quote(plan, poor)
    text = str(caught.value)
    assert f"the job costs 24 tokens, {CLIENT} has 23" in text
    assert "no organisation has stake and a validator" in text
    assert "no organisation has registered a trainer" in text


def test_quote_when_some_validators_are_missing_then_says_how_many_there_are() -> None:
    wanting = prepare_job(job(schedule={"min_validators": 3}))
    with pytest.raises(SpecError, match=r"schedule\.min_validators: 3 wanted, 1 organisation with stake"):
        check_quote(wanting, replace(RICH, validators=1, cost=0))


def test_quote_when_over_the_job_files_own_limit_then_refuses() -> None:
    capped = prepare_job(job(budget={"epoch_price": 1, "vote_price": 1, "budget": 5}))
    with pytest.raises(SpecError, match=r"budget\.budget: 5 tokens are not enough"):
        check_quote(capped, replace(RICH, cost=capped.terms.budget(4)))


def test_quote_when_no_client_is_named_then_does_not_ask_for_money(plan: JobPlan) -> None:
    check_quote(plan, replace(RICH, client=None, balance=None, allowance=None, cost=10**9 * TOKEN))


def model_of(plan: JobPlan, folder: Path) -> Model:
    file = folder / "fetched"
    save(plan.state, file)
    count = len(plan.prepared.shards)
    spec = plan.prepared.spec(["bafy"] * count, "bafy", plan.terms.max_update_bytes)
    return Model(spec, StateFile(file), file, round=2, score=0.5)


def test_model_when_saved_and_read_then_is_the_same(plan: JobPlan, tmp_path: Path) -> None:
    out = tmp_path / "sub" / "model.safetensors"
    assert save_model(model_of(plan, tmp_path), out) == spec_path(out) == tmp_path / "sub" / "model.spec.json"
    back = read_model(out)
    assert back.state.digest() == plan.model_digest
    assert back.spec.classes == plan.prepared.classes
    assert (back.round, back.score) == (None, None)


def test_model_when_its_spec_is_missing_then_says_what_writes_it(plan: JobPlan, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    save(plan.state, out)
    with pytest.raises(StorageError, match="`milon model fetch` writes both"):
        read_model(out)


def test_model_when_it_is_another_models_then_is_refused(plan: JobPlan, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    save_model(model_of(plan, tmp_path), out)
    save({name: np.zeros((2, 2), np.float32) for name in plan.state}, out)
    with pytest.raises(ContentError, match="shape"):
        read_model(out)


def test_model_when_it_holds_nan_then_is_refused(plan: JobPlan, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    save_model(model_of(plan, tmp_path), out)
    save({name: tensor * float("nan") for name, tensor in plan.state.items()}, out)
    with pytest.raises(ContentError, match="NaN"):
        read_model(out)


def test_data_when_of_another_shape_then_is_refused(plan: JobPlan, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="samples have shape"):
        labelled("wine", model_of(plan, tmp_path).spec)


def test_data_when_it_fits_then_is_on_the_jobs_scale(plan: JobPlan, tmp_path: Path) -> None:
    spec = model_of(plan, tmp_path).spec
    data = labelled("iris", spec)
    assert spec.standardisation is not None
    assert abs(float(data.x.mean())) < 0.1
