"""Edits of a `config.yaml` that keep its comments and its order, and stubs for the functions that it then names.

Texts in, texts out: nothing is written here but by `save`. The editor of screens stands on this.
"""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crystallize.errors import DefinitionError
from crystallize.experiment.folders.config import parse_config
from crystallize.experiment.objects.names import check_name
from crystallize.yaml_lines import Document, parse_document, parse_value


class Kind(NamedTuple):
    """Something that can be added to a configuration."""

    section: str
    module: str
    """Where its stub goes; empty when it needs none."""
    needs: str
    """Name that the stub takes from crystallize; empty for none."""
    stub: str


KINDS: Mapping[str, Kind] = {
    "step": Kind(
        "steps",
        "steps.py",
        "pipeline_step",
        '@pipeline_step()\ndef {name}(data):\n    """What it does."""\n    return data\n',
    ),
    "datasource": Kind(
        "datasource",
        "datasources.py",
        "data_source",
        '@data_source\ndef {name}():\n    """What trials start from."""\n    return []\n',
    ),
    "output": Kind(
        "outputs",
        "outputs.py",
        "",
        'def dump_{name}(value):\n    """The bytes or the text of the file."""\n    return str(value)\n\n\n'
        'def load_{name}(path):\n    """What readers get."""\n    return path.read_text(encoding="utf-8")\n',
    ),
    "treatment": Kind("treatments", "", "", ""),
    "hypothesis": Kind(
        "hypotheses",
        "verifiers.py",
        "verifier",
        '@verifier\ndef {name}(baseline, treatment):\n    """Compares what the replicates recorded."""\n'
        '    return {{"p_value": 1.0}}\n',
    ),
}


class Edited(NamedTuple):
    """What an edit comes to."""

    text: str
    """Of the configuration."""
    modules: Mapping[str, str]
    """File beside it → its whole text, for those that a stub was added to."""


def fault_of(text: str, path: Path) -> DefinitionError | None:
    """What is wrong with `text` as the configuration at `path`; None when nothing is, as far as no code is loaded."""
    try:
        parse_config(parse_document(text, path))
    except DefinitionError as error:
        return error
    return None


def document_of(text: str, path: Path) -> Document | None:
    """`text` with its lines; None when it is no YAML mapping."""
    try:
        return parse_document(text, path)
    except DefinitionError:
        return None


def add(text: str, path: Path, kind: str, name: str, value: str = "") -> Edited:
    """`text` with one more entry, and a stub for it where its module has no function of this name.

    Parameters
    ----------
    kind : one of `KINDS`.
    value : of a treatment its payload, of a datasource a reference, as YAML; may be empty.

    Raises DefinitionError when the name will not do, is there already, or what comes of it is no configuration.
    """
    about = KINDS[kind]
    reference = value if kind == "datasource" and "#" in value else ""
    if kind != "treatment" and not reference and not name.isidentifier():
        raise DefinitionError(f"{name!r} is no name of a function", path=path, remedy="write letters, digits and '_'")
    check_name("condition" if kind == "treatment" else "alias", name, path=path)
    top = _loaded(text, path)
    _add_entry(top, about, kind, name, reference or parse_value(value, kind), path)
    new = _dumped(top, text)
    fault = fault_of(new, path)
    if fault is not None:
        raise fault
    return Edited(new, {} if reference or not about.module else _with_stub(path.with_name(about.module), about, name))


def set_value(text: str, path: Path, keys: Sequence[Any], value: str) -> str:
    """`text` with the YAML `value` at `keys`. Raises DefinitionError when what comes of it is no configuration."""
    top = _loaded(text, path)
    holder = _at(top, keys[:-1])
    holder[keys[-1]] = parse_value(value, ".".join(map(str, keys)))
    return _checked(_dumped(top, text), path)


