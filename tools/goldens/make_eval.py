"""Writes tests/golden/eval: retrieval and zero-shot metrics computed by the reference code and plain numpy.

    python tools/goldens/make_eval.py        (needs torch, open_clip_train, clip_benchmark, scikit-learn)

Features are rounded to four decimals before use. "ties" has small integers, so that every product is exact and many are
equal; the references leave the order of ties open, and numpy's stable sort decides.
"""
import json
import pathlib

import numpy as np
import torch
from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval
from open_clip_train.train import get_clip_metrics
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "eval"
RANKS = (1, 5, 10)


def unit_rows(matrix):
    return np.round(matrix / np.linalg.norm(matrix, axis=-1, keepdims=True), 4)


def direction(ranks):
    numbers = {f"R@{k}": float(np.mean(ranks < k)) for k in RANKS}
    return numbers | {"median_rank": float(np.floor(np.median(ranks)) + 1), "mean_rank": float(ranks.mean() + 1)}


def best_ranks(scores, right):
    """Rank, from 0, of the first correct answer of each row in a stable sort by descending score."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.argmax(np.take_along_axis(right, order, axis=1), axis=1)


def metrics(images, texts, image_of_text):
    scores = images.astype(np.float64) @ texts.astype(np.float64).T
    right = np.arange(len(images))[:, None] == np.asarray(image_of_text)[None, :]
    named = {"image_to_text": direction(best_ranks(scores, right)), "text_to_image": direction(best_ranks(scores.T, right.T))}
    return {f"{name}_{key}": value for name, part in named.items() for key, value in part.items()}


def draw_pairs(rng, image_of_text, num_images, noise):
    """Random features whose scores are far enough apart for fp32 to order them."""
    while True:
        images = unit_rows(rng.normal(size=(num_images, 8)))
        texts = unit_rows(images[image_of_text] + noise * rng.normal(size=(len(image_of_text), 8)))
        scores = images @ texts.T
        if min(np.diff(np.sort(scores, axis=axis), axis=axis).min() for axis in (0, 1)) > 1e-6:
            return images, texts


def pairs_case(rng):
    """One text per image: open_clip's own function."""
    images, texts = draw_pairs(rng, np.arange(40), 40, noise=0.45)
    expected = metrics(images, texts, range(40))
    reference = get_clip_metrics(torch.tensor(images), torch.tensor(texts), torch.tensor(10.0))
    for key, value in reference.items():
        assert abs(expected[key] - value) < 1e-12, key
    return {"images": images.tolist(), "texts": texts.tolist(), "image_of_text": list(range(40)), "expected": expected}


def captions_case(rng):
    """One to five texts per image, shuffled: clip_benchmark's recall."""
    image_of_text = np.concatenate([np.full(1 + i % 5, i) for i in range(30)])
    rng.shuffle(image_of_text)
    images, texts = draw_pairs(rng, image_of_text, 30, noise=0.55)
    expected = metrics(images, texts, image_of_text)
    scores = torch.tensor(texts @ images.T)
    right = torch.tensor(image_of_text)[:, None] == torch.arange(30)[None, :]
    for k in RANKS:
        to_image = (zeroshot_retrieval.recall_at_k(scores, right, k) > 0).double().mean().item()
        to_text = (zeroshot_retrieval.recall_at_k(scores.T, right.T, k) > 0).double().mean().item()
        assert abs(expected[f"text_to_image_R@{k}"] - to_image) < 1e-12
        assert abs(expected[f"image_to_text_R@{k}"] - to_text) < 1e-12
    return {"images": images.tolist(), "texts": texts.tolist(), "image_of_text": image_of_text.tolist(), "expected": expected}


def ties_case(rng):
    image_of_text = np.sort(rng.integers(0, 20, size=50))
    image_of_text[:20] = np.arange(20)
    rng.shuffle(image_of_text)
    images = rng.integers(-1, 2, size=(20, 3))
    texts = rng.integers(-1, 2, size=(50, 3))
    expected = metrics(images, texts, image_of_text)
    return {"images": images.tolist(), "texts": texts.tolist(), "image_of_text": image_of_text.tolist(), "expected": expected}


def published_case():
    """Synthetic pairs of 12 x 4 numbers with the metrics that open_clip's and CLOOB's code print for them."""
    i, j = np.meshgrid(np.arange(12), np.arange(4), indexing="ij")
    x = np.sin(0.7 * i + 1.3 * j + 0.1 * i * j + 0.2)
    y = x + 0.9 * np.cos(1.9 * i - 0.6 * j + 0.3 * i * j)
    images, texts = unit_rows(x), unit_rows(y)
    expected = metrics(images, texts, range(12))
    printed = {"image_to_text_mean_rank": 1.75, "text_to_image_mean_rank": 1.75, "image_to_text_median_rank": 1,
               "text_to_image_median_rank": 1, "image_to_text_R@1": 7 / 12, "text_to_image_R@1": 0.5, "image_to_text_R@5": 1}
    for key, value in printed.items():
        assert abs(expected[key] - value) < 1e-12, key
    return {"images": images.tolist(), "texts": texts.tolist(), "image_of_text": list(range(12)), "expected": expected}


def zero_shot_case(rng, num_classes, occurring):
    """As in clip_benchmark; the top 5 come from scikit-learn, because clip_benchmark's code for them needs numpy 1."""
    classifier = unit_rows(rng.normal(size=(num_classes, 6)))
    labels = rng.choice(occurring, size=60)
    images = unit_rows(classifier[labels] + 0.6 * rng.normal(size=(60, 6)))
    logits = 100.0 * images @ classifier.T
    in_top = {k: top_k_accuracy_score(labels, logits, k=k, labels=range(num_classes)) for k in (1, 5) if k <= num_classes}
    recall = balanced_accuracy_score(labels, logits.argmax(1))
    return {"images": images.tolist(), "classifier": classifier.tolist(), "labels": labels.tolist(),
            "expected": {"acc1": float(in_top[1]), "acc5": float(in_top[5]) if 5 in in_top else None,
                         "mean_per_class_recall": float(recall), "num_samples": 60}}


class Prompts:
    """Replaces model and tokenizer in clip_benchmark: every text is a number that selects a row of features."""

    def __init__(self, features):
        self.features = features
        self.next = 0

    def __call__(self, texts):
        self.next += len(texts)
        return torch.arange(self.next - len(texts), self.next)

    def encode_text(self, tokens):
        return self.features[tokens]


def classifier_case(rng):
    prompts = np.round(rng.normal(size=(4, 3, 6)), 4)
    stand_in = Prompts(torch.tensor(prompts).reshape(12, 6))
    weights = zeroshot_classification.zero_shot_classifier(
        stand_in, stand_in, ["a", "b", "c", "d"], ["{c}"] * 3, "cpu", amp=False)
    return {"prompts": prompts.tolist(), "expected": weights.T.tolist()}


def main():
    rng = np.random.default_rng(20240)
    FOLDER.mkdir(parents=True, exist_ok=True)
    golden = {
        "retrieval": {"pairs": pairs_case(rng), "captions": captions_case(rng), "ties": ties_case(rng),
                      "published": published_case()},
        "zero_shot": {"ten_classes": zero_shot_case(rng, 10, [0, 1, 2, 3, 5, 6, 9]),
                      "three_classes": zero_shot_case(rng, 3, [0, 1, 2])},
        "classifier": classifier_case(rng),
    }
    (FOLDER / "metrics.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
