"""Which file system a folder lies on, and whether it takes any writing. Network ones are known on Linux only."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
NETWORK = {
    *(
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
    ),
    *("ocfs2", "orangefs", "smb3", "smbfs"),
    *("fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
}


def network_file_system(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system that holds `folder`, which need not exist; None: it is local."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    where = folder.resolve()
    held = {Path(_unescape(point)): kind for _, point, kind, *_ in map(str.split, lines)}
    for place in (where, *where.parents):
        if place in held:
            return held[place] if held[place] in NETWORK else None
    return None


def is_read_only(file: Path) -> bool:
    """Whether a file is there that can be read, while it, or what SQLite puts beside it, cannot be written."""
    return file.exists() and not all(os.access(path, os.W_OK) for path in (file, file.parent))


def _unescape(point: str) -> str:
    """A mount point as ``/proc`` writes it: blanks and backslashes as octal escapes."""
    return point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
