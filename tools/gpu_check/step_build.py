"""The build of the training step (preset step), of which as much as compiles is used."""

import importlib.util
import os
import pathlib
import re

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
        # Fresh: paths found for another LibTorch must not stay.
        self.record.stdout_of(["cmake", "--fresh", "--preset", "step", "-B", self.folder, f"-DCLOOB_TORCH_ROOT={torch}",
                               f"-DCLOOB_CUDA={cuda}"], folder=ROOT)
        return {"torch_root": torch}

    def compile(self):
        if not (self.folder / "build.ninja").exists():
            raise Failed("not configured")
        ninja = ["cmake", "--build", self.folder, "--"]
        status, output, _ = self.record.run([*ninja, "-k", "0"], folder=ROOT)
        if status == 0:
            return {}
        missing = self.remove_outdated(self.record.run([*ninja, "-n"], folder=ROOT)[1])
        raise Failed(f"{how_it_ended(status)}: {len(missing)} programs were not built", not_built=missing,
                     failed_steps=re.findall(r"^FAILED: (?:\[.*?\] )?(\S+)", output, re.MULTILINE),
                     errors=[line[:500] for line in output.splitlines() if re.search(r"error:|undefined reference", line)][:20])

    def remove_outdated(self, dry_run):
        """Programs that an earlier build has left and that this one could not renew must not be tested."""
        missing = re.findall(r"Linking CXX executable (\S+)", dry_run)
        for program in missing:
            (self.folder / program).unlink(missing_ok=True)
        return missing

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
