"""Inputs from S3-compatible servers: what matches now counts, by its bytes; what breaks off goes on, or fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import obstore
import pytest

from tests.stories.pipelining import Pipelines
from tests.valohai.buckets import Line, bucket_at, installed_s3rver, line_to, moto_server, s3rver_server

COUNTING = """
- step:
    name: count
    image: busybox
    command:
      - cd $VH_INPUTS_DIR/data
      - ls > $VH_OUTPUTS_DIR/names
      - sha256sum * > $VH_OUTPUTS_DIR/sums
    inputs: [{{name: data, default: "s3://{bucket}/{key}"}}]
- pipeline:
    name: p
    reuse-executions: true
    nodes: [{{name: count, type: execution, step: count}}]
"""


@dataclass
class Bucket:
    """A bucket on a server, and the line to it."""

    store: Any
    line: Line
    name: str


@pytest.fixture(scope="session")
def s3rver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed_s3rver(tmp_path_factory.mktemp("s3rver"))


@pytest.fixture(params=["moto", "s3rver"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    if request.param == "moto":
        server = moto_server()
    else:
        server = s3rver_server(request.getfixturevalue("s3rver"), tmp_path / "buckets")
    with server as port, line_to(port) as line:
        name = f"bucket-{line.port}"  # what is in one moto is in all of this process
        yield Bucket(bucket_at(line.url, name), line, name)


def reading(folder: Path, bucket: Bucket, key: str) -> Pipelines:
    story = Pipelines(folder / "project")
    story.write("valohai.yaml", COUNTING.format(bucket=bucket.name, key=key))
    story.environ = bucket.line.environ
    return story


def seen(story: Pipelines) -> dict[str, str]:
    """Name → SHA-256 of what the command saw last."""
    story.command("pipeline", "run", "p", "--runtime", "local", "--outputs", "out")
    lines = (story.folder / "out" / "sums").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def test_what_a_glob_matches_now_is_what_counts(tmp_path: Path, bucket: Bucket) -> None:
    for name in ("v1/a.csv", "v1/b.csv", "v1/notes.txt"):
        obstore.put(bucket.store, name, name.encode())
    story = reading(tmp_path, bucket, "v1/*.csv")

    assert story.states(name="p") == {"count": "ran"}
    assert list(seen(story)) == ["a.csv", "b.csv"]
    assert story.states(name="p") == {"count": "reused"}

    obstore.put(bucket.store, "v1/notes.txt", b"other notes")
    assert story.states(name="p") == {"count": "reused"}, "no match"

    obstore.put(bucket.store, "v1/c.csv", b"c")
    assert story.states(name="p") == {"count": "ran"}, "one more match"
    assert list(seen(story)) == ["a.csv", "b.csv", "c.csv"]

    obstore.delete(bucket.store, "v1/c.csv")
    assert story.states(name="p") == {"count": "reused"}, "as it was before"

    obstore.put(bucket.store, "v1/b.csv", b"others")
    assert story.states(name="p") == {"count": "ran"}, "other bytes"


def test_names_count_only_as_far_as_the_command_sees_them(tmp_path: Path, bucket: Bucket) -> None:
    for name in ("v1/a.csv", "v2/a.csv", "v2/copy.csv"):
        obstore.put(bucket.store, name, b"the same")
    story = reading(tmp_path, bucket, "v1/a.csv")
    story.states(name="p")

    story.write(".vhignore", "valohai.yaml\n")
    story.states(name="p")
    story.edit("valohai.yaml", "v1/a.csv", "v2/a.csv")
    assert story.states(name="p") == {"count": "reused"}, "the same name and bytes, from elsewhere"

    story.edit("valohai.yaml", "v2/a.csv", "v2/copy.csv")
    assert story.states(name="p") == {"count": "ran"}, "the command lists another name"

    story.edit("valohai.yaml", 'v2/copy.csv"', 'v2/copy.csv", filename: a.csv')
    assert story.states(name="p") == {"count": "reused"}, "an object of any name in the place of that file"


def test_a_download_that_breaks_off_goes_on(tmp_path: Path, bucket: Bucket) -> None:
    data = os.urandom(6_000_000)
    obstore.put(bucket.store, "big.bin", data)
    story = reading(tmp_path, bucket, "big.bin")
    bucket.line.came, bucket.line.cut_after = 0, 2_000_000

    assert story.states(name="p") == {"count": "ran"}
    assert bucket.line.cut_after is None, "it was cut"
    assert seen(story) == {"big.bin": sha256(data).hexdigest()}
    assert bucket.line.came < 2 * len(data)


def test_a_server_that_goes_away_in_the_midst_fails_cleanly_and_the_next_run_takes_the_rest(
    tmp_path: Path, bucket: Bucket
) -> None:
    data = os.urandom(6_000_000)
    obstore.put(bucket.store, "big.bin", data)
    story = reading(tmp_path, bucket, "big.bin")
    bucket.line.cut_after, bucket.line.cut_always = 4_000_000, True

    failed = story.command("pipeline", "run", "p", "--runtime", "local", code=1)

    assert "Traceback" not in failed.stderr
    assert "cannot be downloaded" in " ".join(failed.stdout.split())
    assert story.shown("execution", "list")["executions"] == [], "nothing ran on half of it"

    bucket.line.cut_after = None
    bucket.line.came = 0
    assert seen(story) == {"big.bin": sha256(data).hexdigest()}
    assert bucket.line.came < 4_000_000, "only the rest came"


def test_an_object_that_changed_in_the_midst_is_never_mixed(tmp_path: Path, bucket: Bucket) -> None:
    old, new = os.urandom(6_000_000), os.urandom(6_000_000)
    obstore.put(bucket.store, "big.bin", old)
    story = reading(tmp_path, bucket, "big.bin")
    bucket.line.cut_after, bucket.line.cut_always = 4_000_000, True
    story.command("pipeline", "run", "p", "--runtime", "local", code=1)

    bucket.line.cut_after = None
    obstore.put(bucket.store, "big.bin", new)
    assert seen(story) == {"big.bin": sha256(new).hexdigest()}

    obstore.put(bucket.store, "big.bin", old)
    assert seen(story) == {"big.bin": sha256(old).hexdigest()}
