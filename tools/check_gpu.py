#!/usr/bin/env python3
"""Builds the training step alone (preset step), and checks and measures it on all GPUs; started by tools/check_gpu.sh.

  tools/check_gpu.sh [--device cuda|cpu] [--out FILE.json] [--budget SECONDS] [--only PART,...]

Parts, in this order, the most telling first:

  machine  compilers, PyTorch and GPUs; always
  build    the build; where a file does not compile, the others are built and what could be linked is tested
  device   a step on the device against the CPU in fp64, in fp32 and bf16, captured and not; unit tests of devices and graphs
  step     `cloob bench step`: ViT-B-32 and RN50 in bf16, with and without train.cuda_graph
  loss     `cloob bench loss` of CLIP and CLOOB at 32,768 pairs
  gloo     two ranks on one device, whose tensors travel through the host's memory: the loss of one process
  peer     open_clip's training step, with and without torch.compile, if Python has it
  ranks    ranks on all devices (NCCL): the loss of one process, the time until all have ended after one was killed, and the
           speed on 2, 4 and 8
  units    the other unit tests and the comparisons with stored results of other programs

Each entry of a part fails on its own. FILE.json is written after every entry, FILE.log gets all that the commands print, and a
summary goes to standard error. Entries for which the budget has no time are named as left out. The status is 0 if all entries
were run and none failed. What this machine cannot do is named as skipped (NCCL on one GPU); a larger size that does not fit the
device's memory is a result.
"""

import argparse
import json
import math
import os
import pathlib
import re
import signal
import sys
import time

from gpu_check import gtest_output
from gpu_check.processes import children_of, how_it_ended
from gpu_check.record import Failed, OutOfMemory, Record, Skipped, shortened
from gpu_check.step_build import ROOT, SHARE, StepBuild

PEER = ROOT / "tools" / "peers" / "open_clip_step.py"
SIZES = {  # by device; limits are those of one command, in seconds
    "cuda": {"budget": 480, "limit": 120, "models": ["ViT-B-32", "RN50"], "batches": [256, 1024], "steps": 20, "loss": 32768,
             "same_model": "ViT-B-32", "same_batch": 32, "ranks_batch": 256, "killed_ends_within": 60,
             "peer_models": ["ViT-B-32", "RN50"], "peer_batches": [256, 1024]},
    "cpu": {"budget": 3300, "limit": 1200, "models": ["tiny-vit", "tiny-resnet"], "batches": [8], "steps": 2, "loss": 1024,
            "same_model": "tiny-vit", "same_batch": 8, "ranks_batch": 8, "killed_ends_within": 60,
            "peer_models": ["ViT-S-32"], "peer_batches": [2]},
}
SAME = 1e-3  # relative difference of losses in fp32 after some steps
NO_MEMORY = re.compile(r"out of memory|OutOfMemoryError|_STATUS_ALLOC_FAILED", re.IGNORECASE)
# Threads that wait for others of their process must not keep those of other ranks from running.
PASSIVE = {"OMP_WAIT_POLICY": "passive"}
# What the device tests contain, and what of the other unit tests depends on graphs.
DEVICE_TESTS, GRAPH_TESTS = "*DeviceStep.*", "*Graph*:*Captur*"
ON_CPU_ONLY = "Exactness.*"  # ranks on the CPU say nothing of a GPU, and take a minute


