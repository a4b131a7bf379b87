"""What the words of different clients about a transaction mean."""

import pytest

from chain.transactions import Refusal


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [
        ("already known", Refusal.KNOWN),
        ("Known transaction", Refusal.KNOWN),
        ("transaction already imported", Refusal.KNOWN),
        ("replacement transaction underpriced", Refusal.UNDERPRICED),
        ("Transaction gas price is too low to replace the existing one", Refusal.UNDERPRICED),
        ("transaction underpriced", Refusal.UNDERPRICED),
        ("nonce too low: next nonce 5, tx nonce 4", Refusal.NONCE),
        ("Nonce too high. Expected nonce to be 52 but got 55.", Refusal.NONCE),
        ("the tx doesn't have the correct nonce. account has nonce of: 3", Refusal.NONCE),
        ("insufficient funds for gas * price + value", Refusal.FUNDS),
        ("Sender doesn't have enough funds to send tx. The max upfront cost is: 7", Refusal.FUNDS),
        ("execution reverted", Refusal.OTHER),
        ("unknown transaction type", Refusal.OTHER),
        ("", Refusal.OTHER),
    ],
)
def test_refusal_in_each_client_s_words_is_understood(reason: str, meaning: Refusal) -> None:
    assert Refusal.of(reason) is meaning
