"""A consortium's configuration file: what it means, and every mistake in it at once."""

from decimal import Decimal
from pathlib import Path

import pytest

from chain.deployment_config import DeploymentConfig, DeploymentConfigError
from chain.errors import ChainError

ROOT = Path(__file__).resolve().parents[2]
MEMBER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def load(tmp_path: Path, text: str) -> DeploymentConfig:
    path = tmp_path / "consortium.toml"
    path.write_text(text)
    return DeploymentConfig.load(path)


def mistakes(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(DeploymentConfigError) as refused:
        load(tmp_path, text)
    assert "\n" not in str(refused.value) and "consortium.toml" in str(refused.value)
    return refused.value.mistakes


def test_example_file_is_valid() -> None:
    config = DeploymentConfig.load(ROOT / "examples" / "consortium.toml")
    assert len(config.organisations) == 4 and config.mints[0].tokens == 100_000
    assert config.unbonding_period == 604_800


def test_shortest_file_gets_the_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, f'[[organisations]]\nname = "North"\naccount = "{MEMBER.lower()}"')
    assert config.organisations[0].account == MEMBER
    assert (config.minimum_stake, config.lease_bond, config.vote_bond) == (100, 1, 1)
    assert config.treasury is None and config.mints == ()
    rules = config.governance
    assert (rules.voting_delay, rules.voting_period, rules.timelock) == (3_600, 259_200, 86_400)
    assert config.max_share == rules.quorum == Decimal("0.5")


def test_amounts_are_exact_whether_number_or_text(tmp_path: Path) -> None:
    member = f'[[organisations]]\nname = "N"\naccount = "{MEMBER}"'
    text = f'lease_bond = 0.1\nvote_bond = "0.3"\nmax_share = 0.0001\n{member}'
    config = load(tmp_path, text)
    assert (config.lease_bond, config.vote_bond) == (Decimal("0.1"), Decimal("0.3"))
    assert config.max_share == Decimal("0.0001")


def test_all_mistakes_are_reported_at_once_each_with_its_key(tmp_path: Path) -> None:
    text = f"""
    lease_bond = -1
    vote_bond = 0.0000000000000000001
    minimum_stake = 99999999999999999999
    unbonding_period = "week"
    treasury = 5
    max_share = 0
    stake = 3
    [[organisations]]
    name = ""
    account = "{MEMBER.replace("C8", "c8")}"
    weight = 2
    [[organisations]]
    name = "{"x" * 65}"
    [governance]
    voting_delay = -1
    voting_period = 0
    timelock = 2_592_001
    quorum = 0.555
    majority = 1
    """
    found = mistakes(tmp_path, text)
    keys = [mistake.split(" ")[0] for mistake in found]
    assert sorted(keys) == sorted(
        [
            "organisations[0].name",
            "organisations[0].account",
            "organisations[0].weight",
            "organisations[1].name",
            "organisations[1].account",
            "governance.voting_delay",
            "governance.voting_period",
            "governance.timelock",
            "governance.quorum",
            "governance.majority",
            "max_share",
            "treasury",
            "minimum_stake",
            "lease_bond",
            "vote_bond",
            "unbonding_period",
            "stake",
        ]
    )
    assert any("checksum" in mistake for mistake in found)
    assert any("known are name, account, tokens" in mistake for mistake in found)
    assert "governance.voting_delay must be 0 or more" in found
    assert "governance.voting_period must be 1 or more" in found
    assert "governance.timelock must be at most 2592000" in found
    assert "governance.quorum must be a fraction from 0 to 1, such as 0.5, in steps of 0.01" in found
    assert any("known are voting_delay, voting_period, timelock, quorum" in mistake for mistake in found)


def test_account_as_governance_is_refused_with_what_to_do(tmp_path: Path) -> None:
    member = f'[[organisations]]\nname = "N"\naccount = "{MEMBER}"'
    (mistake,) = mistakes(tmp_path, f'governance = "{MEMBER}"\n{member}')
    assert mistake.startswith("governance names no account any more: the members govern; remove it")
    assert "[governance] with voting_delay, voting_period, timelock, quorum" in mistake


@pytest.mark.parametrize("share", ["1.1", "-0.1", "0.00001", '"half"', "true", '"nan"'])
def test_share_that_is_no_fraction_is_a_mistake(tmp_path: Path, share: str) -> None:
    member = f'[[organisations]]\nname = "N"\naccount = "{MEMBER}"'
    (mistake,) = mistakes(tmp_path, f"max_share = {share}\n{member}")
    assert mistake == "max_share must be a fraction from 0 to 1, such as 0.5, in steps of 0.0001"


@pytest.mark.parametrize(("second", "what"), [(f'name = "B"\naccount = "{MEMBER}"', "account"), ("", "name")])
def test_organisation_named_twice_is_a_mistake(tmp_path: Path, second: str, what: str) -> None:
    second = second or f'name = "A"\naccount = "{MEMBER[:-2].lower()}c9"'
    text = f'[[organisations]]\nname = "A"\naccount = "{MEMBER}"\n[[organisations]]\n{second}'
    (mistake,) = mistakes(tmp_path, text)
    assert f"{what} given more than once" in mistake


def test_consortium_without_members_or_with_too_many_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "organisations = []") == ("organisations must name at least one organisation",)
    assert mistakes(tmp_path, "") == ("organisations is missing",)
    many = "".join(f'[[organisations]]\nname = "{i}"\naccount = "0x{i:040x}"\n' for i in range(1, 66))
    assert mistakes(tmp_path, many) == ("organisations must name at most 64 organisations",)


def test_missing_or_broken_file_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ChainError, match="cannot read"):
        DeploymentConfig.load(tmp_path / "none.toml")
    with pytest.raises(ChainError, match="is not TOML"):
        load(tmp_path, "organisations = [")
