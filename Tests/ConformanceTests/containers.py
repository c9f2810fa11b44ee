"""A program in surroundings like a container's: other mounts, another user, an environment of its own.

As a module it describes such surroundings; as a program (`containers.py JSON PROGRAM ARGUMENT...`) it enters them, in a
mount namespace that ends with the program, and becomes PROGRAM. Only root can do that.
"""

import ctypes
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

CLONE_NEWNS = 0x20000
#: A user that no password file knows.
STRANGER = 12345


@dataclasses.dataclass
class Surroundings:
    """What a kernel finds; by default a system whose temporary folders are fresh and that holds nothing of the user."""

    user: int = STRANGER
    environment: dict = dataclasses.field(default_factory=dict)
    #: Whether the root file system, with all that is mounted in it, is read-only.
    is_read_only: bool = False
    #: Folders on file systems of their own, with their mount options.
    disks: dict = dataclasses.field(default_factory=dict)
    #: Folders and the users that they are made for.
    folders: dict = dataclasses.field(default_factory=dict)

    def command(self, *arguments):
        return [sys.executable, __file__, json.dumps(dataclasses.asdict(self)), *map(str, arguments)]


def can_be_entered():
    """Whether a mount namespace can be made and filled here."""
    probe = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "icl-test", "/mnt"], capture_output=True, text=True
    )
    return os.geteuid() == 0 and probe.returncode == 0


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def make_reachable(path, user):
    """Gives a user a way to a folder below one that is closed to others, as /root is: itself and nothing beside it."""
    for closed in reversed(pathlib.Path(path).parents):
        if not closed.stat().st_mode & 0o001:
            break
    else:
        return
    mount("--bind", path, "/mnt")
    mount("-t", "tmpfs", "-o", "mode=755", "icl-test", closed)
    os.makedirs(path)
    mount("--move", "/mnt", path)


def enter(surroundings, program, reachable):
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        sys.exit(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    # Nothing of what follows is seen outside.
    mount("--make-rprivate", "/")
    for path in reachable:
        make_reachable(path, surroundings.user)
    for folder, options in surroundings.disks.items():
        os.makedirs(folder, exist_ok=True)
        mount("-t", "tmpfs", "-o", options, "icl-test", folder)
    for folder, owner in surroundings.folders.items():
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, owner, owner)
    # The connection file, which Jupyter has written for its own user alone.
    for argument in filter(os.path.isfile, program[1:]):
        os.chown(argument, surroundings.user, surroundings.user)
    if surroundings.is_read_only:
        with open("/proc/self/mounts") as file:
            mounted = [line.split()[1] for line in file]
        kept = ("/proc", "/sys", "/dev", *surroundings.disks)
        for folder in dict.fromkeys(mounted):
            if not any(folder == each or folder.startswith(f"{each}/") for each in kept):
                mount("-o", "remount,bind,ro", folder)
    os.chdir("/")
    os.setgroups([])
    os.setgid(surroundings.user)
    os.setuid(surroundings.user)
    os.execve(program[0], program, surroundings.environment)


if __name__ == "__main__":
    sys.path.remove(str(pathlib.Path(__file__).parent))
    checkout = str(pathlib.Path(__file__).resolve().parents[2])
    enter(Surroundings(**json.loads(sys.argv[1])), sys.argv[2:], [checkout])
