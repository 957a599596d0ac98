"""The build of the training step (preset step), of which as much as compiles is used."""

import importlib.util
import os
import pathlib
import re
import time

from .processes import how_it_ended
from .record import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARE = 0.6  # of the budget: a build that takes longer is ended, and what is there is tested


def torch_root():
    """Without resolving links: pip's libraries of CUDA lie beside the folder by this name."""
    if given := os.environ.get("CLOOB_TORCH_ROOT"):
        return os.path.abspath(given)
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        raise Failed("this python3 has no PyTorch: set CLOOB_TORCH_ROOT to the folder 'torch' of the one to use")
    return os.path.abspath(found.submodule_search_locations[0])


class StepBuild:
    def __init__(self, record, device):
        self.record = record
        self.device = device
        self.folder = ROOT / "build" / f"step-{device}"
        self.program = self.folder / "bin" / "cloob"

    def configure(self):
        torch = torch_root()
        cuda = "ON" if self.device == "cuda" else "OFF"
        cache = self.folder / "CMakeCache.txt"
        # Paths found for another LibTorch must not stay.
        fresh = ["--fresh"] if cache.exists() and f"CLOOB_TORCH_ROOT:PATH={torch}\n" not in cache.read_text() else []
        self.record.stdout_of(["cmake", *fresh, "--preset", "step", "-B", self.folder, f"-DCLOOB_TORCH_ROOT={torch}",
                               f"-DCLOOB_CUDA={cuda}"], folder=ROOT)
        return {"torch_root": torch}

    def compile(self):
        if not (self.folder / "build.ninja").exists():
            raise Failed("not configured")
        programs = [self.program, *self.tests().values()]
        for program in programs:  # those of an earlier build, which must not be tested in place of what does not compile now
            program.unlink(missing_ok=True)
        first = ["cloob_program", "cloob_train_unit", "cloob_device_unit"]  # with which most is measured
        output, end = "", time.monotonic() + self.record.limit
        for targets in (first, ["all"]):
            status, printed, _ = self.record.run(["cmake", "--build", self.folder, "--target", *targets, "--", "-k", "0"], folder=ROOT,
                                                 limit=max(1, end - time.monotonic()))
            output += printed
            if status is None:
                break
        if status == 0:
            return {"programs": len(programs)}
        missing = [program.name for program in programs if not program.exists()]
        raise Failed(f"{how_it_ended(status)}: {len(missing)} of {len(programs)} programs were not built", not_built=missing,
                     failed_steps=re.findall(r"^FAILED: (?:\[.*?\] )?(\S+)", output, re.MULTILINE),
                     errors=[line[:500] for line in output.splitlines() if re.search(r"error:|undefined reference", line)][:20])

    def require(self, program):
        if not program.exists():
            raise Failed(f"{program.name} was not built")
        return program

    def tests(self):
        """The programs of tests that there should be, by their names."""
        for file in sorted((self.folder / "tests").glob("CTestTestfile.cmake")):
            programs = re.findall(r'"([^"]*/cloob_\w+_(?:unit|parity))"', file.read_text())
            return {pathlib.Path(program).name: pathlib.Path(program) for program in programs}
        return {}
