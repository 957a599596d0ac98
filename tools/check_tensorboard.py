"""Reads a run's event files with TensorBoard's own reader and compares them with its metrics.jsonl.

    python tools/check_tensorboard.py RUN_DIR        (needs tensorboard)

Exits with an error when a scalar, a step or a value differs.
"""
import json
import math
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

POSITION = {"step", "epoch", "samples_seen", "time_s"}


def from_metrics(run_dir):
    series = {}
    for line in (run_dir / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        for name in record.keys() - POSITION:
            if isinstance(record[name], str):  # TensorBoard only gets numbers
                continue
            series.setdefault(name, []).append((record["step"], record[name]))
    return series


def from_tensorboard(run_dir):
    reader = EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def same(point, other):
    (step, value), (other_step, other_value) = point, other
    if value is None:  # JSON has neither NaN nor infinity
        return step == other_step and not math.isfinite(other_value)
    return step == other_step and math.isclose(value, other_value, rel_tol=1e-6, abs_tol=1e-38)


def main():
    run_dir = pathlib.Path(sys.argv[1])
    written, read = from_metrics(run_dir), from_tensorboard(run_dir)
    if written.keys() != read.keys():
        sys.exit(f"only in one of the two: {sorted(written.keys() ^ read.keys())}")
    for name, points in sorted(written.items()):
        if len(points) != len(read[name]) or not all(map(same, points, read[name])):
            sys.exit(f"{name}: {points} in metrics.jsonl, {read[name]} in TensorBoard")
        print(f"{name}: {len(points)} points agree")


if __name__ == "__main__":
    main()