def move(text: str, path: Path, keys: Sequence[Any], down: bool) -> tuple[str, Sequence[Any]]:
    """`text` with the entry at `keys` moved one place, and where it then is; unchanged at either end."""
    top = _loaded(text, path)
    holder: Any = _at(top, keys[:-1])
    last = keys[-1]
    is_list = isinstance(holder, list)
    order = list(range(len(holder))) if is_list else list(holder)
    at = order.index(last)
    to = at + (1 if down else -1)
    if not 0 <= to < len(order):
        return text, keys
    if is_list:
        comments = holder.ca.items  # ruamel keeps them by place
        here, there = comments.pop(at, None), comments.pop(to, None)
        comments |= {place: comment for place, comment in ((to, here), (at, there)) if comment is not None}
        holder[at], holder[to] = holder[to], holder[at]
        return _checked(_dumped(top, text), path), [*keys[:-1], to]
    value = holder.pop(last)
    holder.insert(to, last, value)
    return _checked(_dumped(top, text), path), keys


def save(path: Path, edited: Edited) -> None:
    """Writes the configuration, and the modules beside it. Raises OSError."""
    for name, module in edited.modules.items():
        _write(path.with_name(name), module)
    _write(path, edited.text)


def _add_entry(top: Any, about: Kind, kind: str, name: str, value: Any, path: Path) -> None:
    section = top.get(about.section)
    if kind in ("step", "hypothesis"):
        if section is None:
            section = top[about.section] = []
        section.append(name if kind == "step" else {"verifier": name})
        return
    if section is None:
        section = top[about.section] = {}
    if isinstance(section, list):  # datasources may be a list of mappings
        section.append({name: value or name})
        return
    if name in section:
        raise DefinitionError(f"there is a {kind} {name!r} already", path=path, remedy="choose another name")
    if kind == "output":
        section[name] = {"file_name": f"{name}.txt", "writer": f"dump_{name}", "loader": f"load_{name}"}
    else:
        section[name] = value or ({} if kind == "treatment" else name)


def _with_stub(module: Path, about: Kind, name: str) -> dict[str, str]:
    """The module with a stub at its end; empty when it has a function of this name, or cannot be read."""
    text = module.read_text(encoding="utf-8") if module.exists() else ""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return {}
    bound = {getattr(node, "name", "") for node in tree.body}
    names = re.findall(r"^def (\w+)", about.stub.format(name=name), flags=re.M)
    if bound & set(names):
        return {}
    if about.needs and about.needs not in _imported(tree):
        text = _with_import(text, tree, f"from crystallize import {about.needs}\n")
    begun = text.rstrip("\n") + "\n\n\n" if text.strip() else ""
    return {module.name: begun + about.stub.format(name=name)}


def _imported(tree: ast.Module) -> set[str]:
    imports = (node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _with_import(text: str, tree: ast.Module, statement: str) -> str:
    """`text` with an import below its docstring and what it takes from the future."""
    line = 0
    for node in tree.body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            line = node.end_lineno or 0
        else:
            break
    lines = text.splitlines(keepends=True)
    before, after = "".join(lines[:line]), "".join(lines[line:])
    gap = "\n" if before and not before.endswith("\n\n") else ""
    rest = [node for node in tree.body if node.lineno > line]
    joins = bool(rest) and isinstance(rest[0], ast.Import | ast.ImportFrom)
    return before + gap + statement + ("" if joins or not rest else "\n\n") + after.lstrip("\n")


def _loaded(text: str, path: Path) -> Any:
    parse_document(text, path)  # says what is wrong in our words
    return _yaml(text).load(text)


def _dumped(top: Any, before: str) -> str:
    file = io.StringIO()
    _yaml(before).dump(top, file)
    return file.getvalue()


def _yaml(text: str) -> Any:
    """A reader and writer that keeps what it can: comments, order, quotes, and how far lists are indented."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    flush = re.search(r"^( *)[\w-]+:[^\S\n]*(?:#.*)?\n(?:\s*(?:#.*)?\n)*\1- ", text, flags=re.M) is not None
    yaml.indent(mapping=2, sequence=2 if flush else 4, offset=0 if flush else 2)
    return yaml


def _at(top: Any, keys: Sequence[Any]) -> Any:
    for key in keys:
        top = top[key]
    return top


def _checked(text: str, path: Path) -> str:
    fault = fault_of(text, path)
    if fault is not None:
        raise fault
    return text


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
