"""Writes tests/golden/cluster/kmeans.safetensors, kmeans.json, pca.safetensors and agreement.json: K-means and PCA by faiss, agreement of
labels by scikit-learn.

    python tools/goldens/make_cluster.py        (needs faiss-cpu, scikit-learn, safetensors)
"""
import json
import pathlib

import faiss
import numpy as np
from safetensors.numpy import save_file
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "cluster"


def kmeans(samples, clusters, **settings):
    """Centroids, labels, and the objective of each iteration of the best restart, whose list faiss appends to those before it."""
    runs = faiss.Kmeans(samples.shape[1], clusters, **settings)
    runs.train(samples)
    _, labels = runs.assign(samples)
    return runs.centroids, labels, runs.obj


def separate(rng, clusters, dim, each):
    centers = rng.normal(size=(clusters, dim))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    return rng.permutation(np.repeat(centers, each, axis=0) + 0.02 * rng.normal(size=(clusters * each, dim)))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    faiss.omp_set_num_threads(1)
    # In fp16, which is small in the file and exact in fp32.
    samples = {
        "separate": separate(rng, clusters=12, dim=16, each=25),
        "continuous": unit(rng.normal(size=(700, 8)) + 0.5),
        # Many equal samples: most of the first centroids are equal, so that most clusters are empty.
        "repeated": np.repeat(rng.normal(size=(12, 4)), 30, axis=0),
    }
    samples = {name: rows.astype(np.float16) for name, rows in samples.items()}
    cases = {
        "separate": ("separate", 12, {"niter": 30, "nredo": 8, "seed": 1234}),
        "start": ("continuous", 40, {"niter": 1, "seed": 7}),
        "continuous": ("continuous", 40, {"niter": 20, "seed": 1234}),
        "restarts": ("continuous", 40, {"niter": 20, "nredo": 4, "seed": 99}),
        "spherical": ("continuous", 40, {"niter": 20, "seed": 1234, "spherical": True}),
        "repeated": ("repeated", 10, {"niter": 20, "seed": 1234}),
    }
    tensors, results = dict(samples), {}
    for name, (data, clusters, settings) in cases.items():
        centroids, labels, objectives = kmeans(samples[data].astype(np.float32), clusters, **settings)
        tensors |= {f"{name}.centroids": centroids, f"{name}.labels": labels}
        results[name] = {"samples": data, "clusters": clusters, "settings": settings,
                         "objective": float(objectives[-1]), "iterations": len(objectives)}
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, FOLDER / "kmeans.safetensors")
    (FOLDER / "kmeans.json").write_text(json.dumps(results) + "\n")

    rows = (rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12)) + 3).astype(np.float32)
    pca = faiss.PCAMatrix(12, 5)
    pca.train(rows)
    matrix = faiss.vector_to_array(pca.A).reshape(5, 12)
    save_file({"samples": rows, "components": matrix, "applied": pca.apply(rows)}, FOLDER / "pca.safetensors")

    labelings = []
    for size, clusters, others, share in ((50, 3, 4, 0.5), (300, 20, 7, 0.9), (40, 40, 5, 0.0), (60, 1, 5, 0.0), (10, 1, 1, 0.0),
                                          (80, 6, 6, 1.0), (1, 1, 1, 0.0), (200, 2, 150, 0.3)):
        labels = rng.integers(clusters, size=size)
        other = np.where(rng.random(size) < share, labels, rng.integers(others, size=size))
        labelings.append({"labels": labels.tolist(), "other": other.tolist(), "ari": adjusted_rand_score(labels, other),
                          "ami": adjusted_mutual_info_score(labels, other)})
    different = list(range(30))
    labelings.append({"labels": different, "other": different, "ari": adjusted_rand_score(different, different),
                      "ami": adjusted_mutual_info_score(different, different)})
    (FOLDER / "agreement.json").write_text(json.dumps(labelings) + "\n")


if __name__ == "__main__":
    main()
