#!/usr/bin/env python3
"""Disturbs runs of several ranks at random moments and checks how they end.

  tools/check_faults.py build/release/bin/cloob [--kinds kill,stop] [--runs 20] [--ranks 3] [--seed 0]

Each run trains a small ResNet on rendered shapes. What happens to it, after a random time:

  kill    a random rank gets SIGKILL
  stop    a random rank gets SIGSTOP
  error   the data of a random rank is destroyed, so that it ends with an error of its own. Each rank has a working directory with
          a copy of the data, and is started by this script with the variables of torchrun, so that every status is seen
  start   rank 0 gets SIGSTOP while it waits for the others, which are started then
  end     a random rank gets SIGSTOP as soon as the last step is reported: the others may have nothing to wait for any more. If it
          is rank 0, the others pause for a moment, so that their next question to it has no answer

All processes have to end within the time-out of the run plus a margin, with the documented statuses and a message that names the
rank (and its reason, if it had the time to give one). The newest checkpoint has to be good: the run continues from it and must end
with the weights of an undisturbed one. The last quarter of the runs is started with --max-restarts and has to end like it without
help; with 'error', all ranks share their data there, and one sample is destroyed, until a rank has found it.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

STEPS = 60
TIMEOUT = 4  # seconds, train.timeout_seconds
MARGIN = 30  # the launcher waits before it kills a stopped rank, and processes start slowly on a busy machine
START_TIMEOUT = 6  # seconds, distributed.start_timeout_seconds of 'start'
PATIENCE = 60  # seconds after a disturbance, until this script ends what hangs
KINDS = ("kill", "stop", "error", "start", "end")
RANK_FAILURE, USER_ERROR = 75, 2

# An unusable sample is an error, so that none is left out of a step that is compared.
RECIPE = """
objective: cloob
model:
  embed_dim: 32
  image: {kind: resnet, image_size: 64, layers: [1, 1, 1, 1], width: 16, head_width: 64}
  text: {context_length: 16, vocab_size: 49408, width: 64, heads: 2, layers: 1}
