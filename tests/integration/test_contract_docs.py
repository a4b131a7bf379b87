"""`docs/contracts.md` is what the contracts say, and says all that they can do."""

import re
from pathlib import Path

import contract_bundle
import contract_docs
import pytest

from chain.deployment_file import CONTRACTS
from chain.errors import MilonError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "contracts.md"


def section(name: str) -> str:
    page = PAGE.read_text()
    return re.split(r"^## ", page.partition(f"\n## {name}\n")[2], flags=re.MULTILINE)[0]


def test_page_is_what_the_contracts_say() -> None:
    assert PAGE.read_text() == contract_docs.generate(ROOT), "run `make docs` and commit docs/contracts.md"


@pytest.mark.parametrize("name", CONTRACTS)
def test_page_names_every_function_event_and_error_of_a_deployed_contract(name: str) -> None:
    text = section(name)
    assert text, f"no section {name}"
    if whole := re.search(r"^Its code is part of \[`(\w+)`\]", text, re.MULTILINE):
        text = section(whole[1])
    for entry in contract_bundle.callable_abi(name):
        if entry["type"] in ("function", "event", "error"):
            assert re.search(rf"`{entry['name']}(?:\(|`)", text), f"{entry['type']} {entry['name']}"


def test_page_follows_calls_into_other_contracts_and_leaves_out_what_callers_are_trusted_for() -> None:
    claim = section("EpochScheduler").partition("#### claim\n")[2].partition("####")[0]
    emits, _, errors = claim.partition("Errors: ")
    assert "`EpochsLeased`" in emits.partition("Emits: ")[2]
    assert "`SchedulerNotTrainer`" in errors
    assert "`VaultInsufficientStake`" in errors, "raised by the vault that it calls"
    assert "`VaultNotOperator`" not in errors, "the scheduler is one"
    lock = section("StakeVault").partition("#### lock\n")[2].partition("####")[0]
    assert "`VaultNotOperator`" in lock


def test_page_when_the_protocol_lost_a_part_says_which(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "protocol.md"
    broken.write_text(contract_docs.PROTOCOL.read_text().replace("## Parameters\n", "## Settings\n"))
    monkeypatch.setattr(contract_docs, "PROTOCOL", broken)
    with pytest.raises(MilonError, match="no '## Parameters'"):
        contract_docs.generate(ROOT)
