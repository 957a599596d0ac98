#!/usr/bin/env python3
"""Checks and measures a build of the training step (preset step) on a device; started by tools/check_gpu.sh.

  tools/check_gpu.py BUILD --device cuda|cpu [--out FILE] [--budget SECONDS] [--only PART,...]

Parts, in this order:

  tests    the device tests (a step against the CPU in fp64, in fp32 and bf16, captured and not) and the unit tests of the rooms
  step     `cloob bench step`: ViT-B-32 and RN50 in bf16, with and without train.cuda_graph
  loss     `cloob bench loss` of CLIP and CLOOB at 32,768 pairs
  gloo     two ranks on one device, whose tensors travel through the host's memory: the loss of one process
  ranks    ranks on all devices (NCCL): the loss of one process, the speed on 1, 2, 4 and 8, and the time until all have ended
           after one was killed
  peer     open_clip's training step, with and without torch.compile, if Python has it

Prints one line of JSON (to FILE as well, after every part, so that an interrupted check leaves what it has) and a summary to
standard error. A part that fails does not stop the others; the status is 1 then. Parts that do not fit the budget are left out
and named.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

PEER = pathlib.Path(__file__).parent / "peers" / "open_clip_step.py"
SIZES = {  # by device
    "cuda": {"models": ["ViT-B-32", "RN50"], "batches": [256, 1024], "steps": 20, "loss": 32768, "ranks_batch": 256,
             "same_batch": 32, "same_model": "ViT-B-32", "peer_batches": [256, 1024], "peer_models": ["ViT-B-32", "RN50"],
             "killed_ends_within": 60},
    "cpu": {"models": ["tiny-vit", "tiny-resnet"], "batches": [8], "steps": 2, "loss": 1024, "ranks_batch": 8,
            "same_batch": 8, "same_model": "tiny-vit", "peer_batches": [2], "peer_models": ["ViT-S-32"],
            "killed_ends_within": 60},
}
SAME = 1e-3  # relative difference of losses in fp32 after some steps


class Failed(Exception):
    pass


def children_of(parent):
    children = []
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:  # it has ended
            continue
        if int(lines["PPid"]) == parent:
            children.append(int(lines["Pid"]))
    return sorted(children)


class Check:
    def __init__(self, arguments):
        self.build = pathlib.Path(arguments.build)
        self.program = str(self.build / "bin" / "cloob")
        self.device = arguments.device
        self.sizes = SIZES[self.device]
        self.end = time.monotonic() + arguments.budget
        self.num_devices = self.count_devices()

    def count_devices(self):
        if self.device == "cpu":
            return 2
        lines = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
        return sum(line.startswith("GPU ") for line in lines.splitlines())

    def run(self, command, environment=None):
        """The standard output; the time left is the limit."""
        left = self.end - time.monotonic()
        if left < 5:
            raise Failed("left out: the budget is spent")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=left, env={**os.environ, **(environment or {})})
        except subprocess.TimeoutExpired:
            raise Failed(f"not finished within the budget: {' '.join(command)}") from None
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Failed(f"status {done.returncode} of {' '.join(command)}: {' | '.join(lines[-5:])}")
        return done.stdout

    def bench(self, kind, options, settings=(), environment=None):
        words = [self.program, "bench", kind, "--json", "-", *options]
        if kind == "loss":
            words += ["--device", self.device]
        else:
            words += ["--train.device", self.device, *settings]
        return json.loads(self.run(words, environment))

    # --- the parts, each a generator of (name, result) --------------------------------------------------------------

    def tests(self):
        # c10d's flight recorder of LibTorch 2.11 crashes where ranks are threads of one process, as in some of these tests.
        environment = {"CLOOB_TEST_DEVICE": self.device, "TORCH_FR_BUFFER_SIZE": "0"}
        tests = sorted((self.build / "tests").glob("cloob_*_unit")) + sorted((self.build / "tests").glob("cloob_*_parity"))
        for test in tests:
            started = time.monotonic()
            # Ranks on the CPU say nothing of a GPU, and take a minute.
            options = ["--gtest_filter=-Exactness.*"] if self.device == "cuda" else []
            lines = self.run([str(test), *options], environment).splitlines()
            passed = next(line.split("]")[1].strip() for line in lines if line.startswith("[  PASSED  ]"))
            skipped = next((line.split("]")[1].split(",")[0].strip() for line in lines if line.startswith("[  SKIPPED ]") and "listed" in line), "none")
            yield test.name, {"passed": passed, "skipped": skipped, "seconds": round(time.monotonic() - started, 1)}

    def step(self):
        for model in self.sizes["models"]:
            for batch in self.sizes["batches"]:
                for graph in ("false", "true"):
                    options = ["--model", model, "--batch", str(batch), "--steps", str(self.sizes["steps"]), "--precision", "bf16"]
                    yield f"{model} {batch}{' graph' if graph == 'true' else ''}", self.bench(
                        "step", options, ["--train.cuda_graph", graph])

    def loss(self):
        for objective in ("clip", "cloob"):
            yield objective, self.bench("loss", ["--objective", objective, "--batch", str(self.sizes["loss"])])

    def same_as_one_process(self, ranks, environment=None):
        options = ["--nproc", str(ranks), "--model", self.sizes["same_model"], "--objective", "cloob", "--batch",
                   str(self.sizes["same_batch"]), "--steps", "5", "--precision", "fp32"]
        result = self.bench("dist", options, ["--train.tf32", "false"], environment)
        difference = abs(result["loss"] / result["single_process_loss"] - 1)
        if not difference < SAME:
            raise Failed(f"the loss of {ranks} ranks is {result['loss']}, that of one process {result['single_process_loss']}")
        return {**result, "relative_difference": difference}

    def gloo(self):
        yield "two ranks, one device", self.same_as_one_process(2, {"CLOOB_GPU_BACKEND": "gloo"})

    def ranks(self):
        if self.num_devices < 2:
            yield "left out", "one device: NCCL wants one for each rank"
            return
        yield "same", self.same_as_one_process(self.num_devices)
        yield "killed", self.kill_a_rank(self.num_devices)
        ranks = 2
        while ranks <= self.num_devices:
            options = ["--nproc", str(ranks), "--model", self.sizes["models"][0], "--batch", str(self.sizes["ranks_batch"]),
                       "--steps", str(self.sizes["steps"]), "--precision", "bf16"]
            yield f"{ranks} ranks", self.bench("dist", options)
            ranks *= 2

    def kill_a_rank(self, ranks):
        command = [self.program, "launch", "--nproc", str(ranks), "--", "bench", "dist", "--model", self.sizes["same_model"],
                   "--batch", str(self.sizes["same_batch"]), "--steps", "1000000", "--train.device", self.device]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as launcher:
            try:
                for line in launcher.stderr:
                    if "timed steps" in line:
                        break
                children = children_of(launcher.pid)
                if len(children) != ranks:
                    raise Failed(f"{len(children)} ranks are running, not {ranks}")
                time.sleep(1)
                started = time.monotonic()
                os.kill(children[-1], signal.SIGKILL)
                messages = launcher.communicate(timeout=self.sizes["killed_ends_within"])[1]
            except subprocess.TimeoutExpired:
                raise Failed(f"a rank was killed and the others still run after {self.sizes['killed_ends_within']} s") from None
            finally:
                launcher.kill()
            if launcher.returncode == 0:
                raise Failed("a rank was killed and the status is 0")
            return {"seconds": round(time.monotonic() - started, 1), "status": launcher.returncode,
                    "message": messages.strip().splitlines()[0]}

    def peer(self):
        python = {"PYTHONPATH": f"{pathlib.Path.cwd() / '.deps' / 'step' / 'python'}:{os.environ.get('PYTHONPATH', '')}"}
        try:
            self.run([sys.executable, "-c", "import open_clip"], python)
        except Failed as failed:
            yield "left out", f"Python has no open_clip ({str(failed).splitlines()[-1][-120:]})"
            return
        for model in self.sizes["peer_models"]:
            for batch in self.sizes["peer_batches"]:
                for mode in ([], ["--compile"]):
                    if mode and (self.device == "cpu" or batch != self.sizes["peer_batches"][0]):
                        continue
                    command = [sys.executable, str(PEER), model, str(batch), str(self.sizes["steps"]), "--device", self.device,
                               "--bf16", *(["--channels-last"] if model.startswith("RN") else []), *mode]
                    yield " ".join([model, str(batch), *mode]), json.loads(self.run(command, python).splitlines()[-1])


PARTS = ("tests", "step", "loss", "gloo", "ranks", "peer")


def summary(results):
    for part, entries in results["parts"].items():
        for name, result in entries.items():
            if isinstance(result, dict):
                text = "  ".join(f"{key} {value:.5g}" if isinstance(value, float) else f"{key} {value}" for key, value in result.items())
            else:
                text = str(result)
            yield f"{part:6} {name:28} {text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--device", choices=list(SIZES), default="cuda")
    parser.add_argument("--out")
    parser.add_argument("--build-seconds", type=int, default=0)
    parser.add_argument("--budget", type=int, default=420, help="seconds for all parts together")
    parser.add_argument("--only", default=",".join(PARTS))
    arguments = parser.parse_args()
    check = Check(arguments)
    results = {"device": arguments.device, "num_devices": check.num_devices, "build_seconds": arguments.build_seconds,
               "failed": [], "parts": {}}
    started = time.monotonic()
    for part in arguments.only.split(","):
        entries = results["parts"][part] = {}
        begun = time.monotonic()
        try:
            for name, result in getattr(check, part)():
                entries[name] = result
        except Failed as failed:
            entries["failed"] = str(failed)
            results["failed"].append(part)
        entries["seconds"] = round(time.monotonic() - begun, 1)
        results["seconds"] = round(time.monotonic() - started, 1)
        if arguments.out:
            pathlib.Path(arguments.out).write_text(json.dumps(results, indent=1) + "\n")
    for line in summary(results):
        print(line, file=sys.stderr)
    print(json.dumps(results))
    return 1 if results["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
