"""What is offered for gas."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.fees import Fees

wei = st.integers(0, 10**15)


@given(gas_price=wei, base_fee=wei)
def test_offer_on_a_chain_with_base_fee_leaves_room_for_it(gas_price: int, base_fee: int) -> None:
    fees = Fees.offer(gas_price, base_fee)
    assert fees.tip is not None
    assert fees.limit >= 2 * base_fee + fees.tip
    assert set(fees.fields()) == {"type", "maxFeePerGas", "maxPriorityFeePerGas"}


def test_offer_on_a_chain_without_base_fee_is_its_gas_price() -> None:
    assert Fees.offer(0, None).fields() == {"gasPrice": 0}


@given(limit=wei, tip=st.none() | wei)
def test_raised_fees_replace_by_the_nodes_rule_of_a_tenth(limit: int, tip: int | None) -> None:
    before, after = Fees(limit, tip), Fees(limit, tip).raised()
    assert after.limit > before.limit
    assert after.limit * 10 >= before.limit * 11
    if tip is None:
        assert after.tip is None
    else:
        assert after.tip is not None
        assert after.tip > tip
        assert after.tip * 10 >= tip * 11


@pytest.mark.parametrize("tip", [None, 3])
def test_floor_when_higher_is_taken(tip: int | None) -> None:
    assert Fees(10, tip).at_least(None) == Fees(10, tip)
    assert Fees(10, tip).at_least(Fees(20, tip)).limit == 20
    assert Fees(30, tip).at_least(Fees(20, tip)).limit == 30
