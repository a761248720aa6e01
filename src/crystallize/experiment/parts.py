"""The parts of a trial's manifest that are known before anything runs: code, parameters, context, files, environment.

Turns one experiment into one `PartTable` per condition. A value that cannot be told apart becomes an `Unclear`, never
an exception and never an omission (design 4: fail closed).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from crystallize.errors import NotReusableError
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.inputs import ExperimentInput
from crystallize.experiment.objects.links import READS, Link
from crystallize.experiment.objects.plugins import BasePlugin, SeedPlugin
from crystallize.experiment.objects.step import PipelineStep
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.reached import Reached, ReachedBy
from crystallize.experiment.reads import texts_in
from crystallize.fingerprint.code.codebase import Code, Codebase
from crystallize.fingerprint.code.keeping import Keeping
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.environment import environment_parts
from crystallize.fingerprint.files import StatMemory, declared
from crystallize.fingerprint.left import LEFT
from crystallize.fingerprint.manifest import Part, PartTable, Unclear
from crystallize.fingerprint.reads.observations import Surveyor
from crystallize.fingerprint.secret import HIDDEN, holds_secret, is_secret
from crystallize.fingerprint.values.canonical import digest_value, preview
from crystallize.store.store import Store

SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD")
HOOKS_INSIDE_A_RUN = ("before_run", "before_replicate", "before_step", "after_step", "run_experiment_loop")
_PLAIN_ARTIFACT = Artifact("plain")
MANY = 256
"""Experiments of one plan share names; so many parts that hold nothing else are kept."""


class Surroundings:
    """What the parts of all experiments of one plan share: the code as loaded, the environment, remembered digests.

    Parameters
    ----------
    root : project root; paths below it are taken relative to it.
    environ : the process environment.
    """

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.environ = environ
        self.codebase = Codebase(root, LEFT)
        self.keeping = Keeping()
        self.reached_by = ReachedBy()
        self._surveyors: dict[Path, Surveyor] = {}
        self._environments: dict[frozenset[str], tuple[Part, ...]] = {}

    def surveyor(self, store: Store) -> Surveyor:
        """Who looks at what the records of a store rest on."""
        if store.folder not in self._surveyors:
            self._surveyors[store.folder] = Surveyor(self.root, store, self.codebase, left_out=[store.folder])
        return self._surveyors[store.folder]

    def environment(self, packages: frozenset[str]) -> tuple[Part, ...]:
        """The ``env.…`` parts of code that imports `packages`."""
        if packages not in self._environments:
            self._environments[packages] = tuple(environment_parts(sorted(packages)))
        return self._environments[packages]


class Described(NamedTuple):
    """What the parts of one condition of an experiment come to."""

    table: PartTable
    environment: tuple[Part, ...]
    """Of its parts, those of what is installed."""
    reached: Reached
    texts: Collection[str]
    """In values and code, names of files perhaps among them."""


class PartMaker:
    """Collects the parts of one experiment.

    Parameters
    ----------
    memory : remembers digests of files.
    secret_key : 32 bytes; values of environment variables, and those under names of secrets, are hashed with it.
    """

    def __init__(self, around: Surroundings, memory: StatMemory, secret_key: bytes) -> None:
        self._around = around
        self._memory = memory
        self._secret_key = secret_key
        self._parts: list[Part] = []
        self._unclear: list[Unclear] = []
        self._codes: dict[int, Code] = {}
        """All code that is a part, by identity."""
        self._inner: dict[int, Code] = {}
        """The code that values hold."""
        self._packages: frozenset[str] = frozenset()
        """Those that count beside what the code imports."""
        self._names: dict[str, int] = {}
        self._texts: set[str] = set()
        """In values, names of files perhaps among them."""

    def table(self) -> PartTable:
        """All parts so far, then the environment that their code needs."""
        return self.described().table

    def described(self) -> Described:
        """The table, and what else is to be known of the code and the values behind its parts."""
        of_parts = self._around.reached_by(self._codes.values())
        reached = self._reached if self._inner else of_parts
        parts, notes = list(self._parts), list(reached.notes)
        for name in reached.environ:
            if any(word in name.upper() for word in SECRET_WORDS):
                notes.append(f"environment variable {name} is read and, as a secret, does not count")
            else:
                parts.append(self._variable(name))
        environment = self._around.environment(reached.packages | self._packages)
        table = PartTable((*parts, *environment), unclear=self._unclear, pieces=of_parts.pieces, notes=notes)
        return Described(table, environment, reached, reached.texts | self._texts if self._texts else reached.texts)

    @property
    def _reached(self) -> Reached:
        """What all code met so far reaches."""
        return self._around.reached_by((self._codes | self._inner).values())

    def extended(self) -> PartMaker:
        """A maker that starts from the parts so far; what is added to it is not added here."""
        copy = PartMaker(self._around, self._memory, self._secret_key)
        copy._parts, copy._unclear = list(self._parts), list(self._unclear)
        copy._codes, copy._inner = dict(self._codes), dict(self._inner)
        copy._packages, copy._texts = self._packages, set(self._texts)
        copy._names = dict(self._names)
        return copy

    def add_steps(self, steps: Iterable[Any]) -> None:
        """Each step's code and explicit parameters, and their order."""
        self._parts.append(_steps_part(tuple([self._add_definition(step) for step in steps])))

    def add_datasource(self, source: DataSource, alias: str = "") -> None:
        """The code and parameters of a datasource; what it reads of other experiments comes with the links.

        What it has fetched of outside state comes as an input, and only the packages count that this may be made of.
        """
        if source.volatile:
            alone = PartMaker(self._around, self._memory, self._secret_key)
            alone.add_fetch(source)
            self._packages |= alone._reached.packages
        elif isinstance(source, ExperimentInput):
            aliases = list(source.inputs)
            digest = digest_of("aliases/1", *(name.encode() for name in aliases))
            self._parts.append(Part("datasource" + alias, digest, ", ".join(aliases)))
            for name, inner in source.inputs.items():
                self.add_datasource(inner, f"{alias}.{name}")
        elif not isinstance(source, READS):
            self._add_definition(source, alias)

    def add_fetch(self, source: DataSource) -> None:
        """The code and parameters of a source of outside state."""
        self._add_definition(source)

    def add_links(self, links: Iterable[Link]) -> None:
        """The loader of each link, and how many replicates it reads."""
        for link in links:
            name = f"code.input.{link.port}"
            if link.loader is not None:
                self._add_code(name, link.loader)
            if isinstance(link.source, Artifact):
                self._add_own_class(name, link.source)
            shape = "path" if link.loader is None else "all replicates" if link.gather else "one"
            # The loader gets a path that ends in the artifact's own name.
            digest = digest_of("link/1", shape.encode(), link.output.encode())
            self._parts.append(Part(f"port.{link.port}", digest, f"{link.output} ({shape})"))

    def add_outputs(self, outputs: Mapping[str, Artifact]) -> None:
        """The file name and writer of each output."""
        for alias, artifact in outputs.items():
            self._add_output(alias, artifact)

    def add_context(self, values: Mapping[str, Any]) -> None:
        """Keys and values that the context starts with, or that a treatment adds."""
        for key, value in values.items():
            self._add_value(f"context.{key}", value)

    def add_treatment(self, name: str, treatment: Treatment | None) -> None:
        """The condition's name and what the treatment does."""
        self._parts.append(_condition_part(name))
        if treatment is None:
            return
        if treatment.apply_map:
            self.add_context(treatment.apply_map)
        elif treatment.definition is not None:
            self._add_code(f"code.treatment.{name}", treatment.definition)

    def add_plugins(self, plugins: Iterable[BasePlugin]) -> None:
        """Project plugins that take part in a run, and a seed function of the user's own."""
        for plugin in plugins:
            kind = type(plugin)
            if isinstance(plugin, SeedPlugin) and plugin.seed_fn is not None:
                self._add_code("code.seed_fn", plugin.seed_fn)
            if kind.__module__.partition(".")[0] == "crystallize" or not plugin.affects_results:
                continue
            if any(getattr(kind, hook) is not getattr(BasePlugin, hook) for hook in HOOKS_INSIDE_A_RUN):
                name = self._unique(f"plugin.{kind.__name__}")
                self._add_code(name, kind)
                self._add_fields(name, plugin)

    def add_files(self, patterns: Iterable[str], folder: Path, ignore: Sequence[str]) -> None:
        """Declared files, folders and globs, relative to `folder`."""
        for pattern in patterns:
            for name, digest, text in declared(pattern, folder, self._memory, ignore=ignore):
                self._parts.append(Part(f"file.{name}", digest, text))

    def code_digest(self, definition: object) -> Digest:
        """The code of a definition met while jobs run, with what it needs of the environment.

        Raises NotReusableError when it cannot be told apart.
        """
        alone = PartMaker(self._around, self._memory, self._secret_key)
        return digest_of("code met/1", alone._code_of(definition), alone.table().digest)

    def _add_definition(self, thing: Any, alias: str = "") -> str:
        """A step or datasource: made from a function, or an instance of a class."""
        definition = getattr(thing, "definition", None)
        name = self._unique(getattr(definition, "__name__", None) or type(thing).__name__)
        if definition is not None:
            self._add_code(f"code.{name}", definition)
            for key, value in thing.explicit_params.items():
                if isinstance(value, Artifact):
                    self._add_output(f"{name}.{key}", value)
                else:
                    self._add_value(f"param.{name}{alias}.{key}", value)
        else:
            self._add_code(f"code.{name}", type(thing))
            self._add_fields(f"param.{name}{alias}", thing)
        self._add_declared(name, thing)
        return name

    def _add_declared(self, name: str, thing: Any) -> None:
        """What the decorator's arguments declare: `version`, `depends_on`, `volatile`; `reads` are files."""
        if thing.version is not None:
            self._add_value(f"code.{name}.version", thing.version)
        for number, dependency in enumerate(thing.depends_on):
            if callable(dependency):
                self._add_code(f"code.{name}.depends_on.{number}", dependency)
            else:
                self._add_value(f"code.{name}.depends_on.{number}", dependency)
        self.add_files(thing.reads, self._around.root, ())
        if thing.volatile and isinstance(thing, PipelineStep):
            self._unclear.append(
                Unclear(
                    f"code.{name}",
                    f"{name} is declared volatile",
                    "fetch what it reads in a volatile datasource, whose contents count",
                )
            )

    def _add_fields(self, name: str, thing: Any) -> None:
        """The fields of an instance, one part each; as one value when it keeps them elsewhere than in `__dict__`."""
        kind = type(thing)
        plain = hasattr(thing, "__dict__") and not any(vars(base).get("__slots__") for base in kind.__mro__)
        if not plain or isinstance(thing, (dict, list, tuple, set, str, int, float)):
            self._add_value(name, thing, holder=thing)
            return
        for field, value in sorted(vars(thing).items()):
            if field == "cacheable" and isinstance(thing, PipelineStep):
                continue  # whether a step may be replayed changes no result
            if isinstance(value, Artifact):
                self._add_output(f"{name}.{field}", value)
            elif not isinstance(value, READS):
                read = partial(getattr, thing, field)
                self._add_value(f"{name}.{field}", value, holder=thing, read=read)

    def _add_output(self, alias: str, artifact: Artifact) -> None:
        self._parts.append(Part(f"output.{alias}", _output_digest(artifact.name), artifact.name))
        self._add_code(f"code.output.{alias}", artifact.writer)
        self._add_own_class(f"code.output.{alias}", artifact)

    def _add_own_class(self, name: str, artifact: Artifact) -> None:
        """The class of an artifact, and the fields it adds, where it is the user's own."""
        if type(artifact) is not Artifact:
            self._add_code(f"{name}.class", type(artifact))
            for field in sorted(vars(artifact).keys() - vars(_PLAIN_ARTIFACT).keys()):
                self._add_value(f"{name}.{field}", vars(artifact)[field])

    def _add_code(self, name: str, definition: object) -> None:
        try:
            code: Code = self._around.codebase.of(definition)
        except NotReusableError as error:
            self._unclear.append(Unclear(name, f"{error.where}: {error.what}", error.remedy))
            return
        self._parts.append(Part(name, code.digest, code.preview))
        self._codes[id(code)] = code

    def _add_value(
        self, name: str, value: Any, *, holder: object = None, read: Callable[[], Any] | None = None
    ) -> None:
        """A value by its contents; of a `holder` that jobs may change, as it was when it was first compiled."""
        self._texts.update(texts_in(value))
        code_of, root = self._code_of, self._around.root
        try:
            digest = digest_value(value, code_of, root=root, where=name)
        except NotReusableError as error:
            self._unclear.append(Unclear(name, f"{error.where}: {error.what}", error.remedy))
            return
        if holder is not None:
            again = read or (lambda: holder)
            digest = LEFT.key(holder, name, digest, lambda: digest_value(again(), code_of, root=root, where=name))
        secret = is_secret(name.rpartition(".")[2])
        if secret or holds_secret(value):
            digest = digest_of("secret/1", blake3(digest, key=self._secret_key).digest())
        self._parts.append(Part(name, digest, HIDDEN if secret else preview(value)))

    def _code_of(self, definition: object) -> Digest:
        """The code of a function or class found inside a value; what it needs counts as well."""
        code = self._around.codebase.of(definition)
        self._inner[id(code)] = code
        return code.digest

    def _variable(self, name: str) -> Part:
        value = self._around.environ.get(name)
        if value is None:
            return Part(f"envvar.{name}", digest_of("envvar/1"), f"{name} (not set)")
        keyed = blake3(value.encode(), key=self._secret_key).digest()
        return Part(f"envvar.{name}", digest_of("envvar/1", keyed), f"{name} (set)")

    def _unique(self, name: str) -> str:
        count = self._names[name] = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name}.{count}"


@lru_cache(MANY)
def _steps_part(names: tuple[str, ...]) -> Part:
    return Part("steps", digest_of("steps/1", *(name.encode() for name in names)), " → ".join(names))


@lru_cache(MANY)
def _condition_part(name: str) -> Part:
    return Part("condition", digest_of("condition/1", name.encode()), name)


@lru_cache(MANY)
def _output_digest(name: str) -> Digest:
    return digest_of("output/1", name.encode())
