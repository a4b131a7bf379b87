"""Send transactions with one key: simulated first, in order, waited for, and repriced rather than left
hanging."""

import logging
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eth_typing import HexStr
from web3 import Web3
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.exceptions import TransactionNotFound
from web3.types import TxReceipt

from chain.errors import ChainError
from chain.fees import Fees
from chain.heads import HeadWatcher
from chain.keylock import KeyInUseError, KeyLock
from chain.provider import check_identity, identity
from chain.reverts import ContractError, ErrorDecoder
from chain.transactions import (
    NonceGoneError,
    NotMinedError,
    Plan,
    Receipt,
    Refusal,
    UnderpricedError,
    UnexplainedError,
)
from chain.transport import ChainUnreachableError, RpcError, rpc, rpc_batch
from chain.wallet import Wallet

__all__ = ["ContractError", "ErrorDecoder", "KeyInUseError", "NotMinedError", "Receipt", "Sender"]

_log = logging.getLogger(__name__)

# The state may change between the simulation and the block, so that slots which were warm or set are not: gas that
# is not used costs nothing, too little costs the transaction.
_HEADROOM_PERCENT, _HEADROOM_GAS = 50, 100_000
_MAX_ATTEMPTS = 8
_POLL_MIN_S, _POLL_MAX_S = 0.01, 0.25


