"""``milon gov propose``: one command for each thing that members can decide, several in one proposal."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import Address, Tokens, examples, json_option
from node.cli.proposing import make_proposal
from node.cli.session import Session, session_options

if TYPE_CHECKING:
    from node.governance.actions import Action

Build = Callable[..., "Action"]
Option = Callable[[Any], Any]

_ACCOUNT = click.argument("account", type=Address())
_TOKENS = click.argument("amount", metavar="TOKENS", type=Tokens())
_ACTIONS: dict[str, click.Command] = {}


@click.group(
    epilog=examples(
        "milon gov propose admit 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --name 'Clinic East' "
        "--why 'voted in Bern' --keystore hospital-a-org",
        "milon gov propose set lease_bond=2 max_share=40% --why 'fewer missed leases' --dry-run",
        "milon gov propose pause --and 'rollback digits' --why 'digits 4 is wrong' --json",
    )
)
def propose() -> None:
    """Propose to the members what they shall decide.

    Every action takes --and 'ACTION ...' for more actions of the same proposal, which are done together or not at all;
    --dry-run, which shows what would be proposed; and --json. What members vote on are the calls; the words of --why
    are yours.
    """


def _with(options: Sequence[Option], function: Callable[..., Any]) -> Callable[..., Any]:
    return functools.reduce(lambda inner, option: option(inner), reversed(options), function)


def _copy(build: Build) -> Build:
    """A function of its own, so that options are not added to the one that builds."""

    @functools.wraps(build)
    def inner(**words: Any) -> Action:
        return build(**words)

    return inner


def _words(name: str, *options: Option, example: str) -> Callable[[Build], Build]:
    """Makes an action out of the function that builds it: a command of its own, and words that `--and` takes."""

    def decorate(build: Build) -> Build:
        _ACTIONS[name] = click.command(name, add_help_option=False)(_with(options, _copy(build)))

        @functools.wraps(build)
        def command(
            *,
            session: Session,
            why: str,
            others: tuple[str, ...],
            anyway: bool,
            dry_run: bool,
            as_json: bool,
            **words: Any,
        ) -> None:
            actions = [build(**words), *(parse_action(text) for text in others)]
            make_proposal(session, actions, why, anyway=anyway, dry_run=dry_run, as_json=as_json)

        every = [*options, *_SHARED, json_option, session_options(key=True)]
        propose.command(name, epilog=examples(f"milon gov propose {name} {example}"))(_with(every, command))
        return build

    return decorate


def parse_action(text: str) -> Action:
    """An action from its words, as they follow `milon gov propose`. Raises click.UsageError."""
    try:
        name, *words = shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} cannot be split into words: {error}") from None
    if name not in _ACTIONS:
        raise click.UsageError(f"{name!r} is no action; there are {', '.join(_ACTIONS)}")
    action: Action = _ACTIONS[name].main(words, prog_name=name, standalone_mode=False)
    return action


_SHARED = (
    click.option(
        "--why", required=True, metavar="TEXT", help="What the members shall read of your reasons."
    ),
    click.option(
        "--and", "others", multiple=True, metavar="ACTION",
        help="Another action of the same proposal, in quotes. May be repeated.",
    ),
    click.option("--anyway", is_flag=True, help="Propose it although it would fail as things stand."),
    click.option("--dry-run", is_flag=True, help="Show what would be proposed; needs no key."),
)  # fmt: skip


@_words(
    "admit", _ACCOUNT, click.option("--name", required=True, help="What people shall call it."),
    example="0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --name 'Clinic East' --why 'voted in Bern'",
)  # fmt: skip
def _admit(account: str, name: str) -> Action:
    """Admit an organisation."""
    from node.governance.actions import Admit

    if not 1 <= len(name.encode()) <= 64 or not name.isprintable() or name != name.strip():
        raise click.UsageError("--name: 1 to 64 bytes, all printable, without spaces around")
    return Admit(account, name)


@_words(
    "remove", _ACCOUNT, example="0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --why 'has gone out of business'"
)
def _remove(account: str) -> Action:
    """Remove an organisation."""
    from node.governance.actions import Remove

    return Remove(account)


@_words(
    "mint",
    _ACCOUNT,
    _TOKENS,
    example="0x70997970C51812dc3A010C7d01b50e0d17dc79C8 500 --why 'its first budget'",
)
def _mint(account: str, amount: int) -> Action:
    """Mint new tokens to an account."""
    from node.governance.actions import Mint

    return Mint(account, amount)


@_words(
    "spend", _ACCOUNT, _TOKENS, example="0x70997970C51812dc3A010C7d01b50e0d17dc79C8 50 --why 'for the audit'"
)
def _spend(account: str, amount: int) -> Action:
    """Pay tokens out of the members' treasury, which is the timelock's.

    Penalties that the vault holds for it are withdrawn first where that is needed.
    """
    from node.governance.actions import Spend

    return Spend(account, amount)


@_words(
    "set", click.argument("values", nargs=-1, required=True, metavar="PARAMETER=VALUE..."),
    example="lease_bond=2 unbonding_period=14d quorum=60% --why 'as agreed'",
)  # fmt: skip
def _set(values: tuple[str, ...]) -> Action:
    """Set parameters; `milon gov parameters` lists them with their values now.

    Tokens are written as 2 or 0.5, times as 3600, 12h or 7d, shares as 50% or 0.5. Parameters that the chain sets
    together keep, if they are not named, the values that they have when it is proposed.
    """
    from node.governance.actions import SetValues
    from node.governance.settings import parse_assignments

    return SetValues(parse_assignments(values))


@_words("pause", example="--why 'the ruleset is being replaced'")
def _pause() -> Action:
    """Pause: no new jobs, and no leases in attempts that open in the pause."""
    from node.governance.actions import Pause

    return Pause(True)


@_words("unpause", example="--why 'done'")
def _unpause() -> Action:
    """End the pause."""
    from node.governance.actions import Pause

    return Pause(False)


@_words(
    "promote", click.argument("reference", metavar="NAME@VERSION"),
    example="digits@3 --why 'scored 0.98 on the common test set'",
)  # fmt: skip
def _promote(reference: str) -> Action:
    """Promote a version of a model; NAME@0 promotes none."""
    from node.governance.actions import Promote
    from node.releases import parse_reference

    found = parse_reference(reference)
    if found.version is None:
        raise click.UsageError(f"{reference!r}: say which version, such as {found.name}@1")
    return Promote(found.name, found.version)


@_words("rollback", click.argument("name"), example="digits --why 'digits@3 fails on scans of type B'")
def _rollback(name: str) -> Action:
    """Undo the last promotion of a model."""
    from node.governance.actions import RollBack
    from node.releases import check_name

    return RollBack(check_name(name))


@_words(
    "releaser", _ACCOUNT, click.option("--revoke", is_flag=True, help="Take the right away."),
    example="0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --why 'releases models between votes'",
)  # fmt: skip
def _releaser(account: str, revoke: bool) -> Action:
    """Let an account register, promote and roll back models of every name."""
    from node.governance.actions import SetReleaser

    return SetReleaser(account, not revoke)


@_words(
    "governance",
    _ACCOUNT,
    example="0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --why 'the new governor, as audited'",
)
def _governance(account: str) -> Action:
    """Hand the governance over to another contract, which then has to accept it."""
    from node.governance.actions import HandOver

    return HandOver(account)


@_words("accept-governance", example="--why 'we take over'")
def _accept_governance() -> Action:
    """Take over the governance that was offered to this timelock."""
    from node.governance.actions import TakeOver

    return TakeOver()


@_words(
    "raw",
    click.argument("target", metavar="CONTRACT|ADDRESS"),
    click.argument("signature"),
    click.argument("arguments", nargs=-1),
    example="StakeVault 'refreshBond(address)' 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --why 'a new minimum'",
)
def _raw(target: str, signature: str, arguments: tuple[str, ...]) -> Action:
    """Make any call in the timelock's name; lists are written as JSON, bytes as 0x hexadecimal."""
    from node.governance.actions import Raw

    return Raw(target, signature, arguments)


