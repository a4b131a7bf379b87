"""`scripts/contract_coverage.py` reads what Hardhat prints and refuses what is too little."""

from pathlib import Path

import contract_coverage

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = """
╔═════════════════════════════════════════════════════════════════════════════╗
║ File Path                           │ Line % │ Statement % │ Uncovered Lines ║
╟─────────────────────────────────────┼────────┼─────────────┼─────────────────╢
║ contracts/StakeVault.sol            │ 99.15  │ 97.17       │ 69, 80-82       ║
║ contracts/AgentLens.sol             │ 100.00 │ 100.00      │ -               ║
╟─────────────────────────────────────┼────────┼─────────────┼─────────────────╢
║ Total                               │ 99.78  │ 98.00       │                 ║
╚═════════════════════════════════════╧════════╧═════════════╧═════════════════╝
"""
MEASURED = ["contracts/AgentLens.sol", "contracts/StakeVault.sol"]


def test_table_when_read_then_rows_and_total_are_found_and_printed_by_name() -> None:
    rows = contract_coverage.read_table(OUTPUT, {"contracts/StakeVault.sol": "69, 80-82"})
    assert rows[0] == contract_coverage.Row("contracts/StakeVault.sol", 99.15, 97.17, "69, 80-82")
    assert [line.split()[0] for line in contract_coverage.table(rows).splitlines()] == [
        "contract",
        *MEASURED,
        "Total",
    ]


def test_uncovered_lines_when_read_from_lcov_then_runs_are_joined() -> None:
    lines = "DA:1,0 DA:2,1 DA:4,0 DA:5,0 DA:10,0 end_of_record SF:b.sol DA:1,1 end_of_record"
    lcov = "\n".join(["TN:", "SF:a.sol", *lines.split()]) + "\n"
    assert contract_coverage.uncovered(lcov) == {"a.sol": "1, 4-5, 10", "b.sol": ""}


def test_coverage_at_the_minimum_passes_and_below_it_fails() -> None:
    rows = contract_coverage.read_table(OUTPUT, {})
    assert list(contract_coverage.shortcomings(rows, MEASURED, 98.0)) == []
    (mistake,) = contract_coverage.shortcomings(rows, MEASURED, 98.01)
    assert mistake.startswith("98.00 % of statements")


def test_coverage_when_a_contract_or_everything_is_missing_fails() -> None:
    rows = contract_coverage.read_table(OUTPUT, {})
    assert list(contract_coverage.shortcomings(rows, ["contracts/New.sol"], 0)) == [
        "contracts/New.sol was not measured"
    ]
    assert "no table" in next(iter(contract_coverage.shortcomings([], [], 0)))


def test_contracts_with_statements_are_expected_and_interfaces_are_not() -> None:
    found = contract_coverage.contracts(ROOT)
    assert "contracts/EpochScheduler.sol" in found
    assert not any("interfaces" in name or name.endswith(".t.sol") for name in found)


def test_tests_that_measure_gas_and_invariants_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "contracts"
    (folder / "test").mkdir(parents=True)
    (folder / "A.t.sol").write_text("contract A { function test_a() external {} }")
    (folder / "G.t.sol").write_text("vm.snapshotGasLastCall(a, b);")
    (folder / "I.t.sol").write_text("contract I { function invariant_i() external {} }")
    (folder / "test" / "Helper.t.sol").write_text("")
    exploits = tmp_path / "tests" / "exploits"
    exploits.mkdir(parents=True)
    (exploits / "E.t.sol").write_text("")
    assert contract_coverage.tests(tmp_path) == [Path("contracts/A.t.sol"), Path("tests/exploits/E.t.sol")]
