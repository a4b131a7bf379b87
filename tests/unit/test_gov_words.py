"""Actions and raw calls as they are typed."""

from types import SimpleNamespace
from typing import cast

import click
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chain.consortium import Consortium
from chain.errors import MilonError
from node.cli.propose import parse_action
from node.governance.actions import (
    Action,
    Admit,
    HandOver,
    Mint,
    Pause,
    Promote,
    Raw,
    Remove,
    RollBack,
    SetReleaser,
    SetValues,
    Spend,
    TakeOver,
    raw_call,
)
from node.governance.typed import split_signature, typed

ACCOUNT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (f"admit {ACCOUNT} --name 'Clinic East'", Admit(ACCOUNT, "Clinic East")),
        (f"remove {ACCOUNT.lower()}", Remove(ACCOUNT)),
        (f"mint {ACCOUNT} 1.5", Mint(ACCOUNT, 15 * 10**17)),
        (f"spend {ACCOUNT} 2", Spend(ACCOUNT, 2 * 10**18)),
        ("set quorum=60% max_share=0.4", SetValues({"quorum": 60, "max_share": 4_000})),
        ("pause", Pause(True)),
        ("unpause", Pause(False)),
        ("promote digits@3", Promote("digits", 3)),
        ("promote digits@0", Promote("digits", 0)),
        ("rollback digits", RollBack("digits")),
        (f"releaser {ACCOUNT}", SetReleaser(ACCOUNT, True)),
        (f"releaser {ACCOUNT} --revoke", SetReleaser(ACCOUNT, False)),
        (f"governance {ACCOUNT}", HandOver(ACCOUNT)),
        ("accept-governance", TakeOver()),
        (f"raw {ACCOUNT} 'f(uint256,string)' 3 'a b'", Raw(ACCOUNT, "f(uint256,string)", ("3", "a b"))),
    ],
)
def test_action_when_typed_then_is_what_it_says(words: str, action: Action) -> None:
    assert parse_action(words) == action


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("abolish", "is no action"),
        ("admit 'x", "cannot be split into words"),
        ("admit 0x12 --name x", "is not an address"),
        (f"admit {ACCOUNT}", "--name"),
        (f"admit {ACCOUNT} --name 'a\x1bb'", "all printable"),
        (f"mint {ACCOUNT} -1", "No such option|not a number of tokens"),
        ("promote digits", "say which version"),
        ("pause now", "unexpected extra argument"),
    ],
)
def test_action_when_mistyped_then_is_a_mistake_of_usage(words: str, said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parse_action(words)
    assert any(part in caught.value.format_message() for part in said.split("|"))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("uint256", "0x10", 16),
        ("int8", "-3", -3),
        ("bool", "True", True),
        ("address", ACCOUNT, ACCOUNT),
        ("bytes4", "0xdeadbeef", b"\xde\xad\xbe\xef"),
        ("string", "0x10", "0x10"),
        ("uint8[]", "[1, 2]", [1, 2]),
        ("string[]", '["a", "b"]', ["a", "b"]),
        ("bool[2][]", "[[true, false]]", [[True, False]]),
    ],
)
def test_argument_when_typed_then_has_the_type_of_its_signature(kind: str, text: str, value: object) -> None:
    assert typed(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [("uint256", "one"), ("bool", "1"), ("address", "0x12"), ("bytes", "deadbeef"), ("uint8[]", "1, 2")],
)
def test_argument_when_it_does_not_fit_then_is_refused(kind: str, text: str) -> None:
    with pytest.raises(MilonError):
        typed(kind, text)


def test_signature_when_split_then_types_are_canonical() -> None:
    assert split_signature("f(uint, int[3], bytes32)") == ("f", ["uint256", "int256[3]", "bytes32"])
    assert split_signature("pause()") == ("pause", [])
    for wrong in ("f", "f(", "f((uint256,bool))", "f(tuple)", "1f()", "f(uint256 a)"):
        with pytest.raises(MilonError):
            split_signature(wrong)


def test_raw_call_when_typed_then_is_selector_and_arguments() -> None:
    consortium = cast(Consortium, SimpleNamespace(deployment=SimpleNamespace(contracts={})))
    call = raw_call(consortium, Raw(ACCOUNT, "f(uint,string)", ("3", "a")))
    assert call.target == ACCOUNT
    assert call.data == keccak(text="f(uint256,string)")[:4] + encode(["uint256", "string"], [3, "a"])
    for arguments, said in ((("3",), "takes 2 arguments, not 1"), (("-1", "a"), "does not fit its type")):
        with pytest.raises(MilonError, match=said):
            raw_call(consortium, Raw(ACCOUNT, "f(uint,string)", arguments))
