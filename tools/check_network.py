#!/usr/bin/env python3
"""Trains on two "machines" of one: network namespaces with a real interface between them. The cable is cut and comes back.

  tools/check_network.py build/release/bin/cloob

Each node has a network, a host name, a hosts file and a copy of the data of its own, and in place of the run folders the second
one sees an empty folder that it cannot write to. Ranks get the variables of torchrun and run plain 'cloob train'. Runs of two and of four ranks must end
with the weights of 'cloob launch' on one machine, bit for bit. Then the cable is cut in the middle of a run, on either side, or
loses all packets without a sign: both nodes have to end in time with status 75 and a message that names the other one, and the
same commands continue once the cable is back. Without a cable at the start, both say what is missing. The bytes that a step sends
are those of docs/scaling.md. Needs root (or CAP_NET_ADMIN and CAP_SYS_ADMIN) and iproute2.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from check_faults import MARGIN, RECIPE, TIMEOUT, weights_of

PREFIX = "10.213.71"
PORT = "29500"
# Runs as root in the namespaces of a node: gives it its files, then becomes the command.
ENTER_NODE = """
set -e
echo {host} > /proc/sys/kernel/hostname
mount --bind hosts{node} /etc/hosts
mount --bind data{node} shapes
[ {node} = 0 ] || mount -t tmpfs -o ro none runs
exec "$@"
"""


class Network:
    """Two namespaces, and the cable between them. The names hold the process, so that two checks do not meet."""

    def __init__(self):
        self.names = [f"cloob{os.getpid()}-{node}" for node in (0, 1)]
        self.interfaces = [f"cl{os.getpid()}-{node}" for node in (0, 1)]

    def __enter__(self):
        try:
            for name in self.names:
                self.ip("netns", "add", name)
                self.ip("-n", name, "link", "set", "lo", "up")
            self.ip("link", "add", self.interfaces[0], "netns", self.names[0], "type", "veth",
                    "peer", "name", self.interfaces[1], "netns", self.names[1])
            for node, name in enumerate(self.names):
                self.ip("-n", name, "address", "add", f"{PREFIX}.{node + 1}/24", "dev", self.interfaces[node])
                self.cable(node, "up")
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def cable(self, node, state):
        self.ip("-n", self.names[node], "link", "set", self.interfaces[node], state)

    def lose_packets(self):
        """The nodes send to an address of hardware that nobody has, as behind a switch that fails."""
        for node, name in enumerate(self.names):
            self.ip("-n", name, "neigh", "replace", f"{PREFIX}.{2 - node}", "lladdr", "02:00:00:00:00:01", "nud", "permanent",
                    "dev", self.interfaces[node])

    def deliver_packets(self):
        for node, name in enumerate(self.names):
            self.ip("-n", name, "neigh", "delete", f"{PREFIX}.{2 - node}", "dev", self.interfaces[node])

    def sent_bytes(self, node):
        """Since its interface exists."""
        shown = subprocess.run(["ip", "-n", self.names[node], "-statistics", "-json", "link", "show", self.interfaces[node]],
                               check=True, capture_output=True, text=True)
        return json.loads(shown.stdout)[0]["stats64"]["tx"]["bytes"]

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Job:
    """All ranks of one start."""

    def __init__(self, folder, network, program, ranks_per_node, run, environment, options):
        self.processes = []
        for node, name in enumerate(network.names):
            for local_rank in range(ranks_per_node):
                variables = {"RANK": node * ranks_per_node + local_rank, "WORLD_SIZE": 2 * ranks_per_node,
                             "LOCAL_RANK": local_rank, "LOCAL_WORLD_SIZE": ranks_per_node, "MASTER_PORT": PORT,
                             **environment(node)}
                command = ["ip", "netns", "exec", name, "unshare", "--mount", "--uts", "sh", "-c",
                           ENTER_NODE.format(host=f"cloob-node{node}", node=node), "sh",
                           program, "train", "recipe.yaml", "--run-dir", f"runs/{run}", *options]
                self.processes.append(subprocess.Popen(
                    command, cwd=folder, env={**os.environ, **{key: str(value) for key, value in variables.items()}},
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))

    def finish(self):
        """Statuses and messages of all ranks, in their order."""
        messages = [process.communicate()[1] for process in self.processes]
        return [process.returncode for process in self.processes], messages

    def is_running(self):
        return all(process.poll() is None for process in self.processes)

    def kill(self):
        for process in self.processes:
            process.kill()


class Checks:
    def __init__(self, folder, network, program):
        self.folder, self.network, self.program = folder, network, program
        self.failures = 0
        self.jobs = []

    def check(self, what, is_right, details=""):
        self.failures += not is_right
        print(f"{'ok    ' if is_right else 'FAILED'} {what}{'' if is_right else f': {details}'[-1200:]}", flush=True)

    def start(self, run, ranks_per_node=1, environment=None, options=()):
        self.jobs.append(Job(self.folder, self.network, self.program, ranks_per_node, run,
                             environment or (lambda node: {"MASTER_ADDR": f"{PREFIX}.1"}), options))
        return self.jobs[-1]

    def expect_complete(self, what, job, run, expected):
        statuses, messages = job.finish()
        self.check(f"{what}: all ranks end with status 0", set(statuses) == {0}, (statuses, messages))
        self.check(f"{what}: weights of one machine", weights_of(self.folder / "runs" / run) == expected)

    def on_one_machine(self, ranks):
        run = f"launched{ranks}"
        command = ["unshare", "--mount", "sh", "-c", 'mount --bind data0 shapes && exec "$@"', "sh", self.program, "launch",
                   "--nproc", str(ranks), "--", "train", "recipe.yaml", "--run-dir", f"runs/{run}"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        self.check(f"{ranks} ranks on one machine end with status 0", done.returncode == 0, done.stderr)
        return weights_of(self.folder / "runs" / run)

    def show(self, messages):
        for rank, text in enumerate(messages):
            print(f"       rank {rank}: {text.strip().splitlines()[-1] if text.strip() else 'no message'}")

    def interrupt(self, what, run, cut, mend, expected):
        """Calls `cut` in the middle of a run, and `mend` when it has ended."""
        checkpoint = self.folder / "runs" / run / "checkpoints" / "step_00000021"
        job = self.start(run)
        while job.is_running() and not checkpoint.exists():
            time.sleep(0.02)
        cut()
        begin = time.monotonic()
        statuses, messages = job.finish()
        seconds = time.monotonic() - begin
        mend()
        self.show(messages)
        self.check(f"{what}: both end with status 75", statuses == [75, 75], (statuses, messages))
        self.check(f"{what}: both end in time ({seconds:.1f} s)", seconds < TIMEOUT + MARGIN)
        self.check(f"{what}: rank 0 names rank 1", "rank 1 of 2 on cloob-node1" in messages[0], messages[0])
        self.check(f"{what}: rank 1 names rank 0", "rank 0 (" in messages[1] or "rank 0 of 2" in messages[1], messages[1])
        job = self.start(run, options=("--resume", "auto"))
        self.expect_complete(f"{what}, started again", job, run, expected)
        log = (self.folder / "runs" / run / "log.txt").read_text()
        self.check(f"{what}, started again: it continued from a checkpoint", "continuing after step" in log, log)

    def check_bytes(self):
        """The difference of a longer and a shorter run: what is sent at the start does not count."""
        pairs, dim, steps = 72, 1024, (4, 20)
        options = ("--model.embed_dim", dim, "--train.global_batch_size", pairs, "--checkpoint.every_steps", 0)
        sent = []
        for count in steps:
            before = self.network.sent_bytes(0)
            statuses, messages = self.start(f"bytes{count}", options=(*map(str, options), "--train.steps", str(count))).finish()
            self.check(f"run of {count} steps: all ranks end with status 0", set(statuses) == {0}, (statuses, messages))
            sent.append(self.network.sent_bytes(0) - before)
        measured = (sent[1] - sent[0]) / (steps[1] - steps[0])
        parameters = count_parameters(self.folder / "runs" / f"bytes{steps[0]}" / "checkpoints" / f"step_{steps[0]:08}")
        share = 1 / 2  # (W - 1) / W
        expected = 8 * share * parameters + 48 * share * pairs * dim
        self.check(f"bytes of a step of CLOOB: {measured:,.0f}, by the formula {expected:,.0f}",
                   abs(measured - expected) < 0.02 * expected)  # headers, signs of life, packets sent again at the start

    def start_without_cable(self):
        self.network.cable(1, "down")
        statuses, messages = self.start("apart", options=("--distributed.start_timeout_seconds", "3")).finish()
        self.network.cable(1, "up")
        self.show(messages)
        self.check("no cable at the start: both end with status 2", statuses == [2, 2], (statuses, messages))
        self.check("no cable at the start: rank 0 names rank 1", "rank 1 of 2 did not arrive" in messages[0], messages[0])
        self.check("no cable at the start: rank 1 names rank 0", "rank 0 was not reached" in messages[1], messages[1])

    def all(self):
        expected = {ranks: self.on_one_machine(ranks) for ranks in (2, 4)}
        self.expect_complete("two nodes", self.start("plain"), "plain", expected[2])
        # Debian gives a machine's own name a loopback address, which the other nodes must not be told.
        by_name = lambda node: {"MASTER_ADDR": "cloob-node0"}
        self.expect_complete("rank 0 by its name", self.start("name", environment=by_name), "name", expected[2])
        by_interface = lambda node: {"MASTER_ADDR": f"{PREFIX}.1", "GLOO_SOCKET_IFNAME": self.network.interfaces[node]}
        self.expect_complete("interface by its name", self.start("interface", environment=by_interface), "interface",
                             expected[2])
        self.expect_complete("two nodes of two ranks", self.start("four", ranks_per_node=2), "four", expected[4])
        for node in (0, 1):
            self.interrupt(f"cable cut at node {node}", f"cut{node}", lambda: self.network.cable(node, "down"),
                           lambda: self.network.cable(node, "up"), expected[2])
        self.interrupt("packets lost", "lost", self.network.lose_packets, self.network.deliver_packets, expected[2])
        self.start_without_cable()
        self.check_bytes()


def count_parameters(checkpoint):
    """Without the running statistics of batch norms."""
    with open(checkpoint / "weights.safetensors", "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(entry["shape"]) for name, entry in header.items()
               if name != "__metadata__" and "running_" not in name and "num_batches" not in name)


def reason_to_skip():
    if not shutil.which("ip") or not shutil.which("unshare"):
        return "ip (iproute2) or unshare (util-linux) is not installed"
    try:
        with Network() as network:
            network.ip("netns", "exec", network.names[0], "unshare", "--mount", "--uts", "true")
    except subprocess.CalledProcessError as error:
        return f"namespaces are not permitted ({error.stderr.strip()})"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    program = str(arguments.program.resolve())
    if reason := reason_to_skip():
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "recipe.yaml").write_text(RECIPE)
        subprocess.run([program, "-q", "data", "render-shapes", "data0", "--train", "72", "--validation", "0", "--held-out", "0"],
                       cwd=folder, check=True)
        shutil.copytree(folder / "data0", folder / "data1")
        for folder_name in ("shapes", "runs"):
            (folder / folder_name).mkdir()
        for node, address in enumerate(("127.0.1.1", f"{PREFIX}.1")):
            (folder / f"hosts{node}").write_text(f"127.0.0.1 localhost\n{address} cloob-node0\n{PREFIX}.2 cloob-node1\n")
        with Network() as network:
            checks = Checks(folder, network, program)
            try:
                checks.all()
            finally:
                for job in checks.jobs:
                    job.kill()
        print(f"{checks.failures} failures")
        return 1 if checks.failures else 0


if __name__ == "__main__":
    sys.exit(main())
