#!/usr/bin/env python3
"""tests/golden/fine_grained: lists of Stanford Cars in small, as MATLAB and SciPy write them, and what torchvision reads from them;
and scores of OVEN's evaluation (edchengg/oven_eval).

The values are invented. Files of MATLAB have texts in UTF-16 and the smallest type for each number; SciPy has texts in UTF-8 and
keeps the type.
"""

import json
import pathlib
import struct
import zlib

import numpy
import scipy.io
from oven_eval import evaluate_oven, harmonic_mean
from torchvision.datasets import StanfordCars

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "fine_grained"
NAMES = ["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Ram C/V Cargo Van Minivan 2012"]
BEYOND_ASCII = "Citroën 🚗"  # which SciPy does not read from UTF-16
TRAIN = [(39, 116, 569, 375, 1, "00001.jpg"), (36, 70000, 868, 587, 3, "00002.jpg")]
TEST = [(30, 52, 246, 147, 2, "00001.jpg"), (100, 19, 576, 203, 1, "00002.jpg"), (51, 105, 968, 659, 3, "00003.jpg")]
FIELDS = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]

INT8, UINT8, UINT16, INT32, UINT32, MATRIX, COMPRESSED = 1, 2, 4, 5, 6, 14, 15
CELL, STRUCT, CHAR, UINT8_ARRAY, UINT32_ARRAY = 1, 2, 4, 9, 13


def element(kind, data):
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(array_class, dims, content, name=b""):
    head = element(UINT32, struct.pack("<II", array_class, 0)) + element(INT32, struct.pack(f"<{len(dims)}i", *dims))
    return element(MATRIX, head + element(INT8, name) + content)


def text(value):
    units = value.encode("utf-16-le")
    return matrix(CHAR, (1, len(units) // 2), element(UINT16, units))


def number(value):
    kind, format, array_class = next(x for x in ((UINT8, "<B", UINT8_ARRAY), (UINT16, "<H", 11), (UINT32, "<I", UINT32_ARRAY))
                                     if value < 256 ** struct.calcsize(x[1]))
    return matrix(array_class, (1, 1), element(kind, struct.pack(format, value)))


def matlab_file(path, content):
    header = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(116) + b"\0" * 8 + struct.pack("<H", 0x0100) + b"IM"
    packed = zlib.compress(content)
    path.write_bytes(header + struct.pack("<II", COMPRESSED, len(packed)) + packed)


def matlab_list(rows):
    names = b"".join(field.encode().ljust(8, b"\0") for field in FIELDS)
    items = b"".join(text(value) if isinstance(value, str) else number(value) for row in rows for value in row)
    return matrix(STRUCT, (1, len(rows)), element(INT32, struct.pack("<i", 8)) + element(INT8, names) + items, b"annotations")


def scipy_list(path, rows, **options):
    array = numpy.array([rows[i] for i in range(len(rows))], dtype=[(field, object) for field in FIELDS]).reshape(1, -1)
    scipy.io.savemat(path, {"annotations": array, "unused": numpy.arange(3.0)}, **options)


def remove_date(path):
    content = bytearray(path.read_bytes())
    content[:116] = b"MATLAB 5.0 MAT-file Platform: posix".ljust(116)
    path.write_bytes(content)


def write_sets():
    for writer in ("matlab", "scipy"):
        root = GOLDEN / writer / "stanford_cars"
        (root / "devkit").mkdir(parents=True, exist_ok=True)
        lists = {root / "devkit" / "cars_train_annos.mat": TRAIN, root / "cars_test_annos_withlabels.mat": TEST}
        if writer == "matlab":
            cells = b"".join(text(name) for name in NAMES)
            matlab_file(root / "devkit" / "cars_meta.mat", matrix(CELL, (1, len(NAMES)), cells, b"class_names"))
            for path, rows in lists.items():
                matlab_file(path, matlab_list(rows))
        else:
            names = numpy.array(NAMES, dtype=object).reshape(1, -1)
            scipy.io.savemat(root / "devkit" / "cars_meta.mat", {"class_names": names})
            for path, rows in lists.items():
                scipy_list(path, rows, do_compression=path.name.startswith("cars_train"))
            for path in root.rglob("*.mat"):
                remove_date(path)


def read(writer, split):
    root = GOLDEN / writer
    images = root / "stanford_cars" / f"cars_{split}"
    images.mkdir(exist_ok=True)  # torchvision looks for the folder
    data = StanfordCars(root, split=split)
    images.rmdir()
    files = [{"file": str(pathlib.Path(path).relative_to(root)), "label": int(label)} for path, label in data._samples]
    return {"classes": data.classes, "files": files}


def score(name, labels, predictions, num_classes, seen):
    """Images are queries about entities; a query is seen if its entity is."""
    splits = ["test_entity_seen" if label in seen else "test_entity_unseen" for label in labels]
    references = [{"data_id": i, "entity_id": label, "data_split": split} for i, (label, split) in enumerate(zip(labels, splits))]
    predicted = [{"data_id": i, "pred_entity_id": prediction} for i, prediction in enumerate(predictions)]
    result = evaluate_oven(references, predicted)
    return {"name": name, "labels": labels, "predictions": predictions, "num_classes": num_classes, "seen": seen,
            "percent": {**result, "harmonic_mean": harmonic_mean(result["seen"], result["unseen"])}}


def oven_scores():
    rng = numpy.random.default_rng(5)
    labels = rng.integers(0, 6, 300).tolist()
    often = [label if rng.random() < (0.7 if label < 2 else 0.3) else int(rng.integers(0, 6)) for label in labels]
    return [score("often right", labels, often, 6, [0, 1]),
            score("never right on unseen", labels, [min(label, 2) for label in labels], 6, [0, 1, 2])]


def main():
    (GOLDEN / "oven.json").write_text(json.dumps(oven_scores()) + "\n")
    write_sets()
    cells = text(BEYOND_ASCII) + number(7) + matrix(CELL, (0, 0), b"") + matrix(CHAR, (0, 0), element(UINT16, b""))
    matlab_file(GOLDEN / "cells.mat", matrix(CELL, (1, 4), cells, b"cells"))
    results = {writer: {split: read(writer, split) for split in ("train", "test")} for writer in ("matlab", "scipy")}
    assert results["matlab"] == results["scipy"]
    (GOLDEN / "cars.json").write_text(json.dumps(results["matlab"], indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
