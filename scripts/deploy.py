"""Deploy Milon's contracts to any EVM chain and write `deployments/<chain id>.json`. Safe to run again."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout that is not installed

from chain import wallet  # noqa: E402
from chain.artifacts import Artifact  # noqa: E402
from chain.compiler import compile_sources  # noqa: E402
from chain.deployment import deploy, packaged_artifacts  # noqa: E402
from chain.deployment_config import DeploymentConfig  # noqa: E402
from chain.devaccounts import dev_accounts  # noqa: E402
from chain.errors import MilonError  # noqa: E402
from chain.provider import connect, identity  # noqa: E402
from chain.reverts import ErrorDecoder  # noqa: E402
from chain.sender import Sender  # noqa: E402

_EXAMPLE = """examples:
  python scripts/deploy.py --rpc http://127.0.0.1:8545 --config examples/consortium.toml --devnet-key 0
  python scripts/deploy.py --rpc https://rpc.example.org --config consortium.toml --keystore deployer.json

exit codes: 0 deployed, or deployed already; 1 refused, the reason on standard error; 2 wrong arguments"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run with these arguments, by default the command line's; the exit code."""
    arguments = _parse(argv)
    try:
        return _run(arguments)
    except MilonError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; run it again to see what is missing", file=sys.stderr)
    return 1


def _run(arguments: argparse.Namespace) -> int:
    progress = sys.stderr if arguments.json else sys.stdout
    config = DeploymentConfig.load(arguments.config)
    w3 = connect(arguments.rpc)
    key = _wallet(arguments, identity(w3).chain_id)
    artifacts = _artifacts(arguments.packaged, progress)
    decoder = ErrorDecoder(artifact.abi for artifact in artifacts.values())
    with Sender(w3, key, decoder=decoder) as sender:
        result = deploy(
            sender,
            artifacts,
            config,
            arguments.out,
            fresh=arguments.fresh,
            report=lambda line: print(line, file=progress, flush=True),
        )
    if result.created:
        print(f"next: give {result.path} to every member; each runs milon node init", file=progress)
    if arguments.json:
        print(
            json.dumps(
                {"created": result.created, "path": str(result.path), **asdict(result.deployment)}, indent=2
            )
        )
    return 0


def _artifacts(packaged: bool, progress: TextIO) -> dict[str, Artifact]:
    if packaged:
        return packaged_artifacts()
    print("compiling the contracts", file=progress, flush=True)
    return compile_sources(ROOT)


def _wallet(arguments: argparse.Namespace, chain_id: int) -> wallet.Wallet:
    if arguments.devnet_key is not None:
        accounts = dev_accounts()
        if not 0 <= arguments.devnet_key < len(accounts):
            raise wallet.WalletError(f"--devnet-key must be 0 to {len(accounts) - 1}")
        return wallet.from_plain_key(accounts[arguments.devnet_key].key, chain_id, arguments.rpc)
    keystore = wallet.find(arguments.keystore)
    password = wallet.read_password(arguments.password_file, prompt=f"Password of {keystore.address}")
    return wallet.load(keystore.path, password)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rpc", required=True, metavar="URL", help="JSON-RPC endpoint of the chain")
    parser.add_argument(
        "--config",
        required=True,
        type=Path,
        metavar="FILE",
        help="organisations, stakes, bonds (TOML); see docs/deploying.md",
    )
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument(
        "--keystore", metavar="FILE", help="encrypted key of the deployer: path, label or address"
    )
    key.add_argument(
        "--devnet-key", type=int, metavar="INDEX", help="use test account INDEX of a local devnet"
    )
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line opens the keystore"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("deployments"), metavar="FOLDER", help="default: deployments"
    )
    parser.add_argument(
        "--packaged", action="store_true", help="deploy the bytecode that comes with Milon; needs no compiler"
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="set an unfinished or older deployment's record aside, deploy anew",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the deployment as JSON; progress goes to stderr"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
