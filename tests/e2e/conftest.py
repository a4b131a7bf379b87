"""Networks for the end-to-end tests: each module starts the one that it needs, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from network_kit import Start, World, running

from node.localnet import LocalNetwork, MemberSpec


@pytest.fixture(scope="session", autouse=True)
def _milon_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder of its own instead of the user's ~/.milon, for the agents too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILON_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def _start(stack: ExitStack, folder: Path) -> Start:
    def start(
        *members: MemberSpec,
        shared_ipfs: bool = False,
        network_class: type[LocalNetwork] = LocalNetwork,
        **config: object,
    ) -> World:
        settings = {key.replace("__", "."): value for key, value in config.items()}
        network = network_class(folder / "network", members, shared_ipfs=shared_ipfs, config=settings)
        return stack.enter_context(running(network))

    return start


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts the module's network; it ends with the module."""
    with ExitStack() as stack:
        yield _start(stack, tmp_path_factory.mktemp("net"))


@pytest.fixture
def start_own(tmp_path: Path) -> Iterator[Start]:
    """Starts a network for one test that leaves nothing of it."""
    with ExitStack() as stack:
        yield _start(stack, tmp_path)
