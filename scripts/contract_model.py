"""What the syntax trees of the contracts say that a reader of the interface wants to know: which functions,
events and errors a contract has in the end, and which of them a call may emit or revert with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import natspec

from chain.compiler import analyse

Node = dict[str, Any]


_NAMING = ("Identifier", "IdentifierPath", "MemberAccess")


class Project:
    """All contracts of a source checkout, by the ids that the compiler gives their parts."""

    def __init__(self, root: Path) -> None:
        self.nodes: dict[int, Node] = {}
        self._home: dict[int, Node] = {}
        self.source: dict[int, str] = {}
        for name, source in sorted(analyse(root)["sources"].items()):
            for node in _walk(source["ast"]):
                self.nodes[node["id"]] = node
                if node["nodeType"] == "ContractDefinition":
                    self.source[node["id"]] = name
                    self._home.update((child["id"], node) for child in node["nodes"])

    @cached_property
    def contracts(self) -> list["Contract"]:
        """What can be deployed, by name."""
        found = [
            Contract(self, self.nodes[number])
            for number in self.source
            if self.is_ours(number)
            and self.nodes[number]["contractKind"] == "contract"
            and not self.nodes[number]["abstract"]
        ]
        return sorted(found, key=lambda contract: contract.name)

    def is_ours(self, contract: int) -> bool:
        """Whether the contract or interface is the project's and not a package's."""
        return self.source[contract].startswith("project/")

    def home(self, part: int) -> Node | None:
        """The contract that a part stands in; None for what stands in none."""
        return self._home.get(part)

    def implementing(self, interface: int) -> list["Contract"]:
        """The project's contracts that are an `interface`."""
        return [c for c in self.contracts if interface in c.node["linearizedBaseContracts"]]

    def interface(self, name: str) -> Node | None:
        """The project's interface of this name, if there is one."""
        found = (self.nodes[n] for n in self.source if self.is_ours(n) and self.nodes[n]["name"] == name)
        return next(found, None)


@dataclass
class Function:
    """One entry of a contract's interface. `outcomes` are the events and errors that a call may end in, there
    and in the contracts that it calls, in the order in which they are met."""

    node: Node
    doc: natspec.Doc
    outcomes: list[Node] = field(default_factory=list)

    def names(self, kind: str) -> list[str]:
        """Of its events or errors (`EventDefinition`, `ErrorDefinition`)."""
        return [str(node["name"]) for node in self.outcomes if node["nodeType"] == kind]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.node.get("stateMutability", "view") in ("view", "pure")


class Contract:
    """One contract with all that it inherits, and, where the interface of its name is wider, with what it
    passes on to another contract's code."""

    def __init__(self, project: Project, node: Node) -> None:
        self.project = project
        self.node = node
        self.name = str(node["name"])
        self._bases = [project.nodes[number] for number in node["linearizedBaseContracts"]]

    @property
    def path(self) -> str:
        """Its source, from the project's root."""
        return self.project.source[self.node["id"]].removeprefix("project/")

    @cached_property
    def interfaces(self) -> list[Node]:
        """The project's interfaces that callers may use it by; the one of its own name, if any, first."""
        own = [b for b in self._bases if b["contractKind"] == "interface" and self.project.is_ours(b["id"])]
        named = self.project.interface(f"I{self.name}")
        if named is not None:
            numbers = filter(self.project.is_ours, named["linearizedBaseContracts"])
            wide = [self.project.nodes[number] for number in numbers]
            own = [*wide, *(base for base in own if base not in wide)]
        return own

    @cached_property
    def parts(self) -> list["Contract"]:
        """The contracts whose code it passes calls on to."""
        passed = [face for face in self.interfaces if face not in self._bases and _declares(face)]
        return [part for face in passed for part in self.project.implementing(face["id"])]

    @property
    def whole(self) -> "Contract | None":
        """The contract that it is a part of."""
        return next((c for c in self.project.contracts if self in c.parts), None)

    @property
    def doc(self) -> natspec.Doc:
        """That of its interface, or its own if it has none."""
        return doc_of(next(iter(self.interfaces), self.node))

    @property
    def constructor(self) -> Node | None:
        """Its own constructor."""
        return next((part for part in self.node["nodes"] if part.get("kind") == "constructor"), None)

    def functions(self) -> list[Function]:
        """What the project declares or changes of its functions, in the order of the interface. Documentation
        is taken from where it stands, outcomes from what runs."""
        by_selector: dict[str, list[Node]] = {}
        passed = [face for face in self.interfaces if face not in self._bases]
        for base in [*reversed(self._bases), *passed]:
            for part in base["nodes"]:
                if "functionSelector" in part:
                    by_selector.setdefault(part["functionSelector"], []).append(part)
        functions: list[Function] = []
        for versions in by_selector.values():
            ours = [part for part in versions if self._is_ours(part)]
            if ours:
                told = [part for part in ours if part.get("documentation") and not doc_of(part).inherits]
                told = told or [part for part in versions if part.get("documentation")]
                shown = ours[0]
                functions.append(
                    Function(shown, doc_of(told[0] if told else shown), self._outcomes(versions[-1]))
                )
        return functions

    def inherited(self) -> dict[str, list[str]]:
        """Names of functions that come from packages unchanged, by the contract that they stand in."""
        names: dict[str, list[str]] = {}
        seen = {function.node["functionSelector"] for function in self.functions()}
        for base in self._bases:
            for part in base["nodes"]:
                selector = part.get("functionSelector")
                if selector is None or selector in seen or base["contractKind"] == "interface":
                    continue
                seen.add(selector)
                listed = names.setdefault(base["name"], [])
                if part["name"] not in listed:  # overloaded
                    listed.append(part["name"])
        return names

    def used(self, kind: str) -> list[Node]:
        """Its events or errors (`usedEvents`, `usedErrors`), the project's first, in the order of the source."""
        numbers = dict.fromkeys(number for c in [self, *self.parts] for number in c.node[kind])
        parts = [self.project.nodes[number] for number in numbers]
        return sorted(parts, key=lambda part: (not self._is_ours(part), part["id"]))

    def types(self, kind: str) -> list[Node]:
        """Structs or enums (`StructDefinition`, `EnumDefinition`) of its interfaces; its own if it has none."""
        places = self.interfaces or [self.node]
        return [part for place in places for part in place["nodes"] if part["nodeType"] == kind]

    def _is_ours(self, part: Node) -> bool:
        home = self.project.home(part["id"])
        return home is not None and self.project.is_ours(home["id"])

    def _outcomes(self, function: Node) -> list[Node]:
        found: dict[int, None] = {}
        home = self.project.home(function["id"])
        runs = next(
            (part for part in self.parts if home in part.interfaces and home not in self._bases), self
        )
        _follow(runs, runs.resolve(function), found, set())
        return [self.project.nodes[number] for number in found]

    def resolve(self, function: Node) -> Node:
        """What runs where this contract's code names a function that may be overridden."""
        wanted = {function["id"]}
        for base in reversed(self._bases):
            for part in base["nodes"]:
                if wanted & set(part.get("baseFunctions", [])):
                    wanted.add(part["id"])
        versions = (part for base in self._bases for part in base["nodes"] if part["id"] in wanted)
        return next((part for part in versions if part.get("implemented", True)), function)


