"""Writes tests/golden/clip_benchmark: small data sets in the layouts that clip_benchmark reads, and what it writes for them.

    python tools/goldens/make_clip_benchmark.py        (needs torch, open_clip, clip_benchmark, webdataset, requests)

The weights are not stored: both sides compute them from their names (`filled` in make_model.py, `formula_weight` in the test);
`weights.txt` lists names and shapes.
`classes` has one folder per class, `shards` and `captions` are written by clip_benchmark's own converter, and its program
evaluates them; of `classes` it knows no data set, so its function does. Images are kept only if no two scores that
decide a metric are close, so that rounding cannot.
"""
import contextlib
import functools
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import torch
from clip_benchmark import cli, webdataset_builder
from clip_benchmark.metrics import zeroshot_classification
from PIL import Image
from torchvision.datasets import ImageFolder

from make_model import center_and_scale, filled

# The same bytes every time.
webdataset_builder.webdataset.ShardWriter = functools.partial(webdataset_builder.webdataset.ShardWriter, mtime=0)
# Its accuracies call float() on an array of one element, which numpy 2.4 refuses.
zeroshot_classification.float = lambda array: array.item()

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "clip_benchmark"
NAME = "tiny-golden"
CONFIG = {"embed_dim": 32,
          "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
          "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}}
SHAPES = ["disc", "ring", "bar", "cross", "wedge", "grid"]
# Sorted; texts that differ enough for random weights to choose between them.
CLASSES = ["Mount Fuji!", "a large stack of wooden boxes", "air", "grid", "t-shirt 42", "x"]
TEMPLATES = ["{c}", "a {c}, {c}", "{c}."]
COLORS = {"red": (214, 40, 40), "green": (30, 160, 70), "blue": (40, 70, 220), "white": (240, 240, 235), "grey": (120, 120, 120)}
MIN_GAP = 2e-5


def write_weights(folder):
    (folder / f"{NAME}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / f"{NAME}.json")
    model = open_clip.create_model(NAME)
    state = {name: filled(name, tuple(value.shape), *center_and_scale(name, tuple(value.shape)))
             for name, value in model.state_dict().items()}
    (FOLDER / "weights.txt").write_text("".join(f"{name} {' '.join(map(str, value.shape))}".rstrip() + "\n" for name, value in state.items()))
    torch.save(state, folder / "weights.pt")
    return folder / "weights.pt"


def picture(rng, kind, color):
    """A shape on a plain ground; few colors, so that PNG files are small."""
    width, height = rng.integers(34, 52, size=2)
    y, x = np.mgrid[0:height, 0:width]
    cx, cy, size = rng.uniform(14, width - 14), rng.uniform(14, height - 14), rng.uniform(7, 12)
    dx, dy = x - cx, y - cy
    radius = np.hypot(dx, dy)
    mask = {"disc": radius < size, "ring": (radius < size) & (radius > size / 2), "bar": abs(dy) < size / 3,
            "cross": (abs(dx) < size / 4) | (abs(dy) < size / 4), "wedge": (dx > -size) & (abs(dy) < (dx + size) / 2) & (dx < size),
            "grid": (x // 4 + y // 4) % 2 == 0}[kind]
    ground = rng.integers(0, 256, size=3)
    return Image.fromarray(np.where(mask[..., None], np.array(color), ground).astype(np.uint8))


class Pairs(torch.utils.data.Dataset):
    """What clip_benchmark's converter takes: (encoded image, label or captions)."""

    def __init__(self, items, **attributes):
        self.items = items
        self.__dict__.update(attributes)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def png(image):
    stream = io.BytesIO()
    image.save(stream, format="png", optimize=True)
    return stream.getvalue()


class Judge:
    """Knows the scores of candidates for the sets, to keep those that rounding cannot turn."""

    def __init__(self, weights):
        self.model, _, self.transform = open_clip.create_model_and_transforms(NAME, pretrained=str(weights))
        self.model.double().eval()
        self.tokenizer = open_clip.get_tokenizer(NAME)

    @torch.no_grad()
    def image(self, image):
        return torch.nn.functional.normalize(self.model.encode_image(self.transform(image)[None].double())[0], dim=0)

    @torch.no_grad()
    def texts(self, texts):
        return torch.nn.functional.normalize(self.model.encode_text(self.tokenizer(texts)), dim=-1)

    def classifier(self):
        rows = [self.texts([t.format(c=name) for t in TEMPLATES]).mean(0) for name in CLASSES]
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


def smallest_gap(scores):
    return np.diff(np.sort(np.asarray(scores))).min()


def draw_classes(rng, judge, per_class):
    """The class of every other image is the one that the model takes it for, if there is still need for it."""
    classifier, images, left = judge.classifier(), [], list(per_class)
    while any(left):
        image = picture(rng, rng.choice(SHAPES), COLORS[rng.choice(list(COLORS))])
        scores = classifier @ judge.image(image)
        label = int(scores.argmax()) if rng.random() < 0.5 else int(rng.integers(len(CLASSES)))
        if left[label] and smallest_gap(scores) > MIN_GAP:
            images.append((image, label))
            left[label] -= 1
    return images


def draw_pairs(rng, judge, num_images):
    """Images with one to four captions. All scores of an image, and of a text, are apart."""
    while True:
        images, captions = [], []
        for _ in range(num_images):
            kind, color = rng.choice(SHAPES), rng.choice(list(COLORS))
            images.append(picture(rng, kind, COLORS[color]))
            words = [f"a {color} {kind}", f"There is one {color} {kind} number {len(captions)}.", f"{kind}, {color}, {len(captions)}",
                     f"photo {len(captions)} shows a {kind}"]
            captions.append([words[i] for i in rng.permutation(4)[:rng.integers(1, 5)]])
        unique = {text for texts in captions for text in texts}
        if len(unique) < sum(map(len, captions)):
            continue
        scores = torch.stack([judge.image(i) for i in images]) @ judge.texts([t for texts in captions for t in texts]).T
        if min(min(map(smallest_gap, scores)), min(map(smallest_gap, scores.T))) > 1e-6:
            return list(zip(images, captions))


def run_program(weights, *arguments):
    """`clip_benchmark eval`; returns the JSON that it wrote."""
    output = Path(tempfile.mkdtemp()) / "result.json"
    sys.argv = ["clip_benchmark", "eval", "--model", NAME, "--pretrained", str(weights), "--no_amp", "--batch_size", "7",
                "--num_workers", "0", "--quiet", "--output", str(output), *arguments]
    cli.main()
    return json.loads(output.read_text())


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    rng = np.random.default_rng(18)
    work = Path(tempfile.mkdtemp())
    weights = write_weights(work)
    judge = Judge(weights)

    for number, (image, label) in enumerate(draw_classes(rng, judge, [2, 3, 1, 4, 2, 3])):
        path = FOLDER / "classes" / CLASSES[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    (FOLDER / "classes" / "templates.txt").write_text("\n".join(TEMPLATES) + "\n")

    shards = draw_classes(rng, judge, [3, 2, 4, 1, 2, 3])
    order = rng.permutation(len(shards))
    with contextlib.redirect_stdout(io.StringIO()):
        webdataset_builder.convert_dataset(
            Pairs([(png(shards[i][0]), shards[i][1]) for i in order], classes=CLASSES, templates=TEMPLATES), "test", str(FOLDER / "shards"),
            image_format="png", max_count=8)
        webdataset_builder.convert_retrieval_dataset(
            Pairs([(png(image), captions) for image, captions in draw_pairs(rng, judge, 14)]), "test",
            str(FOLDER / "captions"), image_format="png", max_count=8)

    model, _, transform = open_clip.create_model_and_transforms(NAME, pretrained=str(weights))
    model.eval()
    folder = ImageFolder(FOLDER / "classes", transform)
    folders = zeroshot_classification.evaluate(
        model, torch.utils.data.DataLoader(folder, batch_size=4), open_clip.get_tokenizer(NAME), folder.classes, TEMPLATES, "cpu", amp=False)
    results = {
        "classes": folders,
        "shards": run_program(weights, "--dataset", "wds/shards", "--dataset_root", str(FOLDER / "shards"),
                              "--task", "zeroshot_classification"),
        "captions": run_program(weights, "--dataset", "wds/captions", "--dataset_root", str(FOLDER / "captions"),
                                "--task", "zeroshot_retrieval", "--recall_k", "1", "5", "10"),
    }
    for name in ("shards", "captions"):
        results[name]["pretrained"] = "weights.pt"
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