@propose.command(
    "file",
    epilog=examples("milon gov propose file decision.toml --dry-run", "milon gov propose file decision.toml"),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--why", metavar="TEXT", help="Instead of the file's own.")
@click.option("--anyway", is_flag=True, help="Propose it although it would fail as things stand.")
@click.option("--dry-run", is_flag=True, help="Show what would be proposed; needs no key.")
@json_option
@session_options(key=True)
def from_file(
    session: Session, file: Path, why: str | None, anyway: bool, dry_run: bool, as_json: bool
) -> None:
    """Propose what a TOML file says.

    It has two keys: `why`, the reasons in any number of lines, and `actions`, a list of actions as they follow `milon
    gov propose`, such as ["admit 0x... --name 'Clinic East'", "mint 0x... 500"].
    """
    from node.errors import SpecError
    from node.toml_file import read_toml

    table = read_toml(file, "proposal")
    unknown = table.keys() - {"why", "actions"}
    lines = table.get("actions")
    reasons = why or table.get("why")
    if unknown:
        raise SpecError(f"{file}: unknown key {min(unknown)}; there are why and actions")
    if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
        raise SpecError(f'{file}: actions must be a list of texts, such as ["pause"]')
    if not isinstance(reasons, str) or not reasons.strip():
        raise SpecError(f"{file}: why must be a text; or give --why")
    actions = [parse_action(line) for line in lines]
    make_proposal(session, actions, reasons, anyway=anyway, dry_run=dry_run, as_json=as_json)
