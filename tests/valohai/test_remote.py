"""Objects elsewhere: versions without contents, downloads that go on where they broke off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.valohai.remote import Remote, RemoteError
from tests.valohai.serving import Files, serving


@pytest.fixture
def files() -> Iterator[Files]:
    with serving() as served:
        yield served


def test_a_version_is_known_without_the_contents(files: Files) -> None:
    files.contents["/data/a%20b.csv"] = b"12345"

    [found] = Remote({}).find(f"{files.url}/data/a%20b.csv?token=x")

    assert (found.name, found.path, found.size_bytes) == ("a b.csv", "data/a b.csv", 5)
    assert found.version
    assert [method for method, _, _ in files.asked] == ["HEAD"]


def test_other_contents_are_another_version(files: Files) -> None:
    files.contents["/a"] = b"one"
    before = Remote({}).find(f"{files.url}/a")
    files.contents["/a"] = b"two"

    assert Remote({}).find(f"{files.url}/a") != before


def test_a_download_that_broke_off_goes_on_with_the_rest(files: Files, tmp_path: Path) -> None:
    files.contents["/a"] = bytes(range(256)) * 1000
    remote = Remote({})
    [found] = remote.find(f"{files.url}/a")
    files.break_after = 100_000
    said: list[str] = []

    remote.download(found, tmp_path / "a", said.append)

    assert (tmp_path / "a").read_bytes() == files.contents["/a"]
    assert [wanted for method, _, wanted in files.asked if method == "GET"] == ["", "bytes=100000-"]
    assert len(said) == 1


def test_what_is_not_there_is_said_so_at_once(files: Files) -> None:
    with pytest.raises(RemoteError, match="404"):
        Remote({}).find(f"{files.url}/nothing")


def test_nobody_answers_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="cannot be looked at") as caught:
        Remote({}).find("http://127.0.0.1:1/a")

    assert "\n" not in str(caught.value)


def test_a_bucket_without_an_object_is_refused() -> None:
    with pytest.raises(RemoteError, match="names no object"):
        Remote({}).find("s3://bucket")


def test_what_changed_since_it_was_looked_at_is_not_taken_for_what_it_was(files: Files, tmp_path: Path) -> None:
    files.contents["/a"] = b"one"
    remote = Remote({})
    [found] = remote.find(f"{files.url}/a")
    files.contents["/a"] = b"two"

    with pytest.raises(RemoteError, match="changed since it was looked at"):
        remote.download(found, tmp_path / "a")

    assert not (tmp_path / "a").exists() or (tmp_path / "a").read_bytes() == b""


def test_parts_of_two_versions_are_never_joined(files: Files, tmp_path: Path) -> None:
    files.contents["/a"] = b"1" * 200_000
    remote = Remote({})
    [found] = remote.find(f"{files.url}/a")
    (tmp_path / "a").write_bytes(b"1" * 100_000)
    files.contents["/a"] = b"2" * 200_000

    with pytest.raises(RemoteError, match="changed since it was looked at"):
        remote.download(found, tmp_path / "a")

    assert (tmp_path / "a").read_bytes() == b"1" * 100_000


def test_without_a_version_a_download_that_broke_off_begins_anew(files: Files, tmp_path: Path) -> None:
    files.contents["/a"] = b"1" * 200_000
    files.versions = False
    remote = Remote({})
    [found] = remote.find(f"{files.url}/a")
    files.break_after = 100_000

    remote.download(found, tmp_path / "a")

    assert (tmp_path / "a").read_bytes() == files.contents["/a"]
    assert [wanted for method, _, wanted in files.asked if method == "GET"] == ["", ""]


@pytest.mark.parametrize(
    ("reference", "url", "config", "path"),
    [
        ("gs://bucket/a/b%20c.csv", "gs://bucket", {"google_service_account": "key.json"}, "a/b c.csv"),
        (
            "azure://one/box/a/b.csv",
            "azure://box",
            {"account_name": "one", "azure_storage_account_key": "k"},
            "a/b.csv",
        ),
        ("s3://bucket/a.csv", "s3://bucket", {"aws_region": "eu-west-1"}, "a.csv"),
    ],
)
def test_every_kind_of_bucket_is_addressed_as_it_is_named(
    monkeypatch: pytest.MonkeyPatch, reference: str, url: str, config: dict[str, str], path: str
) -> None:
    environ = {"GOOGLE_SERVICE_ACCOUNT": "key.json", "AZURE_STORAGE_ACCOUNT_KEY": "k", "AWS_REGION": "eu-west-1"}
    made: list[tuple[str, dict[str, str]]] = []
    asked: list[str] = []

    def head(store: object, name: str) -> dict[str, object]:
        asked.append(name)
        return {"path": name, "size": 3, "e_tag": "x"}

    monkeypatch.setattr("obstore.store.from_url", lambda url, config, **_: made.append((url, config)))
    monkeypatch.setattr("obstore.head", head)

    [found] = Remote(environ).find(reference)

    assert made == [(url, config)]
    assert (asked, found.path, found.size_bytes) == ([path], path, 3)


def test_containers_of_one_name_in_two_accounts_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("obstore.store.from_url", lambda url, config, **_: made.append(config["account_name"]))
    monkeypatch.setattr("obstore.head", lambda store, name: {"path": name, "size": 3, "e_tag": "x"})
    remote = Remote({})
    remote.find("azure://one/box/a.csv")
    remote.find("azure://two/box/a.csv")

    assert made == ["one", "two"]


@pytest.mark.parametrize("reference", ["gs://bucket", "azure://account/container", "s3:///a"])
def test_a_reference_that_names_no_object_is_refused(reference: str) -> None:
    with pytest.raises(RemoteError, match="names no object"):
        Remote({}).find(reference)
