#!/usr/bin/env python3
"""Times K-means of faiss and of `cloob bench kmeans` on the same features with the same seed and number of threads, one after the other.
Prints a line of JSON for each run.

    tools/peers/faiss_kmeans.py build/release/bin/cloob --samples 200000 --dim 128 --clusters 20000 --threads 2 --repeats 3
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import faiss
import numpy as np
from safetensors.numpy import save_file


def features(samples, dim, spread):
    """Unit rows around a tenth as many centers; without structure if `spread` is large."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(max(1, samples // 10), dim))
    rows = centers[rng.integers(len(centers), size=samples)] + spread * rng.normal(size=(samples, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def run_faiss(rows, arguments):
    faiss.omp_set_num_threads(arguments.threads)
    begin = time.perf_counter()
    kmeans = faiss.Kmeans(rows.shape[1], arguments.clusters, niter=arguments.iterations, nredo=arguments.restarts,
                          max_points_per_centroid=len(rows))
    kmeans.train(rows)
    kmeans.assign(rows)  # the labels, which cloob's time includes
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "objective": float(kmeans.obj[-1]), "iterations": len(kmeans.obj)}


def run_cloob(file, arguments):
    command = [arguments.cloob, "bench", "kmeans", "--features", file, "--clusters", arguments.clusters, "--iterations",
               arguments.iterations, "--restarts", arguments.restarts, "--threads", arguments.threads, "--device", "cpu", "--json", "-"]
    return json.loads(subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cloob")
    for name, default in {"samples": 20000, "dim": 128, "clusters": 2000, "iterations": 20, "restarts": 1, "threads": 2,
                          "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--spread", type=float, default=1.0)
    arguments = parser.parse_args()
    rows = features(arguments.samples, arguments.dim, arguments.spread)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "features.safetensors"
        save_file({"features": rows}, file)
        for _ in range(arguments.repeats):
            print(json.dumps({"program": "faiss " + faiss.__version__, **run_faiss(rows, arguments)}), flush=True)
            print(json.dumps({"program": "cloob", **run_cloob(file, arguments)}), flush=True)


if __name__ == "__main__":
    main()