class Check:
    """The parts, each a method that returns the (name, action) of its entries."""

    def __init__(self, record, device):
        self.record = record
        self.device = device
        self.sizes = SIZES[device]
        self.step_build = StepBuild(record, device)
        self.num_devices = 2 if device == "cpu" else 1

    def build(self):
        return [("configure", self.step_build.configure), ("compile", self.step_build.compile)]

    def machine(self):
        return [("found", self.describe_machine)]

    def describe_machine(self):
        found = {"processors": len(os.sched_getaffinity(0))}
        for name, command in {"compiler": ["g++", "--version"], "cmake": ["cmake", "--version"], "ninja": ["ninja", "--version"],
                              "torch": [sys.executable, "-c", "import torch as t; print(t.__version__, t.cuda.device_count())"],
                              "gpus": ["nvidia-smi", "-L"]}.items():
            try:
                lines = self.record.stdout_of(command, limit=60).strip().splitlines()
                found[name] = "\n".join(lines if name == "gpus" else lines[:1])
            except (Failed, OSError) as error:
                found[name] = f"not found: {error}"
        if self.device == "cuda":
            self.num_devices, found["devices_counted_by"] = self.count_devices(found)
        return {**found, "devices": self.num_devices}

    def count_devices(self, found):
        if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
            return len(visible.split(",")), "CUDA_VISIBLE_DEVICES"
        if gpus := len(re.findall("^GPU ", found["gpus"], re.MULTILINE)):
            return gpus, "nvidia-smi"
        if counted := re.fullmatch(r"\S+ ([1-9]\d*)", found["torch"]):
            return int(counted[1]), "PyTorch"
        return 1, "nothing: assumed, as neither nvidia-smi nor PyTorch found one"

    # --- tests ------------------------------------------------------------------------------------------------------

    def run_tests(self, program, tests="*"):
        # c10d's flight recorder of LibTorch 2.11 crashes where ranks are threads of one process, as in some of these tests.
        environment = {"CLOOB_TEST_DEVICE": self.device, "TORCH_FR_BUFFER_SIZE": "0", **PASSIVE}
        status, output, errors = self.record.run([self.step_build.require(program), f"--gtest_filter={tests}"], environment)
        counts = gtest_output.summary_of(output)
        if status == 0 and counts["passed"] + counts["skipped"] > 0:
            return counts
        sentence, blocks = gtest_output.failures_of(output)
        message = "; ".join(filter(None, [how_it_ended(status), sentence or "no test was run" * (status == 0)]))
        raise Failed(message, **counts, failures=blocks, errors=shortened(errors))

    def device_test_names(self, program):
        try:
            output = self.record.stdout_of([self.step_build.require(program), f"--gtest_filter={DEVICE_TESTS}", "--gtest_list_tests"])
        except Failed:
            return []
        return sorted({line.strip().split("/")[0] for line in output.splitlines() if line.startswith("  ")})

    def device_tests(self):
        train = self.step_build.folder / "tests" / "cloob_train_unit"
        # In processes of their own: an error of a kernel makes the GPU unusable for the rest of a process.
        names = self.device_test_names(train)
        tests = [(name, lambda name=name: self.run_tests(train, f"{DEVICE_TESTS[:-1]}{name}/*")) for name in names]
        return [*(tests or [("steps", lambda: self.run_tests(train, DEVICE_TESTS))]),
                ("devices", lambda: self.run_tests(train.with_name("cloob_device_unit"))),
                ("graphs", lambda: self.run_tests(train, f"{GRAPH_TESTS}-{DEVICE_TESTS}"))]

    def units(self):
        ran = f"{DEVICE_TESTS}:{GRAPH_TESTS}" + (f":{ON_CPU_ONLY}" if self.device == "cuda" else "")
        tests = {name: program for name, program in self.step_build.tests().items() if name != "cloob_device_unit"}
        if not tests:
            raise Failed("the build has no tests")
        return [(name, lambda name=name, program=program: self.run_tests(program, f"-{ran}" if name == "cloob_train_unit" else "*"))
                for name, program in tests.items()]

    # --- measurements -----------------------------------------------------------------------------------------------

    def measured(self, command, environment=None, may_not_fit=False):
        """The line of JSON that a benchmark prints at its end."""
        try:
            output = self.record.stdout_of(command, environment)
        except Failed as failed:
            if may_not_fit and NO_MEMORY.search(str(failed)):
                raise OutOfMemory(str(failed)) from None
            raise
        try:
            return json.loads(output.splitlines()[-1])
        except (ValueError, IndexError):
            raise Failed(f"no line of JSON: {shortened(output)}") from None

    def bench(self, kind, options, settings=(), environment=None, device=None, may_not_fit=False):
        option = "--device" if kind == "loss" else "--train.device"
        return self.measured([self.step_build.require(self.step_build.program), "bench", kind, "--json", "-", *options, option,
                              device or self.device, *settings], environment, may_not_fit)

    def step(self):
        def bench(model, batch, graph):
            return self.bench("step", ["--model", model, "--batch", batch, "--steps", self.sizes["steps"], "--precision", "bf16"],
                              ["--train.cuda_graph", graph], may_not_fit=batch != self.sizes["batches"][0])
        return [(f"{model} {batch}{' graph' * (graph == 'true')}", lambda words=(model, batch, graph): bench(*words))
                for batch in self.sizes["batches"] for model in self.sizes["models"] for graph in ("false", "true")]

    def loss(self):
        def bench(objective, batch, device):
            result = self.bench("loss", ["--objective", objective, "--batch", batch], device=device)
            if not all(value is not None and math.isfinite(value) for value in result.values()):  # null: it was not finite
                raise Failed("a number is not finite", **result)
            return result

        def same_as_on_cpu(objective, batch):
            result, expected = (bench(objective, batch, device) for device in (self.device, "cpu"))
            for key in ("loss", "grad_norm_image", "grad_norm_text"):
                if not abs(result[key] / expected[key] - 1) < SAME:
                    raise Failed(f"{key} is {result[key]}, on the CPU {expected[key]}", **result)
            return result
        objectives = ("clip", "cloob")
        small = [(f"{objective} as on the CPU", lambda objective=objective: same_as_on_cpu(objective, 1024)) for objective in objectives]
        size = self.sizes["loss"]
        return small + [(f"{objective} {size}", lambda objective=objective: bench(objective, size, self.device))
                        for objective in objectives]

    def same_as_one_process(self, ranks, environment):
        options = ["--nproc", ranks, "--model", self.sizes["same_model"], "--objective", "cloob", "--batch",
                   self.sizes["same_batch"], "--steps", "5", "--precision", "fp32"]
        result = self.bench("dist", options, ["--train.tf32", "false"], {**PASSIVE, **environment})
        difference = abs(result["loss"] / result["single_process_loss"] - 1)
        if not difference < SAME:
            raise Failed(f"the loss of {ranks} ranks is {result['loss']}, that of one process {result['single_process_loss']}", **result)
        return {**result, "relative_difference": difference}

    def gloo(self):
        # Two ranks are given one device only where no other is to be seen.
        one = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]} if self.device == "cuda" else {}
        return [("two ranks, one device", lambda: self.same_as_one_process(2, {"CLOOB_GPU_BACKEND": "gloo", **one}))]

    def ranks(self):
        if self.num_devices < 2:
            raise Skipped("one device: NCCL wants one for each rank")

        def speed(ranks):
            return self.bench("dist", ["--nproc", ranks, "--model", self.sizes["models"][0], "--batch", self.sizes["ranks_batch"],
                                       "--steps", self.sizes["steps"], "--precision", "bf16"], (), PASSIVE)
        numbers = [2**power for power in range(1, 10) if 2**power <= self.num_devices]
        return [("same", lambda: self.same_as_one_process(self.num_devices, {})),
                ("killed", lambda: self.kill_a_rank(self.num_devices)),
                *((f"{ranks} ranks", lambda ranks=ranks: speed(ranks)) for ranks in numbers)]

    def kill_a_rank(self, ranks):
        command = [self.step_build.require(self.step_build.program), "launch", "--nproc", ranks, "--", "bench", "dist", "--model",
                   self.sizes["same_model"], "--batch", self.sizes["same_batch"], "--steps", "1000000", "--train.device", self.device]
        with self.record.running(command, PASSIVE) as launcher:
            latest = time.monotonic() + min(self.sizes["limit"], self.record.left() - self.sizes["killed_ends_within"])
            while "timed steps" not in launcher.stderr():
                status = launcher.wait(0.2)
                if status is not None or time.monotonic() > latest:
                    raise Failed(f"the ranks came to no timed step: {how_it_ended(status)}",
                                 errors=shortened(launcher.stderr()))
            children = children_of(launcher.process.pid)
            if len(children) != ranks:
                raise Failed(f"{len(children)} ranks are running, not {ranks}", errors=shortened(launcher.stderr()))
            launcher.wait(1)
            before, started = len(launcher.stderr()), time.monotonic()
            os.kill(children[-1], signal.SIGKILL)
            status = launcher.wait(min(self.sizes["killed_ends_within"], self.record.left() - 2))
            seconds, messages = round(time.monotonic() - started, 1), launcher.stderr()[before:]
            if status is None:
                raise Failed(f"a rank was killed and the others still run after {seconds} s", errors=shortened(messages))
            if status == 0:
                raise Failed("a rank was killed and the status is 0", errors=shortened(messages))
            return {"ended_after_s": seconds, "status": status, "message": first_line(messages)}

    def peer(self):
        python = {"PYTHONPATH": f"{ROOT / '.deps' / 'step' / 'python'}:{os.environ.get('PYTHONPATH', '')}"}
        status, _, errors = self.record.run([sys.executable, "-c", "import open_clip"], python)
        if status != 0:
            why = errors.strip().splitlines()[-1:] or [how_it_ended(status)]
            lacks_it = status is not None and "ModuleNotFoundError" in why[0]
            raise (Skipped if lacks_it else Failed)(f"Python cannot import open_clip: {why[0][:500]}")
        entries = []
        for batch in self.sizes["peer_batches"]:
            for model in self.sizes["peer_models"]:
                for mode in ([], ["--compile"]):
                    if mode and (self.device == "cpu" or batch != self.sizes["peer_batches"][0]):
                        continue
                    command = [sys.executable, PEER, model, batch, self.sizes["steps"], "--device", self.device, "--bf16",
                               *(["--channels-last"] if model.startswith("RN") else []), *mode]
                    may_not_fit = batch != self.sizes["peer_batches"][0]
                    entries.append((" ".join([model, str(batch), *mode]), lambda command=command, may_not_fit=may_not_fit:
                                    self.measured(command, python, may_not_fit)))
        return entries

    def run(self, parts):
        for part in dict.fromkeys(["machine", *parts]):  # which counts the devices
            self.record.note(f"\n########## {part}")
            limit = self.record.results["budget_seconds"] * SHARE if part == "build" else self.sizes["limit"]
            try:
                entries = PARTS[part](self)
            except Exception as error:  # as the only entry
                entries = [("all", lambda error=error: raise_again(error))]
            for name, action in entries:
                self.record.add(part, name, action, limit)


