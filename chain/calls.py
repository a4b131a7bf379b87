"""Read contracts: many view calls in one round trip, pinned to one block."""

from collections.abc import Sequence
from typing import Any

from eth_abi.exceptions import DecodingError
from web3 import Web3
from web3.contract.contract import ContractFunction

from chain.codec import decode_values
from chain.errors import ChainError
from chain.reverts import ErrorDecoder
from chain.transport import RpcError, rpc, rpc_batch

BlockRef = int | str
_PLAIN = ErrorDecoder()


def call(
    fn: ContractFunction,
    *,
    block: BlockRef = "latest",
    sender: str | None = None,
    decoder: ErrorDecoder = _PLAIN,
) -> Any:
    """The result of a bound function, ``contract.functions.name(args)``, at ``block``.

    One value alone, several as a tuple, structs as tuples. ``block`` is a number, a tag, or a 0x block hash
    (then the block must still be canonical). Raises ContractError if it reverts, ChainError.
    """
    try:
        answer = rpc(fn.w3, "eth_call", _request(fn, sender), _block(block))
    except RpcError as error:
        raise decoder.explain(error) from error
    return _decode(fn, answer)


def call_many(
    w3: Web3,
    fns: Sequence[ContractFunction],
    *,
    block: BlockRef = "latest",
    sender: str | None = None,
    decoder: ErrorDecoder = _PLAIN,
) -> list[Any]:
    """The results of several bound functions at one block in one round trip; raises what the first failure
    was."""
    calls = [("eth_call", [_request(fn, sender), _block(block)]) for fn in fns]
    results: list[Any] = []
    for fn, answer in zip(fns, rpc_batch(w3, calls), strict=True):
        if isinstance(answer, RpcError):
            raise decoder.explain(answer) from answer
        results.append(_decode(fn, answer))
    return results


def _request(fn: ContractFunction, sender: str | None) -> dict[str, str]:
    request = {"to": str(fn.address), "data": str(fn._encode_transaction_data())}
    return request if sender is None else {**request, "from": sender}


def _block(block: BlockRef) -> Any:
    if isinstance(block, int):
        return hex(block)
    return (
        {"blockHash": block, "requireCanonical": True}
        if block.startswith("0x") and len(block) == 66
        else block
    )


def _decode(fn: ContractFunction, answer: str) -> Any:
    outputs = fn.abi["outputs"]
    data = bytes.fromhex(answer[2:])
    if outputs and not data:
        raise ChainError(
            f"no contract answers {fn.fn_name} at {fn.address}; check the deployment file against the RPC URL"
        )
    try:
        values = decode_values(outputs, data)
    except DecodingError as error:
        raise ChainError(
            f"the contract at {fn.address} answered {fn.fn_name} with something else than its ABI says; "
            "check the deployment file"
        ) from error
    return values[0] if len(values) == 1 else tuple(values)
