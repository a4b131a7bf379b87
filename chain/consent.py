"""A node's consent to belong to an organisation, which the registry demands before it binds a key for ever.

EIP-712 (Bloemen, Logvinov, Evans 2017): domain name "Milon", version "1", the chain and the registry;
`NodeConsent(address node,address account)`.
"""

from __future__ import annotations

from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount


def consent_message(node: str, organisation: str, registry: str, chain_id: int) -> SignableMessage:
    """What the node's key signs."""
    return encode_typed_data(
        domain_data={"name": "Milon", "version": "1", "chainId": chain_id, "verifyingContract": registry},
        message_types={
            "NodeConsent": [{"name": "node", "type": "address"}, {"name": "account", "type": "address"}]
        },
        message_data={"node": node, "account": organisation},
    )


def sign_consent(node: LocalAccount, organisation: str, registry: str, chain_id: int) -> bytes:
    """The 65 bytes of signature that `ConsortiumRegistry.register_node` takes."""
    message = consent_message(node.address, organisation, registry, chain_id)
    return bytes(node.sign_message(message).signature)