PARTS = {"machine": Check.machine, "build": Check.build, "device": Check.device_tests, "step": Check.step, "loss": Check.loss,
         "gloo": Check.gloo, "peer": Check.peer, "ranks": Check.ranks, "units": Check.units}


def raise_again(error):
    raise error


def first_line(value):
    return (str(value).strip().splitlines() or [""])[0]


def summary(results):
    for part, entries in results["parts"].items():
        for name, result in entries.items():
            words = (f"{key} {value:.5g}" if isinstance(value, float) else f"{key} {first_line(value)}"
                     for key, value in result.items() if not isinstance(value, (dict, list)))
            yield f"{part:7} {name:28} {'  '.join(words)[:1000]}"
    for key in ("failed", "left_out", "skipped"):
        yield f"{key.replace('_', ' ')}: {', '.join(results[key]) or 'none'}"


def ended(number, _):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=list(SIZES), default="cuda")
    parser.add_argument("--out", help="default: build/check_gpu-DEVICE.json")
    parser.add_argument("--budget", type=int, help="seconds for all together, the build included (default: 480 for cuda)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas; without build, an earlier one is used")
    arguments = parser.parse_args()
    parts = arguments.only.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"--only: there is no part {', '.join(unknown)}, only {', '.join(PARTS)}")
    record = Record(arguments.out or ROOT / "build" / f"check_gpu-{arguments.device}.json",
                    arguments.budget or SIZES[arguments.device]["budget"], {"device": arguments.device})
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ended)
    try:
        Check(record, arguments.device).run(parts)
    except SystemExit as signalled:
        record.results["ended_by_signal"] = signalled.code - 128
        record.write()
    results = record.results
    print(json.dumps(results), flush=True)
    for line in summary(results):
        print(line, file=sys.stderr)
    return 1 if results["failed"] or results["left_out"] or "ended_by_signal" in results else 0


if __name__ == "__main__":
    sys.exit(main())
