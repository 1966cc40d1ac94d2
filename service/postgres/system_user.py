"""Who runs the embedded PostgreSQL when Hansard itself is run by root, which PostgreSQL refuses to be.

PostgreSQL then gets a user of its own, who owns the folders it writes and nothing else. Where a folder above
them, or above its programs, is closed to that user (a checkout in /root, say), the folder gets o+x: it can be
passed through, but not listed. Copying the programs elsewhere would spare those above them, yet the data may
lie below the same closed folder, so there would be two mechanisms where one does.
"""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from msgspec import Struct

NAME = "hansard"


class SystemUser(Struct, frozen=True):
    """An account, as far as a process and its files need it."""

    uid: int
    gid: int
    name: str

    def owns(self, path: Path) -> bool:
        return path.stat().st_uid == self.uid

    def give(self, folder: Path) -> None:
        """Make a folder and all in it this user's own."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def let_through(self, target: Path) -> list[Path]:
        """Open each folder above the target that this user cannot pass through, and tell which those were."""
        closed = [folder for folder in reversed(target.resolve().parents) if not self._passes(folder)]
        for folder in closed:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXOTH)
        return closed

    def _passes(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def user_for(cluster: Path) -> SystemUser | None:
    """The user that must run PostgreSQL on this cluster, or None for the one that runs Hansard."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return SystemUser(owner.st_uid, owner.st_gid, name_of(owner.st_uid))
    return known(NAME) or created(NAME) or known("nobody")


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def known(name: str) -> SystemUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return SystemUser(entry.pw_uid, entry.pw_gid, name)


def created(name: str) -> SystemUser | None:
    useradd = shutil.which("useradd")
    if useradd is None:
        return None
    nowhere = ["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false"]
    subprocess.run([useradd, "--system", "--user-group", *nowhere, name], capture_output=True, check=False)
    return known(name)
