"""NatSpec comments, as the compiler hands them on, into text for Markdown."""

import re
from dataclasses import dataclass, field

_TAG = re.compile(r"(?:^|(?<=\s))@(title|notice|dev|param|return|inheritdoc|author|custom:[a-z-]+)\b[ \t]*")
# How OpenZeppelin's governor marks its functions.
_MODULE = re.compile(r"^module:\S+\s*")
_NUMBERED = re.compile(r"\d+\. ")


@dataclass
class Doc:
    """One comment: `notice` and `dev` keep their lines, all else is on one. `returns` is in order."""

    title: str = ""
    notice: str = ""
    dev: str = ""
    params: dict[str, str] = field(default_factory=dict)
    returns: list[str] = field(default_factory=list)
    inherits: str = ""


def parse(text: str | None) -> Doc:
    """A comment's text without its `///`. A tag may begin anywhere after a space, so several fit one line;
    text before the first is a notice, as for the compiler."""
    doc = Doc()
    parts = _TAG.split(text or "")
    _add(doc, "notice", parts[0])
    for tag, body in zip(parts[1::2], parts[2::2], strict=True):
        _add(doc, tag, body)
    return doc


def one_line(text: str) -> str:
    """For a cell of a table or an item of a list."""
    return " ".join(text.split()).replace("|", "\\|")


def paragraphs(text: str) -> str:
    """For the page itself: numbered lines become a list, other indented lines a block of code. What follows an
    item of a list belongs to it until an empty line."""
    lines: list[str] = []
    mode = ""
    for raw in text.strip("\n").splitlines():
        line = raw.removeprefix(" ").rstrip()
        before = mode
        if not line:
            mode = ""
        elif _NUMBERED.match(line):
            mode = "list"
        elif mode != "list":
            mode = "code" if line.startswith("  ") else "text"
        if mode != before:
            if before == "code":
                lines.append("```")
            if before:
                lines.append("")
            if mode == "code":
                lines.append("```")
        if mode == "list" and not _NUMBERED.match(line):
            line = f"   {line.strip()}"
        if line:
            lines.append(line.strip() if mode == "text" else line)
    if mode == "code":
        lines.append("```")
    return "\n".join(lines).strip("\n")


def _add(doc: Doc, tag: str, body: str) -> None:
    if tag in ("notice", "dev"):
        body = _MODULE.sub("", body)
        joined = f"{getattr(doc, tag)}\n{body}" if getattr(doc, tag) else body
        setattr(doc, tag, joined.rstrip())
    elif tag == "param":
        name, _, about = one_line(body).partition(" ")
        doc.params[name] = about
    elif tag == "return":
        doc.returns.append(one_line(body))
    elif tag == "title":
        doc.title = one_line(body)
    elif tag == "inheritdoc":
        doc.inherits = one_line(body)
