"""Write `docs/contracts.md` from the contracts' own documentation. With `--check`, only say whether it is current."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]  # so that it runs from a checkout that is not installed

from contract_model import Contract, Function, Node, Project, doc_of  # noqa: E402
from natspec import Doc, one_line, paragraphs  # noqa: E402

from chain.deployment_file import CONTRACTS  # noqa: E402
from chain.errors import MilonError  # noqa: E402

HEAD = Path(__file__).with_name("contract_docs.head.md")
PAGE = ROOT / "docs" / "contracts.md"
PROTOCOL = ROOT / "docs" / "protocol.md"
# Amounts that they narrow are bounded by the supply of the token.
_NEVER = ("SafeCastOverflowedUintDowncast",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run with these arguments, by default the command line's. Exit code 1 if it cannot be written, or is not
    current."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(argv).check
    try:
        page = generate(ROOT)
    except MilonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    current = PAGE.exists() and PAGE.read_text() == page
    if check and not current:
        print("error: docs/contracts.md is not current; run `make docs`", file=sys.stderr)
        return 1
    if not current:
        PAGE.write_text(page)
    return 0


def generate(root: Path) -> str:
    """The page for the contracts of the checkout at `root`. Raises CompileError."""
    contracts = Project(root).contracts
    contracts.sort(key=lambda c: (CONTRACTS.index(c.name) if c.name in CONTRACTS else len(CONTRACTS), c.name))
    protocol = PROTOCOL.read_text()
    head = HEAD.read_text()
    for name, part in (
        ("{states}", f"```mermaid{_between(protocol, '```mermaid', '```')}```"),
        ("{parameters}", _between(protocol, "## Parameters\n", "\n## ").strip()),
        ("{lens}", "AgentLens"),
    ):
        head = head.replace(name, part)
    index = [f"| [`{c.name}`](#{c.name.lower()}) | {_purpose(c)} |" for c in contracts]
    parts = [head.rstrip(), "## Index", "\n".join(["| contract | |", "|---|---|", *index])]
    for contract in contracts:
        parts.extend(_contract(contract))
    return "\n\n".join(part for part in parts if part) + "\n"


def _between(text: str, start: str, end: str) -> str:
    _, _, rest = text.partition(start)
    if not rest:
        raise MilonError(f"docs/protocol.md has no {start.strip()!r}, which docs/contracts.md repeats")
    return rest.partition(end)[0]


def _contract(contract: Contract) -> Iterator[str]:
    doc = contract.doc
    yield f"## {contract.name}"
    yield _purpose(contract)
    yield f"Source: {', '.join(_link(path) for path in _sources(contract))}."
    if contract.whole:
        yield f"Its code is part of [`{contract.whole.name}`](#{contract.whole.name.lower()}); call that."
        return
    yield paragraphs(doc.notice)
    yield paragraphs(doc.dev)
    constructor = contract.constructor
    if constructor and _parameters(constructor):
        yield "### Constructor"
        yield f"`{_signature(constructor, 'constructor')}`"
        yield _details(constructor, doc_of(constructor))
    functions = contract.functions()
    acts = [function for function in functions if not function.reads]
    if acts:
        yield "### Calls"
        for function in acts:
            yield from _call(contract, function)
    yield from _reads([function for function in functions if function.reads])
    for base, names in contract.inherited().items():
        yield f"From OpenZeppelin's `{base}`: {_code(names)}."
    yield from _outcomes("Events", "event", contract.used("usedEvents"), functions)
    yield from _outcomes("Errors", "error", contract.used("usedErrors"), functions)
    yield from _types(contract)


def _purpose(contract: Contract) -> str:
    own = doc_of(contract.node)
    if not contract.whole and contract.doc.title != contract.name:
        return one_line(contract.doc.title)
    return one_line(own.notice).partition(". ")[0].removesuffix(".") + "."


def _sources(contract: Contract) -> list[str]:
    project = contract.project
    interfaces = [project.source[base["id"]].removeprefix("project/") for base in contract.interfaces]
    return [contract.path, *interfaces]


def _link(path: str) -> str:
    return f"[`{Path(path).name}`](../{path})"


def _call(contract: Contract, function: Function) -> Iterator[str]:
    yield f"#### {function.node['name']}"
    yield f"`{_signature(function.node)}`"
    yield paragraphs(function.doc.notice or function.doc.dev)
    yield _details(function.node, function.doc)
    for title, kind in (("Emits", "EventDefinition"), ("Errors", "ErrorDefinition")):
        names = [name for name in function.names(kind) if name not in _NEVER]
        yield f"{title}: {_code(names)}." if names else ""


def _details(node: Node, doc: Doc) -> str:
    lines = [f"- `{_plain(name)}`: {about}" for name, about in doc.params.items()]
    results = [str(part["name"]) for part in _returns(node)]
    for number, about in enumerate(doc.returns):
        name = results[number] if number < len(results) else ""
        told = about.removeprefix(f"{name} ") if name else about
        lines.append(f"- returns {f'`{_plain(name)}`: ' if name else ''}{told}")
    return "\n".join(lines)


def _reads(functions: Sequence[Function]) -> Iterator[str]:
    if not functions:
        return
    yield "### Reads"
    rows = ["| function | returns | |", "|---|---|---|"]
    for function in functions:
        doc = function.doc
        told = [doc.notice or doc.dev, _listed(doc), *(f"Returns {about}" for about in doc.returns)]
        returns = ", ".join(f"`{part}`" for part in map(_parameter, _returns(function.node)))
        rows.append(
            f"| `{_signature(function.node, returns=False)}` | {returns} | {one_line(' '.join(told))} |"
        )
    yield "\n".join(rows)


def _outcomes(title: str, what: str, nodes: Sequence[Node], functions: Sequence[Function]) -> Iterator[str]:
    if not nodes:
        return
    yield f"### {title}"
    rows = [f"| {what} | in calls of | |", "|---|---|---|"]
    for node in nodes:
        doc = doc_of(node)
        of = _code([function.node["name"] for function in functions if node in function.outcomes])
        selector = f" `0x{node['errorSelector']}`" if what == "error" else ""
        told = one_line(f"{doc.notice} {doc.dev} {_listed(doc)}")
        rows.append(f"| `{_signature(node)}`{selector} | {of} | {told} |")
    yield "\n".join(rows)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _listed(doc: Doc) -> str:
    return " ".join(f"`{_plain(name)}`: {about}" for name, about in doc.params.items())


def _types(contract: Contract) -> Iterator[str]:
    structs, enums = contract.types("StructDefinition"), contract.types("EnumDefinition")
    if structs or enums:
        yield "### Types"
    for enum in enums:
        doc = doc_of(enum)
        values = ", ".join(f"{number} {member['name']}" for number, member in enumerate(enum["members"]))
        yield f"`enum {enum['name']}`: {values}. {one_line(f'{doc.notice} {doc.dev}')}".rstrip()
    for struct in structs:
        doc = doc_of(struct)
        yield f"`struct {struct['name']}`. {one_line(f'{doc.notice} {doc.dev}')}".rstrip()
        rows = ["| field | type | |", "|---|---|---|"]
        for member in struct["members"]:
            rows.append(
                f"| `{member['name']}` | `{_type(member)}` | {one_line(doc.params.get(member['name'], ''))} |"
            )
        yield "\n".join(rows)


def _signature(node: Node, name: str = "", *, returns: bool = True) -> str:
    text = f"{name or node['name']}({', '.join(map(_parameter, _parameters(node)))})"
    results = ", ".join(map(_parameter, _returns(node))) if returns else ""
    return f"{text} returns ({results})" if results else text


def _parameters(node: Node) -> list[Node]:
    if node["nodeType"] != "VariableDeclaration":
        return list(node["parameters"]["parameters"])
    keys, kind = [], node["typeName"]
    while kind["nodeType"] == "Mapping":
        keys.append(kind["keyType"] | {"name": kind.get("keyName", "")})
        kind = kind["valueType"]
    return keys


def _returns(node: Node) -> list[Node]:
    if node["nodeType"] != "VariableDeclaration":
        return list(node.get("returnParameters", {}).get("parameters", []))
    kind = node["typeName"]
    while kind["nodeType"] == "Mapping":
        kind = kind["valueType"]
    return [kind | {"name": ""}]


def _parameter(node: Node) -> str:
    indexed = " indexed" if node.get("indexed") else ""
    return f"{_type(node)}{indexed} {_plain(node['name'])}".rstrip()


def _plain(name: str) -> str:
    """Names end in an underscore only to differ from a function's."""
    return name.rstrip("_")


def _type(node: Node) -> str:
    words = str(node["typeDescriptions"]["typeString"]).split()
    plain = words[1] if words[0] in ("struct", "enum", "contract") else words[0]
    return plain.rpartition(".")[2]


if __name__ == "__main__":
    sys.exit(main())
