"""The job file: read, overridden, checked whole, and every mistake reported at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from node.errors import SpecError
from node.spec.checks import run_checks
from node.spec.fields import (
    AggregationSpec,
    BudgetSection,
    DataSection,
    ModelSpec,
    Name,
    ScheduleSection,
    Section,
    TrainingSpec,
    option,
)
from node.spec.mistakes import Mistake, from_validation, not_allowed, not_one_of, raise_all, unknown_key
from node.spec.parameters import check_parameters
from node.spec.rules import check_rule_parameters
from node.toml_file import lay_over, read_toml

BUILT_IN_SOURCES = ("digits", "breast_cancer", "wine", "iris")
_SECTIONS: Mapping[str, type[Section]] = {
    "model": ModelSpec,
    "data": DataSection,
    "training": TrainingSpec,
    "aggregation": AggregationSpec,
    "schedule": ScheduleSection,
    "budget": BudgetSection,
}


class JobFile(Section):
    """A job as its client wrote it, checked whole. Build it with `load_job` or `check_job`."""

    name: Name = option(
        ...,
        "1 to 64 letters, digits, spaces, dots, dashes, beginning with a letter or digit",
        "name of the job",
    )
    max_update_bytes: int | None = option(
        None,
        "a whole number of bytes, 1024 to 68719476736",
        "largest update a node has to fetch; twice the model and 64 KiB when left out",
        ge=1024,
        le=1 << 36,
    )
    model: ModelSpec
    data: DataSection
    training: TrainingSpec
    aggregation: AggregationSpec
    schedule: ScheduleSection
    budget: BudgetSection

    @property
    def shards(self) -> int:
        """Number of data shards: as given, else one per epoch of a round."""
        return self.data.shards or self.schedule.epochs_per_round

    def cost(self, voters: int) -> int:
        """What submission escrows with this many member organisations, in base units of the token."""
        epochs = self.schedule.epochs_per_round * self.budget.epoch_price
        return self.schedule.rounds * (epochs + voters * self.budget.vote_price)

    def check_budget(self, voters: int) -> None:
        """Raises SpecError when the escrow for this many organisations is over ``budget.budget``."""
        cap, cost = self.budget.budget, self.cost(voters)
        if cap is not None and cost > cap:
            raise SpecError(
                f"budget.budget: {cap / 10**18:g} tokens are not enough: {self.schedule.rounds} rounds and "
                f"{voters} organisations cost {cost / 10**18:g}; raise it or lower the prices"
            )


def load_job(path: Path | str | None, overrides: Mapping[str, str] | None = None) -> JobFile:
    """Reads and checks a job.

    Args:
        path: a TOML file, or None for a job given by overrides alone. A relative ``data.source`` in it is
            taken from the file's folder.
        overrides: dotted keys to values as a user types them, such as ``{"training.lr": "0.1"}``; a value
            that is not TOML is taken as a string. A relative ``data.source`` here is taken from the current
            folder.

    Raises:
        SpecError: the file cannot be read, is not TOML, or holds mistakes: all of them, one per line.
    """
    where = "job" if path is None else str(path)
    raw = {} if path is None else read_toml(Path(path), "job file")
    data = raw.get("data")
    if path is not None and isinstance(data, dict) and isinstance(data.get("source"), str):
        data["source"] = _resolve(data["source"], Path(path).parent)
    mistakes = lay_over(raw, overrides or {}, "training.lr")
    return check_job(raw, where, mistakes)


def check_job(raw: Mapping[str, Any], where: str = "job", mistakes: Iterable[Mistake] = ()) -> JobFile:
    """A JobFile from the tables of a job file.

    Raises:
        SpecError: lists every mistake, and those that the caller found before, one per line.
    """
    found = list(mistakes)
    valid: dict[str, Any] = {}
    top = {key: value for key, value in raw.items() if key not in _SECTIONS}
    sections = {name: raw.get(name, {}) for name in _SECTIONS}
    for name, model in _SECTIONS.items():
        found += _check_section(name, model, sections[name], valid)
    found += _check_top(top)
    found += run_checks(valid)
    found += _check_names(valid)
    raise_all(found, where)
    job = JobFile.model_validate({**top, **{n: m.model_validate(sections[n]) for n, m in _SECTIONS.items()}})
    params, _ = check_parameters(job.model.kind, job.model.params)
    rule_params, _ = check_rule_parameters(job.aggregation.rule, job.aggregation.params, None)
    return job.model_copy(
        update={
            "model": job.model.model_copy(update={"params": params}),
            "aggregation": job.aggregation.model_copy(update={"params": rule_params}),
        }
    )


def _resolve(source: str, folder: Path) -> str:
    path = folder / Path(source).expanduser()
    return str(path) if source not in BUILT_IN_SOURCES and (_is_path(source) or path.exists()) else source


def _check_section(name: str, model: type[Section], table: Any, valid: dict[str, Any]) -> list[Mistake]:
    """Mistakes within one section; what is right of it goes into ``valid`` under its dotted keys."""
    if not isinstance(table, Mapping):
        return [not_allowed(name, table, "a table of keys")]
    mistakes: list[Mistake] = []
    wrong: set[str] = set()
    try:
        checked = model.model_validate(table)
    except ValidationError as error:
        mistakes = from_validation(error, name, model)
        wrong = {mistake.key.rpartition(".")[2] for mistake in mistakes}
        checked = model.model_construct(**{key: value for key, value in table.items() if key not in wrong})
    valid |= {f"{name}.{key}": getattr(checked, key) for key in model.model_fields if key not in wrong}
    return mistakes


def _check_top(top: Mapping[str, Any]) -> list[Mistake]:
    keys = [name for name in JobFile.model_fields if name not in _SECTIONS]
    mistakes = [unknown_key(key, [*keys, *_SECTIONS]) for key in top if key not in keys]
    known = {key: value for key, value in top.items() if key in keys}
    empty = {name: model.model_construct() for name, model in _SECTIONS.items()}
    try:
        JobFile.model_validate({**known, **empty})
    except ValidationError as error:
        mistakes += from_validation(error, "", JobFile)
    return mistakes


def _check_names(valid: Mapping[str, Any]) -> list[Mistake]:
    """Names that must exist: the model and its parameters, the rule and its parameters, the data."""
    mistakes: list[Mistake] = []
    if "model.kind" in valid and "model.params" in valid:
        mistakes += check_parameters(valid["model.kind"], valid["model.params"])[1]
    if "aggregation.rule" in valid and "aggregation.params" in valid:
        least = valid.get("schedule.min_updates")
        mistakes += check_rule_parameters(valid["aggregation.rule"], valid["aggregation.params"], least)[1]
    source = valid.get("data.source")
    if source is not None and source not in BUILT_IN_SOURCES and not _exists(source):
        mistakes.append(
            not_allowed("data.source", source, "there is no such file or folder")
            if _is_path(source)
            else not_one_of("data.source", source, [*BUILT_IN_SOURCES, "the path of a .npz, .csv or folder"])
        )
    return mistakes


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False


def _is_path(source: str) -> bool:
    return "/" in source or bool(Path(source).suffix)
