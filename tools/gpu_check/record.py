"""The results of a check: each entry of its parts with its own errors and time limit, written to files as soon as it is known."""

import json
import os
import pathlib
import sys
import time
import traceback

from .processes import Running, how_it_ended

LONGEST_TEXT = 4000  # characters of one text among the results
LONGEST_LOGGED = 2 << 20  # characters of one output: device assertions print a line a thread
SHORTEST_ENTRY = 5  # seconds


def shortened(text, longest=LONGEST_TEXT):
    if len(text) <= longest:
        return text
    return f"{text[:longest // 2]}\n... {len(text) - longest} characters left out ...\n{text[-longest // 2:]}"


class Failed(Exception):
    """An entry that failed; `details` go to its results."""

    def __init__(self, message, **details):
        super().__init__(message)
        self.details = details


class OutOfMemory(Failed):
    """A size that does not fit a device, which is a result and not a failure."""


class Skipped(Exception):
    """An entry for which this machine lacks something."""


class Record:
    """Writes FILE.json after every entry and everything that commands print to FILE.log. A killed check leaves both, and the
    output of the command that was running in FILE.running.stdout and FILE.running.stderr."""

    def __init__(self, file, budget, header):
        self.file = pathlib.Path(file).resolve()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.log = self.file.with_suffix(".log")
        self.log.write_text("")
        self.prefix = self.file.with_suffix(".running")
        self.started = time.monotonic()
        self.end = self.started + budget
        self.limit = budget  # of a command
        self.results = {**header, "budget_seconds": budget, "failed": [], "left_out": [], "skipped": [], "running": None, "parts": {}}
        self.write()

    def left(self):
        return self.end - time.monotonic()

    def write(self):
        self.results["seconds"] = round(time.monotonic() - self.started, 1)
        new = self.file.with_suffix(".new")
        try:
            new.write_text(json.dumps(self.results, indent=1) + "\n")
            os.replace(new, self.file)
        except OSError as error:
            print(f"{self.file}: {error}", file=sys.stderr)

    def note(self, text):
        with open(self.log, "a", encoding="utf-8", errors="replace") as log:
            log.write(text + "\n")

    def add(self, part, name, action, limit):
        """Runs `action`, which returns the results; `limit` is that of each of its commands, in seconds."""
        entries = self.results["parts"].setdefault(part, {})
        title = f"{part}: {name}"
        if self.left() < SHORTEST_ENTRY:
            entries[name] = {"left_out": "the budget is spent"}
            self.results["left_out"].append(title)
            return self.write()
        self.results["running"] = title
        self.write()
        self.note(f"\n===== {title}")
        print(title, file=sys.stderr)
        started, self.limit = time.monotonic(), limit
        try:
            entries[name] = action()
        except Skipped as skipped:
            entries[name] = {"skipped": str(skipped)}
            self.results["skipped"].append(title)
        except OutOfMemory as failed:
            entries[name] = {"out_of_memory": str(failed)}
        except Failed as failed:
            entries[name] = {"failed": str(failed), **{key: value for key, value in failed.details.items() if value}}
        except Exception as error:  # whatever it was, the other entries are worth their time
            entries[name] = {"failed": f"{type(error).__name__}: {error}", "traceback": shortened(traceback.format_exc())}
        if "failed" in entries[name]:
            self.results["failed"].append(title)
            print(f"{title}: {entries[name]['failed']}", file=sys.stderr)
        entries[name] = {**entries[name], "took_s": round(time.monotonic() - started, 1)}
        self.results["running"] = None
        self.write()

    def running(self, command, environment=None, folder=None):
        return Logged(self, command, environment, folder)

    def run(self, command, environment=None, folder=None, limit=None):
        """Status, standard output and standard error; the status is None if it did not end in time."""
        with self.running(command, environment, folder) as process:
            status = process.wait(min(limit or self.limit, self.left() - 2))
            return status, process.stdout(), process.stderr()

    def stdout_of(self, command, environment=None, folder=None, limit=None):
        status, output, errors = self.run(command, environment, folder, limit)
        if status == 0:
            return output
        last = " | ".join((errors.strip() or output.strip()).splitlines()[-5:])
        raise Failed(shortened(f"{how_it_ended(status)}: {last}"), command=" ".join(map(str, command)))


class Logged(Running):
    """A process whose output goes to the log when it has ended."""

    def __init__(self, record, command, environment, folder):
        self.record = record
        settings = "".join(f"{name}={value} " for name, value in (environment or {}).items())
        record.note(f"$ {settings}{' '.join(map(str, command))}")
        super().__init__(command, record.prefix, environment, folder)

    def __exit__(self, *reason):
        seconds = self.seconds
        status = self.wait(0)
        super().__exit__(*reason)
        for title, text in (("output", self.stdout()), ("errors", self.stderr())):
            if text:
                self.record.note(f"--- {title}\n{shortened(text, LONGEST_LOGGED)}")
        self.record.note(f"--- {how_it_ended(status)} after {seconds:.1f} s")
        for file in self.files:
            file.unlink()
