#!/usr/bin/env python3
"""Disturbs runs of several ranks at random moments and checks how they end.

  tools/check_faults.py build/release/bin/cloob [--runs 20] [--ranks 3] [--seed 0]

Each run trains a small ResNet on rendered shapes. A random rank gets SIGKILL or SIGSTOP after a random time. Then all processes have to
end within the time-out of the run plus a margin, with status 137 or 75 and a message that names the rank; the run is resumed and must
end with the weights of an undisturbed one. The last runs are started with --max-restarts and have to end like it without help.
"""

import argparse
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

STEPS = 60
TIMEOUT = 4  # seconds, train.timeout_seconds
MARGIN = 30  # the launcher waits before it kills a stopped rank, and processes start slowly on a busy machine

RECIPE = """
objective: cloob
model:
  embed_dim: 32
  image: {kind: resnet, image_size: 64, layers: [1, 1, 1, 1], width: 16, head_width: 64}
  text: {context_length: 16, vocab_size: 49408, width: 64, heads: 2, layers: 1}
data:
  train: shapes/train/*.tar
  webdataset: {image_members: png, json_caption_field: captions}
train: {global_batch_size: 18, steps: %d, precision: fp32, threads: 1, seed: 3, timeout_seconds: %d}
checkpoint: {every_steps: 7, every_epochs: 0}
report: {tensorboard: false}
schedule: {warmup_steps: 4}
""" % (STEPS, TIMEOUT)


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


class Checks:
    def __init__(self, program, ranks, folder):
        self.program, self.ranks, self.folder = program, ranks, folder
        self.failures = 0

    def command(self, run, *options, launch=()):
        return [self.program, "launch", "--nproc", str(self.ranks), *launch, "--", "train", "recipe.yaml", "--run-dir", run, *options]

    def weights(self, run):
        file = self.folder / run / "checkpoints" / f"step_{STEPS:08}" / "weights.safetensors"
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "no weights"

    def complete(self, run, *options):
        done = subprocess.run(self.command(run, *options), cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            self.fail(run, f"status {done.returncode}: {done.stderr[-400:]}")

    def fail(self, run, message):
        self.failures += 1
        print(f"FAILED {run}: {message}", flush=True)

    def disturb(self, run, number, rank, delay, launch=()):
        """Returns status, seconds from the signal to the end of all, and messages."""
        process = subprocess.Popen(self.command(run, launch=launch), cwd=self.folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        metrics = self.folder / run / "metrics.jsonl"
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size > 0):
            time.sleep(0.05)
        time.sleep(delay)
        target = processes_of(run).get(rank)
        begin = time.monotonic()
        if target is not None:
            os.kill(target, number)
        messages = process.communicate()[1]
        seconds = time.monotonic() - begin
        left = processes_of(run)
        if left:
            self.fail(run, f"ranks {sorted(left)} are left behind")
        return process.returncode, seconds, messages


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "recipe.yaml").write_text(RECIPE)
        program = str(arguments.program.resolve())
        subprocess.run([program, "-q", "data", "render-shapes", "shapes", "--train", "72", "--validation", "0", "--held-out", "0"],
                       cwd=folder, check=True)
        checks = Checks(program, arguments.ranks, folder)
        checks.complete("calm")
        calm = checks.weights("calm")
        slowest = 0
        for number in (signal.SIGKILL, signal.SIGSTOP):
            for i in range(arguments.runs):
                run = f"{number.name.lower()}{i}"
                rank, delay = draw.randrange(arguments.ranks), draw.uniform(0, 4)
                with_restart = i >= arguments.runs * 3 // 4
                status, seconds, messages = checks.disturb(run, number, rank, delay,
                                                           ("--max-restarts", "1") if with_restart else ())
                was_late = checks.weights(run) != "no weights" and status == 0
                if with_restart or was_late:
                    if status != 0:
                        checks.fail(run, f"status {status} in spite of a restart: {messages[-400:]}")
                else:
                    slowest = max(slowest, seconds)
                    if status not in ((137,) if number == signal.SIGKILL else (75,)):
                        checks.fail(run, f"status {status}: {messages[-400:]}")
                    if seconds > TIMEOUT + MARGIN:
                        checks.fail(run, f"ended after {seconds:.1f} s")
                    if f"rank {rank}" not in messages:
                        checks.fail(run, f"no message names rank {rank}: {messages[-400:]}")
                    checks.complete(run, "--resume", "auto")
                if checks.weights(run) != calm:
                    checks.fail(run, "other weights than the undisturbed run")
                print(f"{run}: rank {rank} after {delay:.1f} s, status {status}, {seconds:.1f} s", flush=True)
        print(f"{checks.failures} failures; the slowest end took {slowest:.1f} s")
        return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
