"""Writes tests/golden/eval/features.json: measures of features, by numpy and scipy in their plain definitions.

    python tools/goldens/make_features.py        (needs numpy and scipy)

"cone" is like an untrained model, with all features in a narrow cone, "spread" like a trained one.
"""
import json
import pathlib

import numpy as np
from scipy.spatial.distance import pdist

FILE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "eval" / "features.json"


def unit_rows(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def measures_of(rows, kind):
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(rows, rowvar=False)))[::-1]
    shares = eigenvalues[eigenvalues > 0] / eigenvalues[eigenvalues > 0].sum()
    number = int(np.searchsorted(np.cumsum(eigenvalues) / eigenvalues.sum(), 0.99) + 1)
    angles = np.arccos(np.clip(1 - pdist(rows, "cosine"), -1, 1))
    n = len(rows)
    return {f"effective_eigenvalues_{kind}": number,
            f"effective_rank_{kind}": float(np.exp(-(shares * np.log(shares)).sum())),
            f"uniformity_{kind}": float(np.log(np.exp(-2 * pdist(rows, "sqeuclidean")).mean())),
            f"ajne_{kind}": float(n / 4 - angles.sum() / (np.pi * n))}


def case(images, texts):
    # What the program reads: float32 features that are nearly of unit length.
    images, texts = np.round(unit_rows(images), 5), np.round(unit_rows(texts), 5)
    x, y = (unit_rows(rows.astype(np.float32).astype(np.float64)) for rows in (images, texts))
    expected = measures_of(x, "image") | measures_of(y, "text") | {
        "alignment": float(((x - y) ** 2).sum(1).mean()),
        "modality_gap": float(np.linalg.norm(x.mean(0) - y.mean(0))),
        "num_feature_pairs": len(x), "num_compared_pairs": len(x)}
    return {"images": images.tolist(), "texts": texts.tolist(), "expected": expected}


def main():
    rng = np.random.default_rng(7)
    scales = 0.7 ** np.arange(12)
    latent = rng.normal(size=(60, 12)) * scales
    spread = case(latent, latent + 0.3 * rng.normal(size=(60, 12)) * scales)
    center = rng.normal(size=(2, 8))
    cone = case(center[0] + 0.01 * rng.normal(size=(40, 8)), center[1] + 0.02 * rng.normal(size=(40, 8)))
    FILE.write_text(json.dumps({"spread": spread, "cone": cone}) + "\n")


if __name__ == "__main__":
    main()
