"""Writes tests/golden/eval/probe.safetensors and probe.json: linear probes and nearest neighbors by scikit-learn, SGD by PyTorch.

    python tools/goldens/make_probe.py CIFAR10        (needs torch, scikit-learn, safetensors, Pillow)

CIFAR10 is a folder with train/CLASS/*.jpg and test/CLASS/*.jpg; without it, that of ../shared/data. The features are random
projections of a few small images, 32 numbers in fp16 each, from which no image can be made again.
"""
import json
import pathlib
import sys

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "golden" / "eval"
CLASSES, DIM = 10, 32
PER_CLASS = {"train": 25, "test": 20}
CS = (0.01, 0.316, 30.0, 1000.0)


def read(root, split):
    images, labels = [], []
    for label, folder in enumerate(sorted((root / split).iterdir())):
        for file in sorted(folder.glob("*.jpg"))[:PER_CLASS[split]]:
            small = Image.open(file).convert("RGB").resize((8, 8), Image.BOX)
            images.append(np.asarray(small, dtype=np.float64).ravel() / 255)
            labels.append(label)
    return np.array(images), np.array(labels)


def encoder(rng, size):
    """Rectified random projections: features in a cone, with a few strong directions, as those of networks."""
    weights = rng.normal(size=(size, DIM)) / np.sqrt(size)
    return lambda images: (3 * np.maximum((images - 0.4) @ weights, 0) + 0.5).astype(np.float16)


def fit(features, labels, c):
    return LogisticRegression(C=c, tol=1e-12, max_iter=100_000).fit(features.astype(np.float64), labels)


def objective(model, features, labels, c):
    log_probabilities = model.predict_log_proba(features.astype(np.float64))
    return float(0.5 * (model.coef_ ** 2).sum() - c * log_probabilities[np.arange(len(labels)), labels].sum())


def value_of(number):
    return 10 ** (number / 8 - 6)


def sweep(features, labels):
    """CLIP's search over 97 values of C on every fifth image of each class, from the second on."""
    places = np.array([np.sum(labels[:row] == labels[row]) for row in range(len(labels))])
    kept = places % 5 == 1
    tried = {}

    def try_value(number):
        if 0 <= number <= 96 and number not in tried:
            model = fit(features[~kept], labels[~kept], value_of(number))
            tried[number] = float((model.predict(features[kept].astype(np.float64)) == labels[kept]).mean())

    def best():
        return min(number for number, accuracy in tried.items() if accuracy == max(tried.values()))

    for number in range(0, 97, 16):
        try_value(number)
    for step in (8, 4, 2, 1):
        center = best()
        try_value(center - step)
        try_value(center + step)
    return best(), tried


def sgd(features, labels, weight, epochs, batch_size):
    """ProtoCLIP's protocol, on images in their order."""
    layer = torch.nn.Linear(DIM, CLASSES)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.zero_()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-6)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    x, y = torch.tensor(features.astype(np.float32)), torch.tensor(labels)
    for _ in range(epochs):
        for first in range(0, len(x), batch_size):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(x[first:first + batch_size]), y[first:first + batch_size]).backward()
            optimizer.step()
        schedule.step()
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def neighbors(train, train_labels, test, weights):
    model = KNeighborsClassifier(20, metric="cosine", algorithm="brute", weights=weights)
    return model.fit(train.astype(np.float64), train_labels).predict(test.astype(np.float64))


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data" / "cifar10"
    if not root.is_dir():
        print(f"{root} is missing: the golden files of probes stay as they are", file=sys.stderr)
        return
    rng = np.random.default_rng(11)
    encode = encoder(rng, 8 * 8 * 3)
    (train, train_labels), (test, test_labels) = (read(root, split) for split in ("train", "test"))
    train, test = encode(train), encode(test)
    order = rng.permutation(len(train))  # classes are mixed
    train, train_labels = train[order], train_labels[order]
    tensors = {"train": train, "train_labels": train_labels, "test": test, "test_labels": test_labels}
    logistic = []
    for c in CS:
        model = fit(train, train_labels, c)
        predicted = model.predict(test.astype(np.float64))
        tensors |= {f"weight_{c:g}": model.coef_, f"bias_{c:g}": model.intercept_}
        logistic.append({"c": c, "objective": objective(model, train, train_labels, c),
                         "lp_acc1": float((predicted == test_labels).mean()),
                         "lp_mean_per_class_recall": float(balanced_accuracy_score(test_labels, predicted))})
    number, tried = sweep(train, train_labels)
    start = rng.normal(scale=0.01, size=(CLASSES, DIM)).astype(np.float32)
    weight, bias = sgd(train, train_labels, start, epochs=8, batch_size=64)
    tensors |= {"sgd_start": start, "sgd_weight": weight, "sgd_bias": bias}
    for name, weights in {"weighted": lambda distances: np.exp((1 - distances) / 0.07), "plain": "uniform"}.items():
        tensors[f"knn_{name}"] = neighbors(train, train_labels, test, weights)
    # safetensors writes the memory of an array, whatever its order.
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, FOLDER / "probe.safetensors")
    golden = {"logistic": logistic, "sweep": {"c": value_of(number), "validation_acc1": tried[number], "fits": len(tried)}}
    (FOLDER / "probe.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
