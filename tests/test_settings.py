from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.errors import DefinitionError
from crystallize.settings import Settings, load_env_file, project_root


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "crystallize.toml").touch()
    return tmp_path


def toml(project: Path, text: str) -> None:
    (project / "crystallize.toml").write_text(text, encoding="utf-8")


def test_without_file_and_variables_the_defaults_hold(tmp_path):
    settings = Settings.load(tmp_path, {})

    assert settings == Settings(root=tmp_path.resolve())
    assert (settings.artifact_root, settings.store, settings.strategy) == ("data", None, None)
    assert (settings.artifact_retention, settings.big_file_threshold_mb) == (3, 10)


@pytest.mark.parametrize("marker", ["crystallize.toml", "pyproject.toml", ".git", "experiments"])
def test_the_root_is_the_nearest_folder_that_marks_a_project(tmp_path, marker):
    project = tmp_path / "project"
    (project / "deep" / "er").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (project / marker).mkdir()

    assert project_root(project / "deep" / "er") == project.resolve()


def test_a_file_called_experiments_marks_no_project(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "experiments").touch()

    assert project_root(tmp_path / "sub") == tmp_path.resolve()


def test_the_root_of_a_file_is_sought_from_its_folder(project):
    config = project / "config.yaml"
    config.touch()

    assert project_root(config) == project.resolve()


def test_a_folder_in_no_project_is_its_own_root(tmp_path, monkeypatch):
    monkeypatch.setattr("crystallize.settings._is_root", lambda folder: False)

    assert project_root(tmp_path) == tmp_path.resolve()


def test_the_file_says_what_holds(project):
    toml(
        project,
        'data = "results"\nstore = "cache"\nstrategy = "rerun"\nseed = 7\nartifact_retention = 5\n'
        "big_file_threshold_mb = 20\n",
    )

    assert Settings.load(project, {}) == Settings(
        root=project.resolve(),
        artifact_root="results",
        store=project.resolve() / "cache",
        strategy="rerun",
        seed=7,
        artifact_retention=5,
        big_file_threshold_mb=20,
    )


def test_a_variable_wins_over_the_file(project):
    toml(project, 'data = "results"\nartifact_retention = 5\n')
    environ = {"CRYSTALLIZE_DATA": "elsewhere", "CRYSTALLIZE_ARTIFACT_RETENTION": "9"}

    settings = Settings.load(project, environ)

    assert (settings.artifact_root, settings.artifact_retention) == ("elsewhere", 9)


@pytest.mark.parametrize("text", ["", "many", "1.5", "-1"])
def test_a_variable_that_is_no_whole_number_is_ignored(project, text):
    assert Settings.load(project, {"CRYSTALLIZE_ARTIFACT_RETENTION": text}).artifact_retention == 3


def test_an_absolute_store_stays_where_it_is(project, tmp_path):
    store = tmp_path / "far" / "store"

    assert Settings.load(project, {"CRYSTALLIZE_STORE": str(store)}).store == store


def test_an_unknown_strategy_in_a_variable_names_the_variable(project):
    with pytest.raises(DefinitionError, match="CRYSTALLIZE_STRATEGY: unknown strategy 'again'; use resume or rerun"):
        Settings.load(project, {"CRYSTALLIZE_STRATEGY": "again"})


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("seed = 1\ndate = 'x'\n", 2, "unknown key 'date'; did you mean 'data'?"),
        ("\n[tool.crystallize]\n", 2, "unknown key 'tool'; known are"),
        ("strategy = 'again'\n", 1, "unknown strategy 'again'; use resume or rerun"),
        ("seed = 'one'\n", 1, "'seed' is 'one'; give it a whole number"),
        ("artifact_retention = true\n", 1, "'artifact_retention' is True; give it a whole number"),
        ("artifact_retention = -1\n", 1, "'artifact_retention' is -1; give it 0 or more"),
        ("data = 3\n", 1, "'data' is 3; give it a text"),
        ("seed = 1\nseed =\n", 2, "this is not TOML"),
        ("seed = 1\nseed = 2\n", 2, "this is not TOML"),
    ],
)
def test_a_wrong_file_gives_one_line_with_place_fact_and_remedy(project, text, line, message):
    toml(project, text)

    with pytest.raises(DefinitionError) as caught:
        Settings.load(project, {})

    told = str(caught.value)
    assert told.startswith(f"{project.resolve() / 'crystallize.toml'}:{line}: ")
    assert message in told
    assert "\n" not in told


def test_a_file_that_is_not_utf8_is_told(project):
    (project / "crystallize.toml").write_bytes(b'data = "\xff"')

    with pytest.raises(DefinitionError, match="not UTF-8"):
        Settings.load(project, {})


def test_a_byte_order_mark_does_no_harm(project):
    (project / "crystallize.toml").write_bytes(b"\xef\xbb\xbfseed = 3\r\n")

    assert Settings.load(project, {}).seed == 3


def test_the_environment_is_kept_and_never_shown(project):
    settings = Settings.load(project, {"API_TOKEN": "hunter2"})

    assert settings.environ["API_TOKEN"] == "hunter2"
    assert "hunter2" not in repr(settings)


def test_later_changes_of_the_environment_do_not_reach_the_settings(project):
    environ = {"DATA_DIR": "one"}
    settings = Settings.load(project, environ)
    environ["DATA_DIR"] = "two"

    assert settings.environ["DATA_DIR"] == "one"


def test_observing_is_on_unless_the_file_says_false(project):
    by_default = Settings.load(project, {}).observe
    toml(project, "observe = false\n")

    assert by_default
    assert not Settings.load(project, {"CRYSTALLIZE_OBSERVE": "true"}).observe


def test_observe_is_no_number(project):
    toml(project, "observe = 0\n")

    with pytest.raises(DefinitionError, match="'observe' is 0; give it true or false"):
        Settings.load(project, {})


@pytest.mark.contract("4.1.3")
def test_an_env_file_adds_what_is_not_set_already(project, monkeypatch):
    environ = {"SET": "before"}
    monkeypatch.setattr("os.environ", environ)
    (project / ".env").write_text(
        '# mine\nSET=after\nexport NAME="ä b"\nCRYSTALLIZE_STRATEGY=resume\n', encoding="utf-8"
    )
    (project / "deep").mkdir()

    load_env_file(project / "deep")

    assert environ == {"SET": "before", "NAME": "ä b", "CRYSTALLIZE_STRATEGY": "resume"}
    assert Settings.load(project).strategy == "resume"


def test_without_an_env_file_the_environment_stays_as_it_is(project, monkeypatch):
    environ = {"SET": "before"}
    monkeypatch.setattr("os.environ", environ)
    (project / ".env").mkdir()

    load_env_file(project)

    assert environ == {"SET": "before"}


def test_an_env_file_that_is_no_text_is_told(project):
    (project / ".env").write_bytes(b"NAME=\xff\xfe\n")

    with pytest.raises(DefinitionError, match=r"\.env: this is not UTF-8 text; save it as UTF-8"):
        load_env_file(project)
