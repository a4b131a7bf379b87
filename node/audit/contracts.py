"""Checks that the contracts are those of the deployment file, made of this version's sources."""

from __future__ import annotations

import hashlib
from typing import Any

from chain.compiler import load_artifact
from chain.consortium import Consortium
from chain.deployment_file import CONTRACTS, bytecode_sha256, wrong_code
from chain.provider import RpcError, check_identity, rpc_batch
from node.audit.report import Book, Check, Where


def check_deployment(consortium: Consortium, book: Book) -> None:
    """Compare genesis, code hashes, and what the contracts were created from.

    Raises:
        ChainResetError: the chain is another than the deployment file's: nothing else can be audited then.
        ChainError: the chain does not answer.
    """
    deployment = consortium.deployment
    check_identity(consortium.w3, deployment.identity)
    wrong = wrong_code(consortium.w3, deployment)
    book.expect(Check.DEPLOYMENT, not wrong, "; ".join(wrong))
    names = list(CONTRACTS)
    hashes = [deployment.contracts[name].transaction for name in names]
    transactions = rpc_batch(consortium.w3, [("eth_getTransactionByHash", [h]) for h in hashes])
    receipts = rpc_batch(consortium.w3, [("eth_getTransactionReceipt", [h]) for h in hashes])
    for name, transaction, receipt in zip(names, transactions, receipts, strict=True):
        _check_creation(consortium, name, transaction, receipt, book)


def _check_creation(consortium: Consortium, name: str, transaction: Any, receipt: Any, book: Book) -> None:
    recorded, artifact = consortium.deployment.contracts[name], load_artifact(name)
    where = Where(transaction=recorded.transaction)
    if isinstance(transaction, RpcError) or isinstance(receipt, RpcError) or not transaction or not receipt:
        book.note(f"the creation of {name} was not checked: the RPC node does not keep transactions that old")
        return
    created = str(receipt.get("contractAddress") or "").lower()
    book.equal(Check.DEPLOYMENT, f"what created {name}", created, recorded.address.lower(), where)
    if bytecode_sha256(artifact) != recorded.bytecode_sha256:
        book.note(
            f"{name} was deployed from other sources than this version's; only its code hash was checked"
        )
        return
    code = bytes.fromhex(transaction["input"][2:])[: len(artifact.bytecode)]
    book.equal(
        Check.DEPLOYMENT,
        f"SHA-256 of the code that created {name}",
        hashlib.sha256(code).hexdigest(),
        recorded.bytecode_sha256,
        where,
    )