class Sender:
    """The only sender of its key on this chain, in this process and any other; safe to share between
    threads.

    Sends one transaction at a time and waits for its receipt before the next. ``resend_after`` seconds
    without a receipt raise the fees (up to ``fee_cap`` wei per gas); an outage is sat out for ``patience``
    seconds.

    Raises KeyInUseError if the key is taken, WalletError if the wallet is not fit for this chain,
    ChainError.
    """

    def __init__(
        self,
        w3: Web3,
        wallet: Wallet,
        *,
        decoder: ErrorDecoder | None = None,
        heads: HeadWatcher | None = None,
        state_dir: Path | None = None,
        resend_after: float = 15.0,
        patience: float = 60.0,
        fee_cap: int | None = None,
    ) -> None:
        self._w3, self._wallet, self._heads = w3, wallet, heads
        self._decoder = decoder or ErrorDecoder()
        self._resend_after, self._patience, self._fee_cap = resend_after, patience, fee_cap
        self._identity = identity(w3)
        wallet.require_usable(self._identity.chain_id, str(getattr(w3.provider, "endpoint_uri", "")))
        self._key_lock = KeyLock(wallet.address, self._identity.genesis_hash, state_dir)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._nonce: int | None = None
        self._floor: Fees | None = None

    @property
    def address(self) -> str:
        """The sending address, with checksum."""
        return self._wallet.address

    @property
    def w3(self) -> Web3:
        """The client that transactions go through."""
        return self._w3

    def balance(self) -> int:
        """The native coin that the key holds, in wei."""
        return int(rpc(self._w3, "eth_getBalance", self.address, "latest"), 16)

    def send(
        self,
        fn: ContractFunction | ContractConstructor,
        *,
        value: int = 0,
        deadline: int | None = None,
        gas_hint: int | None = None,
    ) -> Receipt:
        """Simulate, sign, send, wait. ``fn`` is ``contract.functions.name(args)`` or
        ``factory.constructor(args)``.

        ``deadline`` is in chain seconds: fees rise in time for it, and NotMinedError is raised once it
        passed. ``gas_hint`` is the gas limit to use instead of an estimate. Raises ContractError with the
        decoded reason if the contract refuses (then, unless it changed its mind in between, nothing was
        spent), ChainUnreachableError if the outcome is unknown (read the chain before acting again),
        ChainResetError, ChainError.
        """
        if isinstance(fn, ContractConstructor):
            call = {"data": fn.data_in_transaction}
        else:
            call = {"to": str(fn.address), "data": fn._encode_transaction_data()}
        call |= {"from": self.address, "value": hex(value)}
        with self._lock:
            for attempt in range(_MAX_ATTEMPTS):
                plan = self._plan(call, deadline, gas_hint)
                try:
                    receipt = self._deliver(plan, call, deadline)
                except NonceGoneError:
                    _log.info("nonce %s of %s was used already; reading it again", self._nonce, self.address)
                    self._nonce = self._floor = None
                except UnexplainedError as error:
                    if attempt > 0:
                        raise ContractError("Reverted", {}, note=str(error)) from None
                    _log.warning("%s; trying once more", error)
                    gas_hint = plan.fields["gas"] * 2
                except UnderpricedError:
                    self._nonce, self._floor = None, self._capped(plan.fees.raised())
                else:
                    self._nonce, self._floor = plan.fields["nonce"] + 1, None
                    return receipt
            raise ChainError(
                f"the chain refused {_MAX_ATTEMPTS} transactions of {self.address} in a row because of their "
                "nonce or price; something else sends with this key: stop it"
            )

    def close(self) -> None:
        """Release the key for another process. A ``send`` that is waiting gives up."""
        self._closed.set()
        if self._heads is not None:
            self._heads.wake()
        self._key_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _plan(self, call: dict[str, Any], deadline: int | None, gas_hint: int | None) -> Plan:
        """Simulate and read all that the transaction needs, in one round trip."""
        if self._closed.is_set():
            raise ChainError(f"the sender of {self.address} is closed")
        simulation: tuple[str, list[Any]] = (
            ("eth_estimateGas", [call, "latest"])
            if gas_hint is None
            else ("eth_call", [{**call, "gas": hex(gas_hint)}, "latest"])
        )
        reads: list[tuple[str, list[Any]]] = [
            simulation,
            ("eth_getBlockByNumber", ["latest", False]),
            ("eth_gasPrice", []),
        ]
        if self._nonce is None:
            # Not "pending": what an earlier process of ours left hanging is replaced, not queued behind.
            reads.append(("eth_getTransactionCount", [self.address, "latest"]))
        simulated, head, gas_price, *counted = rpc_batch(self._w3, reads)
        for answer in (head, gas_price, *counted):
            if isinstance(answer, RpcError):
                raise answer
        number, now = int(head["number"], 16), int(head["timestamp"], 16)
        if deadline is not None and now >= deadline:
            raise NotMinedError(f"too late to send: chain time {now}, deadline {deadline}")
        if isinstance(simulated, RpcError):
            raise self._decoder.explain(simulated) from simulated
        gas = gas_hint or int(simulated, 16) * (100 + _HEADROOM_PERCENT) // 100 + _HEADROOM_GAS
        base_fee = head.get("baseFeePerGas")
        fees = Fees.offer(int(gas_price, 16), None if base_fee is None else int(base_fee, 16))
        nonce = self._nonce if self._nonce is not None else int(counted[0], 16)
        fields = {
            "chainId": self._identity.chain_id,
            "nonce": nonce,
            "gas": min(gas, int(head["gasLimit"], 16)),
            "value": int(call["value"], 16),
            "data": call["data"],
        }
        if "to" in call:
            fields["to"] = call["to"]
        return Plan(fields, self._capped(fees.at_least(self._floor)), number, now)

    def _capped(self, fees: Fees) -> Fees:
        if self._fee_cap is None or fees.limit <= self._fee_cap:
            return fees
        return Fees(self._fee_cap, None if fees.tip is None else min(fees.tip, self._fee_cap))

    def _deliver(self, plan: Plan, call: dict[str, Any], deadline: int | None) -> Receipt:
        """Broadcast and wait until one of the versions of this transaction is in a block."""
        fees, head, period = plan.fees, plan.head, _POLL_MIN_S
        raw, newest = self._sign(plan, fees)
        hashes = [newest]
        unreachable_since: float | None = None
        unsent = True
        patience = self._resend_after
        if deadline is not None:
            patience = min(patience, max((deadline - plan.chain_time) / 2, 1.0))
        resend_at = time.monotonic() + patience
        while True:
            try:
                if unreachable_since is not None or time.monotonic() >= resend_at:
                    check_identity(self._w3, self._identity)
                if unsent:
                    self._broadcast(raw, hashes)
                    unsent = False
                receipt = self._receipt(hashes)
                if receipt is not None:
                    return self._settled(receipt, call)
                unsent = (
                    unreachable_since is not None
                )  # it may have been lost with the connection: say it again
                unreachable_since = None
                if unsent:
                    continue
                if time.monotonic() >= resend_at:
                    self._check_waiting(plan, hashes, deadline)
                    raised = self._capped(fees.raised())
                    if raised != fees:
                        _log.info("transaction %s is not mined yet; raising its fees to %s", newest, raised)
                        fees = self._floor = raised
                        raw, newest = self._sign(plan, fees)
                        hashes.append(newest)
                    unsent = True
                    resend_at = time.monotonic() + patience
                    continue
            except ChainUnreachableError:
                now = time.monotonic()
                unreachable_since = unreachable_since or now
                if now - unreachable_since > self._patience or self._closed.is_set():
                    self._nonce = None
                    raise
                period = _POLL_MAX_S
            except BaseException:
                self._nonce = None
                raise
            if self._closed.is_set():
                raise ChainError(f"stopped while waiting for transaction {newest}")
            if self._heads is not None and unreachable_since is None:
                head = self._heads.wait(head, min(_POLL_MAX_S, patience)) or head
            else:
                self._closed.wait(period)
                period = min(period * 1.5, _POLL_MAX_S)

    def _sign(self, plan: Plan, fees: Fees) -> tuple[str, HexStr]:
        signed = self._wallet.sign_transaction({**plan.fields, **fees.fields()})
        return signed.raw_transaction.to_0x_hex(), HexStr(signed.hash.to_0x_hex())

    def _broadcast(self, raw: str, hashes: list[HexStr]) -> None:
        try:
            rpc(self._w3, "eth_sendRawTransaction", raw)
        except RpcError as error:
            refusal = Refusal.of(error.reason)
            # Automining nodes answer with the revert although the transaction is in a block.
            if refusal is Refusal.KNOWN or self._receipt(hashes) is not None:
                return
            if refusal is Refusal.UNDERPRICED:
                raise UnderpricedError from error
            if refusal is Refusal.NONCE:
                raise NonceGoneError from error
            if refusal is Refusal.FUNDS:
                raise ChainError(
                    f"account {self.address} cannot pay for gas ({error.reason}); "
                    "send it some of the chain's coin"
                ) from error
            raise self._decoder.explain(error) from error

    def _receipt(self, hashes: list[HexStr]) -> TxReceipt | None:
        for tx_hash in reversed(hashes):
            try:
                receipt = self._w3.eth.get_transaction_receipt(tx_hash)
            except TransactionNotFound:
                continue
            if receipt.get("blockNumber") is not None:
                return receipt
        return None

    def _check_waiting(self, plan: Plan, hashes: list[HexStr], deadline: int | None) -> None:
        """Raise if waiting any longer is in vain: the deadline passed, or another transaction took the
        nonce."""
        block, count = rpc_batch(
            self._w3,
            [
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_getTransactionCount", [self.address, "latest"]),
            ],
        )
        for answer in (block, count):
            if isinstance(answer, RpcError):
                raise answer
        if int(count, 16) > plan.fields["nonce"]:
            if self._receipt(hashes) is not None:
                return
            raise NonceGoneError
        now = int(block["timestamp"], 16)
        if deadline is not None and now >= deadline:
            self._nonce, self._floor = None, self._capped((self._floor or plan.fees).raised())
            raise NotMinedError(
                f"the transaction of {self.address} was not mined before its deadline {deadline} "
                f"(chain time {now}); the chain is overloaded or its fees rose"
            )

    def _settled(self, receipt: TxReceipt, call: dict[str, Any]) -> Receipt:
        tx_hash = "0x" + bytes(receipt["transactionHash"]).hex()
        number = int(receipt["blockNumber"])
        if receipt["status"] != 1:
            self._nonce = self._floor = None
            raise self._why_reverted(call, number, tx_hash)
        return Receipt.of(receipt)

    def _why_reverted(self, call: dict[str, Any], number: int, tx_hash: str) -> Exception:
        """Repeat a reverted transaction as a call on the state that it met, or close to it."""
        for block in (number - 1, number):
            try:
                rpc(self._w3, "eth_call", call, hex(block))
            except RpcError as error:
                return self._decoder.explain(error)
        return UnexplainedError(f"transaction {tx_hash} reverted in block {number} without a reason")
