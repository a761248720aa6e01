"""Inputs from servers: downloaded once for each version, and what reads them decided on their contents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from tests.stories.pipelining import Pipelines
from tests.valohai.serving import Files, serving

COUNT = {
    "valohai.yaml": """
        - step:
            name: count
            image: busybox
            command: cat $VH_INPUTS_DIR/data/* | wc -l > $VH_OUTPUTS_DIR/count; ls $VH_INPUTS_DIR/data
            inputs:
              - {name: data, default: "REFERENCE"}
        - step:
            name: report
            image: busybox
            command: cat $VH_INPUTS_DIR/count/count > $VH_OUTPUTS_DIR/report
            inputs: [{name: count}]
        - pipeline:
            name: counting
            reuse-executions: true
            nodes:
              - {name: count, type: execution, step: count}
              - {name: report, type: execution, step: report}
            edges:
              - [count.output.count, report.input.count]
        """
}
BUCKET_ENVIRON = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}


def project(folder: Path, reference: str, environ: dict[str, str]) -> Pipelines:
    story = Pipelines(folder, {"valohai.yaml": COUNT["valohai.yaml"].replace("REFERENCE", reference)})
    story.environ = environ
    return story


@pytest.fixture
def files() -> Iterator[Files]:
    with serving() as served:
        yield served


@pytest.fixture
def bucket() -> Iterator[tuple[S3Store, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    name = f"bucket-{port}"  # what is in one server is in all of this process
    try:
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=name)
        yield (
            S3Store(
                name,
                endpoint=endpoint,
                access_key_id="test",
                secret_access_key="test",
                region="us-east-1",
                client_options={"allow_http": True},
            ),
            endpoint,
        )
    finally:
        server.stop()


def test_an_address_is_downloaded_once_and_again_when_it_has_changed(tmp_path: Path, files: Files) -> None:
    files.contents["/a.csv"] = b"1\n2\n"
    story = project(tmp_path, f"{files.url}/a.csv", {})

    first = story.pipeline(name="counting")
    downloads = [path for method, path, _ in files.asked if method == "GET"]
    second = story.pipeline(name="counting")

    assert set(first) == {"count", "report"}
    assert second == {}
    assert [path for method, path, _ in files.asked if method == "GET"] == downloads == ["/a.csv"]

    files.contents["/a.csv"] = b"3\n4\n"
    changed = story.pipeline(name="counting")

    assert set(changed) == {"count"}, "as many lines as before: the report is the same"


def test_a_dry_run_downloads_nothing(tmp_path: Path, files: Files) -> None:
    files.contents["/a.csv"] = b"1\n"
    story = project(tmp_path, f"{files.url}/a.csv", {})

    jobs = story.document("pipeline", "run", "counting", "--dry-run")["jobs"]

    assert [job["state"] for job in jobs] == ["undecided", "undecided"]
    assert jobs[0]["reason"] == f"waits for counting: the download of {files.url}/a.csv"
    assert [method for method, _, _ in files.asked] == ["HEAD"]


def test_without_versions_it_is_downloaded_every_time_and_the_contents_decide(tmp_path: Path, files: Files) -> None:
    files.contents["/a.csv"] = b"1\n"
    files.versions = False
    story = project(tmp_path, f"{files.url}/a.csv", {})
    story.pipeline(name="counting")

    assert story.pipeline(name="counting") == {}
    assert len([path for method, path, _ in files.asked if method == "GET"]) == 2


def test_an_address_that_is_gone_fails_before_anything_runs(tmp_path: Path, files: Files) -> None:
    story = project(tmp_path, f"{files.url}/a.csv", {})

    said = story.command("pipeline", "run", "counting", "--runtime", "local", code=2).stderr

    assert "the server says 404" in said


def test_a_glob_on_a_bucket_is_what_matches_now(tmp_path: Path, bucket: tuple[S3Store, str]) -> None:
    store, endpoint = bucket
    for name, data in {"v1/a.csv": b"1\n", "v1/b.csv": b"2\n", "v1/notes.txt": b"x", "v1/deep/c.csv": b"3\n"}.items():
        obstore.put(store, name, data)
    story = project(
        tmp_path, f"s3://{store.config['bucket']}/v1/*.csv", {**BUCKET_ENVIRON, "AWS_ENDPOINT_URL": endpoint}
    )

    story.pipeline(name="counting")
    log = story.command("execution", "logs", "1").stdout

    assert log.split() == ["a.csv", "b.csv"]
    assert story.pipeline(name="counting") == {}

    obstore.put(store, "v1/z.csv", b"4\n")
    added = story.pipeline(name="counting")

    assert set(added) == {"count", "report"}

    obstore.put(store, "v1/a.csv", b"1\n")

    assert story.pipeline(name="counting") == {}, "written again with the same bytes"


def test_all_folders_below_and_their_names_can_be_had(tmp_path: Path, bucket: tuple[S3Store, str]) -> None:
    store, endpoint = bucket
    name = store.config["bucket"]
    for path in ("v1/a.csv", "v1/deep/a.csv"):
        obstore.put(store, path, path.encode())
    story = project(tmp_path, f"s3://{name}/v1/**.csv", {**BUCKET_ENVIRON, "AWS_ENDPOINT_URL": endpoint})
    text = (tmp_path / "valohai.yaml").read_text(encoding="utf-8")
    clash = story.command("pipeline", "run", "counting", "--runtime", "local", code=1).stdout
    story.write(
        "valohai.yaml",
        text.replace('.csv"}', '.csv", keep-directories: suffix}').replace(
            "cat $VH_INPUTS_DIR/data/*", "find $VH_INPUTS_DIR/data -type f"
        ),
    )
    story.pipeline(name="counting")

    assert "two files of input 'data' are called 'a.csv'" in " ".join(clash.split())
    inputs = next(row for row in story.shown("execution", "list")["executions"] if row["step"] == "count")["inputs"]
    assert inputs == {"data": [f"s3://{name}/v1/a.csv", f"s3://{name}/v1/deep/a.csv"]}


def test_an_interrupted_download_goes_on_in_the_next_run(tmp_path: Path, files: Files) -> None:
    files.contents["/big.csv"] = os.urandom(300_000)
    files.break_after = 100_000
    story = project(tmp_path, f"{files.url}/big.csv", {})

    story.pipeline(name="counting")

    assert [wanted for method, _, wanted in files.asked if method == "GET"] == ["", "bytes=100000-"]
