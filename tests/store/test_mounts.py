from pathlib import Path

import pytest

from crystallize.store.mounts import network_file_system

TABLE = """\
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/ann/scratch\\040disk xfs rw 0 0
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    (tmp_path / "mounts").write_text(TABLE, encoding="utf-8")
    return tmp_path / "mounts"


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/srv/x", None), ("/home/ann/x", "nfs4"), ("/homework", None), ("/home/ann/scratch disk/x", None)],
)
def test_the_innermost_mount_counts(mounts: Path, folder: str, kind: str | None) -> None:
    assert kind == network_file_system(Path(folder), mounts)


def test_where_there_is_no_table_everything_is_local(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "absent") is None
