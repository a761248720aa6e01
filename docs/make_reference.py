"""Writes docs/reference/api/ from the docstrings of the public names. usage: make_reference.py

The source is read with griffe (the collector behind mkdocstrings) and never executed. A page holds what belongs
together; which names stand on it is said in `PAGES`, and the tests hold that to the public names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import griffe

from crystallize.compat import FORMER_MODULES
from crystallize.homes import HOMES

REPOSITORY = Path(__file__).parents[1]
TARGET = REPOSITORY / "docs" / "reference" / "api"
WIDTH = 100
"""Signatures that are longer have a line for each parameter."""

PAGES = {
    "experiments": """Experiment ExperimentBuilder ExperimentGraph Stream TrialResult find_experiments_root
        quick_experiment""",
    "datasources": """DataSource data_source ExperimentInput MultiArtifactDataSource register_datasource get_datasource
        list_datasources unregister_datasource clear_registry""",
    "artifacts": "Artifact ArtifactLog default_loader default_writer",
    "steps": """pipeline_step PipelineStep pipeline Pipeline inject_from_ctx resource_factory Limits""",
    "context": "FrozenContext LoggingContext ContextMetrics standalone_context",
    "treatments": "Treatment treatment",
    "hypotheses": "Hypothesis hypothesis verifier",
    "plugins": "BasePlugin SeedPlugin LoggingPlugin ArtifactPlugin default_seed_function",
    "execution": "SerialExecution AsyncExecution ParallelExecution RayExecution VALID_EXECUTOR_TYPES",
    "results": """Result ExperimentMetrics TreatmentMetrics HypothesisResult ReplicateResult AggregateData load_metrics
        load_all_metrics""",
    "optimizers": "BaseOptimizer Objective",
    "values": """register_encoder compute_hash load_cache store_cache BASELINE_CONDITION CONDITION_KEY METADATA_FILENAME
        REPLICATE_KEY SEED_USED_KEY""",
    "errors": """CrystallizeError ContextMutationError PipelineExecutionError MissingMetricError ValidationError
        DefinitionError DefinitionTypeError UnknownNameError MissingFileError GraphError ReplicateMismatchError
        MissingArtifactError BlockedError NotReusableError NotTransferableError WorkerLostError JobTimeoutError
        StoreError PinnedRecordGone""",
}
"""Page → its names, in the order in which one reads them."""

MORE = {"errors": "· [When each is raised, with examples](../errors.md)"}
"""Page → what else its head says."""

PAGE_OF = {name: page for page, names in PAGES.items() for name in names.split()}


class Entry(NamedTuple):
    """One name of a list of parameters, attributes or errors, and what is said of it."""

    names: list[str]
    text: str


def main() -> None:
    """Writes all pages, and removes what is no page any more."""
    pages = reference()
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    for path in set(TARGET.glob("*.md")) - {TARGET / name for name in pages}:
        path.unlink()
    print(f"{TARGET.relative_to(REPOSITORY)}: {len(pages)} pages, {len(PAGE_OF)} names")


def reference() -> dict[str, str]:
    """File name → text of every page."""
    found = _found()
    pages = {f"{page}.md": _page(page, names.split(), found) for page, names in PAGES.items()}
    return {"README.md": _index(found), "former-paths.md": _former_paths(), **pages}


def docstrings() -> dict[str, str]:
    """Name, or name and member, → what is written there."""
    texts = {}
    for name, thing in _found().items():
        members = _public(thing) if thing.is_class else []
        for place, each in [(name, thing), *((f"{name}.{member.name}", member) for member in members)]:
            docstring = _docstring(each)
            texts[place] = "" if docstring is None else docstring.value
    return texts


def summary(name: str) -> str:
    """The sentence that a public name is introduced with."""
    return _first_line(_found()[name])


@functools.cache
def _found() -> dict[str, Any]:
    """Public name → what griffe knows of it."""
    package = griffe.load(
        "crystallize", search_paths=[REPOSITORY / "src"], allow_inspection=False, docstring_parser="numpy"
    )
    return {name: package[f"{HOMES[name].partition('.')[2]}.{name}"] for name in PAGE_OF}


def _index(found: dict[str, Any]) -> str:
    lines = [
        "# Public names\n",
        "Written from the docstrings by `make reference`; every example in them is run by the tests.",
        "Names marked • are imported from `crystallize`, the others from where their entry says. What each import path",
        "of crystallize 0.27 gives: [former paths](former-paths.md).\n",
    ]
    for page, names in PAGES.items():
        lines += [f"## [{page.title()}]({page}.md)\n", "| name | |", "|---|---|"]
        for name in names.split():
            mark = " •" if _is_exported(name) else ""
            lines.append(f"| [`{name}`]({page}.md#{name.lower()}){mark} | {_first_line(found[name])} |")
        lines.append("")
    return "\n".join(lines)


def _former_paths() -> str:
    lines = [
        "# Import paths of crystallize 0.27\n",
        "Each of these modules can be imported as before. Its names are the same objects, whichever way they come.\n",
        "| module | names |",
        "|---|---|",
    ]
    for module, names in FORMER_MODULES.items():
        lines.append(f"| `{module}` | {', '.join(f'[`{n}`]({PAGE_OF[n]}.md#{n.lower()})' for n in names)} |")
    return "\n".join([*lines, ""])


def _page(page: str, names: Iterable[str], found: dict[str, Any]) -> str:
    more = f" {MORE[page]}" if page in MORE else ""
    parts = [f"# {page.title()}\n\nWritten from the docstrings by `make reference`. [All names](README.md){more}\n"]
    parts += ["\n".join(_entry(name, found[name])) for name in names]
    return _linked("\n".join(parts), page)


def _entry(name: str, thing: Any) -> Iterator[str]:
    """What is said of one public name."""
    yield f"## {name}\n"
    shown = f"{name} = {thing.value}" if thing.is_attribute else _signature(name, thing)
    yield _code("py", f"from {_import_path(name)} import {name}\n\n{shown}")
    if bases := _documented_bases(thing):
        yield f"Extends {', '.join(f'`{base}`' for base in bases)}.\n"
    yield _doc(thing)
    if thing.is_class:
        yield from _members(name, thing)


def _members(name: str, thing: Any) -> Iterator[str]:
    fields = [_field(member) for member in _public(thing) if member.is_attribute and _text_of(member)]
    known = {each for entry in _sections(thing)[1].values() for item in entry for each in item.names}
    fields = [field for field in fields if not known.intersection(field.names)]
    if fields:
        yield _single_ticks("**Fields**\n\n" + "\n".join(map(_item, fields)) + "\n")
    for member in _public(thing):
        if member.is_function and _docstring(member) is not None:
            yield f"### {name}.{member.name}\n"
            yield _code("py", _signature(member.name, member))
            yield _doc(member)


def _public(thing: Any) -> list[Any]:
    """The members of a class that users may know of, and those it inherits, but for those of other public names."""
    own = [member for member in thing.members.values() if not member.is_alias]
    known = {member.name for member in own}
    for base in thing.mro():
        if base.name in PAGE_OF:
            break
        own += [member for name, member in base.members.items() if name not in known]
        known |= base.members.keys()
    return [member for member in own if _is_public(member.name) and not member.is_alias]


def _documented_bases(thing: Any) -> list[str]:
    """The public names that a class extends, nearest first."""
    return [base.name for base in thing.mro() if base.name in PAGE_OF] if thing.is_class else []


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name not in ("__init__", "__doc__", "__post_init__"))


def _field(member: Any) -> Entry:
    kind = "" if member.annotation is None else f" `{member.annotation}`"
    return Entry([member.name], _text_of(member) + kind)


def _docstring(thing: Any) -> Any:
    """The docstring; one that is left out is that of the class or method in whose place this stands."""
    if thing.docstring is not None:
        return thing.docstring
    if thing.is_class:
        return next((base.docstring for base in thing.mro() if base.docstring is not None), None)
    overridden = (base.members.get(thing.name) for base in thing.parent.mro()) if thing.parent.is_class else ()
    return next((member.docstring for member in overridden if member is not None and member.docstring), None)


def _text_of(thing: Any) -> str:
    docstring = _docstring(thing)
    return "" if docstring is None else " ".join(docstring.value.split())


def _first_line(thing: Any) -> str:
    docstring = _docstring(thing)
    return _single_ticks(docstring.value.partition("\n\n")[0].replace("\n", " ")) if docstring else ""


def _doc(thing: Any) -> str:
    """Text, lists and examples of a docstring as Markdown."""
    text, lists, examples = _sections(thing)
    parts = [text] if text else []
    for title, entries in lists.items():
        parts.append(f"**{title}**\n\n" + "\n".join(map(_item, entries)))
    for kind, value in examples:
        parts.append(value if kind == "text" else _code("pycon", value).rstrip())
    return _single_ticks("\n\n".join(parts)) + "\n"


def _sections(thing: Any) -> tuple[str, dict[str, list[Entry]], list[tuple[str, str]]]:
    """Text, title → list, and the examples: (``text`` or ``examples``, what it says)."""
    texts: list[str] = []
    lists: dict[str, list[Entry]] = {}
    examples: list[tuple[str, str]] = []
    docstring = _docstring(thing)
    for section in docstring.parsed if docstring is not None else ():
        if section.kind is griffe.DocstringSectionKind.text:
            texts.append(section.value)
        elif section.kind is griffe.DocstringSectionKind.examples:
            examples += [(kind.value, value) for kind, value in section.value]
        else:
            lists[section.kind.value.title()] = list(_entries(section.value))
    return "\n\n".join(texts), lists, examples


def _entries(items: Iterable[Any]) -> Iterator[Entry]:
    """The items of a section; those of one line, ``timeout, retries : …``, are one entry."""
    last: Entry | None = None
    for item in items:
        name = getattr(item, "name", None)
        # In our docstrings the colon is followed by what is said, the type stands in the signature.
        said = " ".join(str(part) for part in (item.annotation if name else None, item.description) if part)
        entry = Entry([name or str(item.annotation)], " ".join(said.split()))
        if last is not None and last.text == entry.text:
            last.names.append(entry.names[0])
            continue
        if last is not None:
            yield last
        last = entry
    if last is not None:
        yield last


def _item(entry: Entry) -> str:
    return f"- {', '.join(f'`{name}`' for name in entry.names)}: {entry.text}"


def _signature(name: str, thing: Any) -> str:
    """How it is called, on one line or on one for each parameter."""
    if thing.is_class:
        constructor = thing.all_members.get("__init__")
        whole = f"{name}()" if constructor is None else constructor.signature(name=name, return_type=False)
        whole = whole.replace("(self, ", "(").replace("(self)", "()")
    else:
        whole = thing.signature(name=name).replace("(self, ", "(").replace("(self)", "()").replace("(cls, ", "(")
        whole = ("async def " if "async" in thing.labels else "def ") + whole
    if len(whole) <= WIDTH:
        return whole
    begin, inner, end = _parted(whole)
    return "\n".join([f"{begin}(", *(f"    {part}," for part in inner), f"){end}"])


def _parted(signature: str) -> tuple[str, list[str], str]:
    """What stands before the parameters, each of them, and what stands behind."""
    begin, _, rest = signature.partition("(")
    parts, depth = [""], 0
    for i, character in enumerate(rest):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return begin, [part.strip() for part in parts if part.strip()], rest[i + 1 :]
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    raise ValueError(f"{signature!r} has no end")


def _import_path(name: str) -> str:
    if _is_exported(name):
        return "crystallize"
    return next((module for module, names in FORMER_MODULES.items() if name in names), HOMES[name])


def _is_exported(name: str) -> bool:
    import crystallize

    return name in crystallize.__all__


def _linked(text: str, page: str) -> str:
    """The text, with public names in backticks as links to their entries; code and headings stay as they are."""
    blocks = re.split(r"(^```.*?^```$|^#[^\n]*$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(block if i % 2 else re.sub(r"`(\w+)(\.\w+)?`", _link, block) for i, block in enumerate(blocks))


def _link(match: re.Match[str]) -> str:
    page = PAGE_OF.get(match[1])
    if page is None:
        return match[0]
    return f"[{match[0]}]({page}.md#{(match[1] + (match[2] or '').replace('.', '')).lower()})"


def _single_ticks(text: str) -> str:
    return re.sub("(?<!`)``(?!`)", "`", text)


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```\n"


if __name__ == "__main__":
    main()
