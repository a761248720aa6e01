import logging
from pathlib import Path

import pytest

from crystallize.errors import DefinitionError, MissingFileError
from crystallize.experiment.folders.references import Catalog, find_configs, find_experiments_root, peek_name

from ..projects import write_files


@pytest.mark.contract("3.3.1", "4.2.1")
def test_configurations_are_found_at_any_depth_and_no_others(tmp_path: Path) -> None:
    wanted = ["config.yaml", "a/config.yaml", "deep/er/b/config.yaml"]
    unwanted = [
        ".hidden/config.yaml",
        "node_modules/x/config.yaml",
        "lib/site-packages/x/config.yaml",
        "env/pyvenv.cfg",
        "env/x/config.yaml",
        "data/.crystallize/store.db",
        "data/exp/config.yaml",
        "a/other.yaml",
    ]
    write_files(tmp_path, dict.fromkeys([*wanted, *unwanted], ""))
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)

    found = [path.relative_to(tmp_path).as_posix() for path in find_configs(tmp_path)]

    assert found == wanted


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name: a\nsteps: [\n", "a"),
        ("steps: [x]\nname: 'b c'\n", "b c"),
        ("{steps: [name], name: c}", "c"),
        ("outputs:\n  name: x\nsteps:\n  - name\n", None),
        ("outputs: {name: x}\n? [name]\n: y\n", None),
        ("name:\n", None),
        ("name: [a]\n", None),
        ("- name: a\n", None),
        ("steps: [\n", None),
        ("", None),
    ],
)
def test_the_name_is_peeked_without_reading_the_rest(tmp_path: Path, text: str, name: str | None) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)

    assert peek_name(path) == name


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    write_files(
        tmp_path,
        {
            "one/config.yaml": "name: alpha\n",
            "beta/config.yaml": "",
            "alpha/config.yaml": "name: gamma\n",
            "x/twin/config.yaml": "",
            "y/twin/config.yaml": "",
            "broken/config.yaml": "a: [\n",
        },
    )
    return Catalog(tmp_path)


@pytest.mark.contract("6.19", "3.3.1")
@pytest.mark.parametrize(
    ("name", "folder"), [("alpha", "one"), ("beta", "beta"), ("one", "one"), ("gamma", "alpha"), ("broken", "broken")]
)
def test_a_declared_name_wins_over_a_folder(catalog: Catalog, name: str, folder: str) -> None:
    assert catalog.find(name) == catalog.root / folder / "config.yaml"


def test_a_name_that_fits_two_is_an_error_listing_both(catalog: Catalog) -> None:
    with pytest.raises(DefinitionError) as caught:
        catalog.find("twin", path=Path("config.yaml"), line=3)

    assert str(caught.value).startswith("config.yaml:3: experiment 'twin' fits 2 configurations: ")
    assert "x/twin/config.yaml" in str(caught.value)
    assert "y/twin/config.yaml" in str(caught.value)


def test_an_unknown_name_comes_with_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(MissingFileError, match=r"no experiment 'alfa' .*did you mean 'alpha'"):
        catalog.find("alfa")


def test_a_changed_file_is_read_again_after_a_refresh(catalog: Catalog) -> None:
    assert catalog.named("delta") == []
    path = catalog.root / "beta/config.yaml"
    path.write_text("name: delta\n")

    assert catalog.named("delta") == []
    catalog.refresh()
    assert catalog.named("delta") == [path]


@pytest.mark.contract("3.3.6")
@pytest.mark.parametrize("start", ["p/experiments/a/config.yaml", "p/experiments/a", "p/experiments", "p", "p/src"])
def test_the_experiments_folder_is_found_around_and_beside(tmp_path: Path, start: str) -> None:
    write_files(tmp_path, {"p/experiments/a/config.yaml": "", "p/src/x.py": ""})

    assert find_experiments_root(tmp_path / start) == tmp_path / "p/experiments"


@pytest.mark.contract("3.3.6")
def test_without_an_experiments_folder_strict_raises_and_else_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(MissingFileError):
        find_experiments_root(tmp_path)

    with caplog.at_level(logging.WARNING, logger="crystallize"):
        assert find_experiments_root(tmp_path, strict=False) == tmp_path
    assert "no folder 'experiments'" in caplog.text
