from __future__ import annotations

import json
import subprocess
import sys

import pytest

from crystallize.fingerprint import environment
from crystallize.fingerprint.environment import environment_parts


@pytest.fixture(autouse=True)
def forget():
    """Each test reads what is installed anew."""
    caches = [
        environment._python,
        environment._platform,
        environment._package_parts,
        environment._distributions_by_package,
        environment._distribution,
    ]
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An installed-packages folder of our own; returns a function that puts a distribution there."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def install(name, version, *, requires=(), origin=None, record="", modules=()):
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        required = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}")
        (info / "RECORD").write_text(record)
        if modules:
            (info / "top_level.txt").write_text("\n".join(modules))
        if origin is not None:
            (info / "direct_url.json").write_text(json.dumps(origin))
        return folder

    return install


def previews(*packages):
    return {part.name: part.preview for part in environment_parts(packages)}


def test_interpreter_and_platform_are_always_parts():
    parts = previews()

    assert parts["env.python"] == f"python {sys.version_info.major}.{sys.version_info.minor}"
    assert parts["env.platform"].startswith(f"{sys.platform}-")
    assert len(parts) == 2


@pytest.mark.parametrize(
    ("machine", "normal"), [("AMD64", "x86_64"), ("x86_64", "x86_64"), ("arm64", "aarch64"), ("riscv64", "riscv64")]
)
def test_machine_names_are_normalised(monkeypatch, machine, normal):
    monkeypatch.setattr(environment, "_machine", lambda: machine)

    assert previews()["env.platform"] == f"{sys.platform}-{normal}"


def test_without_packages_no_metadata_is_imported():
    program = (
        "import sys; from crystallize.fingerprint.environment import environment_parts;"
        "environment_parts(()); sys.exit('importlib.metadata' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_package_counts_by_version_with_all_it_requires_that_is_installed(site):
    site("alpha", "1.0", requires=["Beta_Lib>=2", "absent", 'gamma; extra == "all"'])
    site("beta-lib", "2.5", requires=['delta ; python_version > "3"'])
    site("gamma", "9")
    site("delta", "0.1", requires=["alpha"])

    parts = previews("alpha")

    assert {name: shown for name, shown in parts.items() if name not in ("env.python", "env.platform")} == {
        "env.alpha": "alpha 1.0",
        "env.beta-lib": "beta-lib 2.5",
        "env.delta": "delta 0.1",
    }


def test_parts_come_in_one_order_whatever_is_asked_first(site):
    site("alpha", "1.0", requires=["beta"])
    site("beta", "1.0")

    assert environment_parts(["beta", "alpha"]) == environment_parts(["alpha", "beta"])


def test_another_version_is_another_digest(site):
    site("alpha", "1.0")
    site("beta", "1.0")
    (_, _, one, two) = environment_parts(["alpha", "beta"])

    assert one.digest != two.digest


def test_a_package_of_another_name_than_its_distribution_is_found(site):
    site("PyAlpha", "3.0", modules=["alphalib"])

    assert previews("alphalib")["env.pyalpha"] == "PyAlpha 3.0"


def digest_with_record(site, origin, record):
    site("alpha", "1.0", origin=origin, record=record)
    return environment_parts(["alpha"])[-1].digest


@pytest.mark.parametrize(
    ("origin", "counts"),
    [
        ({"url": "file:///work/alpha", "dir_info": {}}, True),
        ({"url": "https://git.example/alpha", "vcs_info": {"vcs": "git"}}, True),
        ({"url": "file:///work/alpha", "dir_info": {"editable": True}}, False),
        (None, False),
    ],
)
def test_a_package_installed_from_a_path_counts_by_its_contents_too(site, origin, counts):
    folder = site("alpha", "1.0", origin=origin, record="alpha.py,sha256=one,5\n")
    before = environment_parts(["alpha"])[-1].digest
    (folder / "alpha-1.0.dist-info" / "RECORD").write_text("alpha.py,sha256=two,5\n")
    environment._package_parts.cache_clear()
    environment._distribution.cache_clear()

    after = environment_parts(["alpha"])[-1].digest

    assert (after != before) is counts


def test_where_a_package_was_installed_from_does_not_count(site):
    origin = {"url": "file:///one", "dir_info": {}}
    folder = site("alpha", "1.0", origin=origin, record="alpha.py,sha256=one,5\nalpha-1.0.dist-info/x,,\n")
    before = environment_parts(["alpha"])
    (folder / "alpha-1.0.dist-info" / "direct_url.json").write_text('{"url": "file:///two", "dir_info": {}}')
    (folder / "alpha-1.0.dist-info" / "RECORD").write_text(
        "__pycache__/alpha.pyc,,\nalpha.py,sha256=one,5\nalpha-1.0.dist-info/x,sha256=other,9\n"
    )
    environment._package_parts.cache_clear()
    environment._distribution.cache_clear()

    assert environment_parts(["alpha"]) == before


def test_a_module_without_a_distribution_counts_by_its_contents(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    (folder / "loosemodule.py").write_text("A = 1")
    before = environment_parts(["loosemodule"])[-1]
    (folder / "loosemodule.py").write_text("A = 2")
    environment._package_parts.cache_clear()

    after = environment_parts(["loosemodule"])[-1]

    assert before.preview == "loosemodule (version unknown)"
    assert before.digest != after.digest


def test_a_package_without_a_distribution_counts_by_all_its_files(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "loosepackage"
    package.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(package.parent))
    (package / "__init__.py").touch()
    before = environment_parts(["loosepackage"])
    (package / "more.py").write_text("A = 2")
    environment._package_parts.cache_clear()

    assert environment_parts(["loosepackage"]) != before


def test_a_name_that_nothing_provides_is_a_part_that_says_so():
    assert previews("no_such_package_anywhere")["env.no_such_package_anywhere"].endswith("(not found)")


def test_crystallize_itself_never_counts(site):
    site("alpha", "1.0", requires=["crystallize-dag"])

    assert "env.crystallize-dag" not in previews("alpha")