def doc_of(node: Node) -> natspec.Doc:
    """What is written on a part; an empty one if nothing is."""
    comment = node.get("documentation")
    return natspec.parse(comment["text"] if isinstance(comment, dict) else comment)


def _declares(contract: Node) -> bool:
    return any(part["nodeType"] == "FunctionDefinition" for part in contract["nodes"])


def _walk(node: object) -> Iterator[Node]:
    if isinstance(node, dict):
        if "nodeType" in node and "id" in node:
            yield node
        for child in node.values():
            yield from _walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child)


def _follow(
    contract: Contract, start: Node, found: dict[int, None], seen: set[tuple[str, int]], inside: bool = False
) -> None:
    """Collects the events and errors that `start` names, and those of all that it calls, in other contracts too.

    Those contracts know each other: what they ask of `msg.sender` holds for calls that come from `inside`.
    """
    if (contract.name, start["id"]) in seen:
        return
    seen.add((contract.name, start["id"]))
    project = contract.project
    parts = list(_walk(start))
    passed = {
        part["externalCall"]["expression"]["id"] for part in parts if part["nodeType"] == "TryStatement"
    }
    if inside:
        for part in parts:
            if part["nodeType"] == "IfStatement" and _asks_sender(part["condition"]):
                passed.update(child["id"] for child in _walk(part["trueBody"]))
    for part in parts:
        target = project.nodes.get(part.get("referencedDeclaration", -1))
        if target is None or part["id"] in passed or part["nodeType"] not in _NAMING:
            continue
        if target["nodeType"] in ("ErrorDefinition", "EventDefinition"):
            found[target["id"]] = None
        elif target["nodeType"] == "ModifierDefinition":
            _follow(contract, target, found, seen, inside)
        elif target["nodeType"] == "FunctionDefinition":
            for other, function in _called(contract, part, target):
                _follow(other, function, found, seen, inside or other is not contract)


def _asks_sender(condition: Node) -> bool:
    return any(part.get("memberName") == "sender" for part in _walk(condition))


def _called(contract: Contract, part: Node, target: Node) -> Iterator[tuple[Contract, Node]]:
    home = contract.project.home(target["id"])
    of = part.get("expression", {}).get("typeDescriptions", {}).get("typeString", "")
    if home is None or home["contractKind"] == "library" or of.startswith(("type(", "contract super ")):
        yield contract, target
    elif of.startswith("contract "):
        for other in contract.project.implementing(home["id"]):
            yield other, other.resolve(target)
    else:
        yield contract, contract.resolve(target)