data:
  train: shapes/train/*.tar
  webdataset: {image_members: png, json_caption_field: captions}
  max_bad_share: 0
train: {global_batch_size: 18, steps: %d, precision: fp32, threads: 1, seed: 3, timeout_seconds: %d}
checkpoint: {every_steps: 7, every_epochs: 0}
report: {tensorboard: false}
schedule: {warmup_steps: 4}
""" % (STEPS, TIMEOUT)


def weights_of(run_folder):
    """Hash of the final weights."""
    file = run_folder / "checkpoints" / f"step_{STEPS:08}" / "weights.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "no weights"


def processes_of(run):
    """Rank -> process id."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if run.encode() in command and b"launch" not in command:
            ranks = [word[5:] for word in environment if word.startswith(b"RANK=")]
            if ranks:
                found[int(ranks[0])] = int(entry.name)
    return found


def send(process, number):
    with contextlib.suppress(ProcessLookupError):  # it has ended in the meantime
        os.kill(process, number)


def free_port():
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        return handle.getsockname()[1]


class Messages(threading.Thread):
    """The standard error of a process, with the time of each line."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.lines = process, []
        self.start()

    def run(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line.rstrip("\n")))

    def text(self):
        return "\n".join(line for _, line in list(self.lines))

    def time_of_first(self, words):
        return next((when for when, line in list(self.lines) if words in line), None)


@dataclasses.dataclass
class Disturbance:
    kind: str
    run: str  # the run folder, as it stands on the command line
    rank: int  # that is disturbed, if that is to be chosen
    delay: float  # seconds after the first step
    with_restart: bool


@dataclasses.dataclass
class End:
    status: int  # of the launcher, or the first one that is not 75
    seconds: float  # from the disturbance, or the first message about it, to the end of all
    messages: str
    statuses: tuple = ()  # of all ranks, where they are known


class Checks:
    def __init__(self, program, ranks, folder):
        self.program, self.ranks, self.folder = program, ranks, folder
        self.failures = 0
        self.shards = sorted((folder / "shapes" / "train").glob("*.tar"))

    def fail(self, run, message):
        self.failures += 1
        print(f"FAILED {run}: {message}", flush=True)

    def launch(self, run, *options, launch=()):
        command = [self.program, "launch", "--nproc", str(self.ranks), *launch, "--", "train", "recipe.yaml", "--run-dir", run,
                   *options]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def complete(self, run, *options):
        process = self.launch(run, *options)
        messages = process.communicate()[1]
        if process.returncode != 0:
            self.fail(run, f"status {process.returncode}: {messages[-400:]}")
        return messages

    def wait_for_first_step(self, processes, run):
        metrics = self.folder / run / "metrics.jsonl"
        while all(process.poll() is None for process in processes) and not (metrics.exists() and metrics.stat().st_size > 0):
            time.sleep(0.05)

    def wait_for_end(self, what, processes):
        """Statuses. What hangs is a failure, and is killed."""
        end = time.monotonic() + PATIENCE
        while any(process.poll() is None for process in processes) and time.monotonic() < end:
            time.sleep(0.02)
        hanging = [process for process in processes if process.poll() is None]
        if hanging:
            ranks = self.processes_of(what)
            self.fail(what.run, f"ranks {sorted(ranks)} still run after {PATIENCE} s")
            for process in ranks.values():
                send(process, signal.SIGKILL)
        return tuple(process.wait() for process in processes)

    def processes_of(self, what):
        return processes_of(what.run) | processes_of(str(self.folder / what.run))

    def send_signal(self, what):
        """Of 'kill', 'stop' and 'end'."""
        process = self.launch(what.run, launch=("--max-restarts", "1") if what.with_restart else ())
        messages = Messages(process)
        if what.kind == "end":
            while process.poll() is None and messages.time_of_first(f"step {STEPS}/{STEPS} ") is None:
                time.sleep(0.001)
        else:
            self.wait_for_first_step([process], what.run)
            time.sleep(what.delay)
        ranks = processes_of(what.run)
        begin = time.monotonic()
        if what.rank in ranks:
            send(ranks[what.rank], signal.SIGKILL if what.kind == "kill" else signal.SIGSTOP)
        if what.kind == "end" and what.rank == 0:
            self.pause([process for rank, process in ranks.items() if rank > 0])
        status, = self.wait_for_end(what, [process])
        seconds = time.monotonic() - begin
        messages.join()
        return End(status, seconds, messages.text())

    @staticmethod
    def pause(processes):
        """For longer than a watch of the ranks is silent."""
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in processes:
                send(process, number)
            time.sleep(1.5)

    def start_rank(self, what, rank, port, directory, *options):
        """As torchrun does. The run folder has an absolute path, because every rank may have a working directory of its own."""
        variables = {"RANK": rank, "WORLD_SIZE": self.ranks, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": self.ranks,
                     "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        return subprocess.Popen(
            [self.program, "train", str(self.folder / "recipe.yaml"), "--run-dir", str(self.folder / what.run), *options],
            cwd=directory, env={**os.environ, **{name: str(value) for name, value in variables.items()}},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def destroy_data_of_a_rank(self, what):
        port = free_port()
        processes = []
        for rank in range(self.ranks):
            directory = self.folder / f"of_rank{rank}"
            directory.mkdir(exist_ok=True)
            shutil.copytree(self.folder / "shapes", directory / "shapes", dirs_exist_ok=True)
            processes.append(self.start_rank(what, rank, port, directory))
        messages = [Messages(process) for process in processes]
        self.wait_for_first_step(processes, what.run)
        time.sleep(what.delay)
        for shard in (self.folder / f"of_rank{what.rank}").rglob("*.tar"):
            overwrite(shard, 0, shard.stat().st_size)
        statuses = self.wait_for_end(what, processes)
        end = time.monotonic()
        for reader in messages:
            reader.join()
        begin = messages[what.rank].time_of_first("error: ") or end
        status = next((status for status in statuses if status != RANK_FAILURE), RANK_FAILURE)
        return End(status, end - begin, "\n".join(reader.text() for reader in messages), statuses)

    def stop_rank_0_at_the_start(self, what):
        port = free_port()
        options = ("--distributed.start_timeout_seconds", str(START_TIMEOUT))
        first = self.start_rank(what, 0, port, self.folder, *options)
        while first.poll() is None and not is_listening(port):
            time.sleep(0.02)
        send(first.pid, signal.SIGSTOP)
        begin = time.monotonic()
        others = [self.start_rank(what, rank, port, self.folder, *options) for rank in range(1, self.ranks)]
        messages = [Messages(process) for process in others]
        statuses = self.wait_for_end(what, others)
        seconds = time.monotonic() - begin
        first.kill()
        first.communicate()
        for reader in messages:
            reader.join()
        return End(statuses[0], seconds, "\n".join(reader.text() for reader in messages), statuses)

    def destroy_a_sample(self, what, draw):
        """Of all ranks' data, until one of them has found it."""
        process = self.launch(what.run, launch=("--max-restarts", "3"))
        messages = Messages(process)
        self.wait_for_first_step([process], what.run)
        time.sleep(what.delay)
        shard = draw.choice(self.shards)
        begin, size = draw.choice(images_in(shard))
        saved = overwrite(shard, begin, size)
        while process.poll() is None and messages.time_of_first("error: ") is None:
            time.sleep(0.02)
        with open(shard, "r+b") as file:
            file.seek(begin)
            file.write(saved)
        status, = self.wait_for_end(what, [process])
        messages.join()
        found = messages.time_of_first("error: ")
        return End(status, time.monotonic() - found if found else 0, messages.text())

    def disturb(self, what, draw):
        if what.kind == "start":
            end = self.stop_rank_0_at_the_start(what)
        elif what.kind != "error":
            end = self.send_signal(what)
        elif what.with_restart:
            end = self.destroy_a_sample(what, draw)
        else:
            end = self.destroy_data_of_a_rank(what)
        if left := self.processes_of(what):
            self.fail(what.run, f"ranks {sorted(left)} are left behind")
        return end

    def check_end(self, what, end):
        """Of a run that is not restarted by itself."""
        killed = 128 + signal.SIGKILL
        expected = {"kill": (killed,), "stop": (RANK_FAILURE,), "error": (USER_ERROR,), "start": (USER_ERROR, RANK_FAILURE),
                    "end": (RANK_FAILURE, killed)}[what.kind]
        if end.status not in expected:
            self.fail(what.run, f"status {end.status}: {end.messages[-600:]}")
        if end.seconds > TIMEOUT + MARGIN:
            self.fail(what.run, f"ended after {end.seconds:.1f} s")
        if f"rank {what.rank}" not in end.messages:
            self.fail(what.run, f"no message names rank {what.rank}: {end.messages[-600:]}")
        if what.kind == "error":
            self.check_error(what, end)

    def check_error(self, what, end):
        """The others have to tell the reason of the one that failed."""
        expected = tuple(USER_ERROR if rank == what.rank else RANK_FAILURE for rank in range(self.ranks))
        if end.statuses != expected:
            self.fail(what.run, f"statuses {end.statuses}, not {expected}: {end.messages[-600:]}")
        own = re.search(rf"^error: rank {what.rank}: (.*)$", end.messages, re.MULTILINE)
        if not own:
            self.fail(what.run, f"rank {what.rank} says no error: {end.messages[-600:]}")
            return
        told = re.findall(rf"^error: (?:rank \d+: )?rank {what.rank} of {self.ranks} on \S+ failed: (.*): this rank ends as well$",
                          end.messages, re.MULTILINE)
        if len(told) != self.ranks - 1 or set(told) != {own[1]}:
            self.fail(what.run, f"the others do not repeat '{own[1]}': {end.messages[-900:]}")

    def check_continuation(self, what):
        """From the newest checkpoint, to the end."""
        checkpoints = sorted((self.folder / what.run / "checkpoints").glob("step_*"))
        messages = self.complete(what.run, "--resume", "auto")
        if not checkpoints:
            return
        step = int(checkpoints[-1].name.removeprefix("step_"))
        if f"continuing after step {step}" not in messages:
            self.fail(what.run, f"it did not continue from {checkpoints[-1].name}: {messages[-600:]}")


def overwrite(file, begin, size):
    """With zeros. Returns what was there."""
    with open(file, "r+b") as handle:
        handle.seek(begin)
        before = handle.read(size)
        handle.seek(begin)
        handle.write(bytes(size))
    return before


def is_listening(port):
    """Without a connection, which the process would notice."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and int(words[1].rsplit(":", 1)[1], 16) == port:
                return True
    return False


def images_in(shard):
    """Places and sizes of the PNG files in an archive."""
    with tarfile.open(shard) as archive:
        return [(member.offset_data, member.size) for member in archive if member.name.endswith(".png")]


def rows(durations):
    """Of the table of results."""
    return [f"| {name} | {len(seconds)} | {statistics.median(seconds):.1f} s | {max(seconds):.1f} s |"
            for name, seconds in durations.items() if seconds]


def check_kind(checks, kind, runs, draw, calm):
    """Returns rows of the table of results."""
    ended, restarted, too_late = [], [], 0
    for i in range(runs):
        what = Disturbance(kind, f"{kind}{i}", 0 if kind == "start" else draw.randrange(checks.ranks), draw.uniform(0, 4),
                           with_restart=kind != "start" and i >= runs * 3 // 4)
        end = checks.disturb(what, draw)
        was_late = end.status == 0 and "restart 1 of" not in end.messages
        if what.with_restart and end.status != 0:
            checks.fail(what.run, f"status {end.status} in spite of a restart: {end.messages[-600:]}")
        if was_late:
            too_late += 1
        elif what.with_restart:
            restarted.append(end.seconds)
        else:
            ended.append(end.seconds)
            checks.check_end(what, end)
            checks.check_continuation(what)
        if weights_of(checks.folder / what.run) != calm:
            checks.fail(what.run, "other weights than the undisturbed run")
        print(f"{what.run}: rank {what.rank} after {what.delay:.1f} s, status {end.status}, {end.seconds:.1f} s"
              f"{', restarted' if what.with_restart else ''}{', too late' if was_late else ''}", flush=True)
    late = f" ({too_late} further runs were complete before)" if too_late else ""
    return rows({f"{kind}: until all have ended{late}": ended, f"{kind}: until the restarted run was complete": restarted})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"some of {', '.join(KINDS)}, separated by commas")
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    parser.add_argument("--ranks", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    kinds = arguments.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    draw = random.Random(arguments.seed)
    table = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "recipe.yaml").write_text(RECIPE)
        program = str(arguments.program.resolve())
        subprocess.run([program, "-q", "data", "render-shapes", "shapes", "--train", "72", "--validation", "0", "--held-out", "0"],
                       cwd=folder, check=True)
        checks = Checks(program, arguments.ranks, folder)
        checks.complete("calm")
        calm = weights_of(folder / "calm")
        for kind in kinds:
            table += check_kind(checks, kind, arguments.runs, draw, calm)
    print("| what | runs | median | longest |\n|---|---|---|---|\n" + "\n".join(table))
    print(f"{checks.failures} failures")
    return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
