"""Processes whose time is bounded, that leave no others behind, and that end with this one."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def process_table():
    """Id, parent and session of all processes."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()  # behind the name, which may hold anything
        except OSError:  # it has ended
            continue
        yield int(stat.parent.name), int(fields[1]), int(fields[3])


def children_of(parent):
    return sorted(process for process, its_parent, _ in process_table() if its_parent == parent)


def family_of(ancestor):
    """What `ancestor`, which has a session of its own, and its descendants have started, in whatever process groups."""
    table = list(process_table())
    found = {process for process, _, session in table if session == ancestor} | {ancestor}
    while True:
        added = {process for process, parent, _ in table if parent in found} - found
        if not added:
            return found - {ancestor}
        found |= added


def how_it_ended(status):
    if status is None:
        return "not finished in time"
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    return f"status {status}"


class Running:
    """A process whose output goes to the files PREFIX.stdout and PREFIX.stderr. At the end of the scope it and all that it
    started are killed."""

    def __init__(self, command, prefix, environment=None, folder=None):
        self.files = [pathlib.Path(f"{prefix}.{stream}") for stream in ("stdout", "stderr")]
        self.started = time.monotonic()
        with open(self.files[0], "wb") as output, open(self.files[1], "wb") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=folder,
                env={**os.environ, **(environment or {})}, start_new_session=True, preexec_fn=end_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _ in range(3):  # a process may start another while it is being killed
            processes = family_of(self.process.pid)
            if self.process.poll() is None:
                processes.add(self.process.pid)
            for process in processes:
                try:
                    os.kill(process, signal.SIGKILL)
                except OSError:
                    pass
            if not processes:
                return
            self.wait(2)

    def wait(self, limit):
        """The status, negative for a signal; None if it has not ended after `limit` seconds."""
        try:
            return self.process.wait(timeout=max(limit, 0.01))
        except subprocess.TimeoutExpired:
            return None

    @property
    def seconds(self):
        return time.monotonic() - self.started

    def stdout(self):
        return self.files[0].read_text(errors="replace")

    def stderr(self):
        return self.files[1].read_text(errors="replace")
