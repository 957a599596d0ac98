"""Checks the built program against open_clip, transformers, PyTorch and TensorBoard, using only its command line.

    python tools/check_interop.py --program build/release/bin/cloob --data ../shared/data [--only CHECK...]

Needs tools/goldens/requirements.txt and tensorboard; --data is the folder that holds flickr8k and cifar10.

export       A small ResNet and a small ViT, trained for a few steps on rendered shapes: what 'cloob weights export' writes, a
             file and folders, loads strictly in open_clip, the ViT also in transformers, and gives the same features as
             'cloob encode'.
import       RN50 and ViT-B-32 as open_clip initialises them, saved as .pt and as .safetensors: 'cloob weights import' and
             'cloob encode' give open_clip's features.
slip         The same for a training checkpoint of a SLIP ViT-S/16, made of timm's image tower and open_clip's text tower.
transformers The same for a small CLIPModel that transformers saved as a folder.
zero-shot    A model trained on CIFAR-10, exported, loaded and saved by open_clip and imported again: 'cloob eval zero-shot'
             finds the same number of correct images as open_clip, and the same mean per-class recall.
flops        'cloob train --dry-run' against PyTorch's counter on open_clip's towers. The program computes and counts a single
             query of attention pooling, so the additional ones of open_clip are subtracted. Both count texts that fill the
             context.
memory       The peak memory estimated by the dry run against that of a real run with texts that fill the context.
tensorboard  TensorBoard's own reader finds the contents of metrics.jsonl in the event files of a run.

Features are unit-length rows; the largest norm of the difference of two rows is compared. Images that already have the
model's size give both sides the same pixels. For resized images, the program may differ from open_clip by no more than
open_clip differs from itself after adding one grey level of noise to all of its pixels.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import open_clip
import timm
import torch
import torch.nn.functional as F
import transformers
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from torchvision.transforms import Compose

ROOT = pathlib.Path(__file__).resolve().parents[1]
FEATURES_AGREE = 1e-4
FLOPS_AGREE = 0.02
MEMORY_AGREES = 0.2
TEXTS = ["a photo of a cat", "", "Two dogs, running -- on the beach!",
         "Caf\u00e9 &amp; Z\u00fcrich, \u6771\u4eac \U0001f389", "one word after another " * 40]
TEMPLATES = ["a photo of a {c}.", "a blurry photo of the {c}.", "{c}"]
TRAIN = ["--optimizer.lr", 1e-3, "--optimizer.beta2", 0.98, "--report.every_steps", 1]
# Started from a small process, because Linux counts the memory of the parent towards the peak of its child.
PEAK_OF = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); " \
          "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


class Checks:
    """Runs the program, counts failures, and creates files that several checks need."""

    def __init__(self, program, data, folder):
        self.program, self.data, self.folder = program, data, folder
        self.photos = sorted((data / "flickr8k" / "dev").glob("*.jpg"))
        self.num_failed = 0
        self.num_files = 0

    def expect(self, what, measured, most, note=""):
        passed = measured <= most  # not so for NaN
        self.num_failed += not passed
        print(f"{'ok' if passed else 'FAILED':6}  {what}: {measured:.3g}, at most {most:.3g}{note and f' ({note})'}", flush=True)

    def cloob(self, *arguments, before=()):
        command = [*before, self.program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr}")
        return done.stdout

    def new_file(self, suffix=""):
        self.num_files += 1
        return self.folder / f"{self.num_files:03}{suffix}"

    def lines_file(self, lines, suffix=".txt"):
        file = self.new_file(suffix)
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    def encode(self, checkpoint, images, texts):
        out = self.new_file(".safetensors")
        self.cloob("encode", checkpoint, "--images", self.lines_file(images), "--texts", self.lines_file(texts), "--out", out)
        features = load_file(out)
        return features["image_features"], features["text_features"]

    def train(self, model, *settings):
        run = self.new_file()
        self.cloob("train", model_file(model), "--run-dir", run, *TRAIN, *settings)
        return run

    def train_on_shapes(self, model, *settings):
        shapes = self.folder / "shapes"
        if not shapes.exists():
            self.cloob("data", "render-shapes", shapes, "--train", 128, "--validation", 32, "--held-out", 16)
        return self.train(model, "--train.steps", 4, "--train.global_batch_size", 32, "--schedule.warmup_steps", 1,
                          "--data.train", shapes / "train" / "*.tar", "--data.val", shapes / "validation" / "*.tar",
                          "--data.webdataset.image_members", "png", "--data.webdataset.json_caption_field", "captions", *settings)

    def load_export(self, checkpoint, model, **sizes):
        weights = self.new_file(".safetensors")
        self.cloob("weights", "export", checkpoint, "--out", weights)
        reference = open_clip.CLIP(**open_clip_config(model, **sizes))
        open_clip.load_checkpoint(reference, str(weights), strict=True)
        return reference.eval()

    def export_folder(self, checkpoint, form):
        folder = self.new_file()
        self.cloob("weights", "export", checkpoint, "--format", form, "--out", folder)
        return folder

    def compare_with_transformers(self, name, checkpoint, folder):
        """Features of a checkpoint and of a CLIPModel with its processor, on images that need no resizing."""
        model = transformers.CLIPModel.from_pretrained(folder).eval()
        processor = transformers.CLIPProcessor.from_pretrained(folder)
        files = self.png_files(model.config.vision_config.image_size)
        images, texts = self.encode(checkpoint, files, TEXTS)
        with torch.no_grad():
            inputs = processor(images=[Image.open(file) for file in files], return_tensors="pt")
            expected = rows_of(model.get_image_features(**inputs))
            self.expect(f"{name}: images", distances(images, expected).max(),
                        min(FEATURES_AGREE, distances(expected, expected.roll(1, 0)).min() / 100))
            # CLIPTokenizer repairs no text, so it is given what open_clip makes of it.
            cleaned = [open_clip.tokenizer._clean_lower(text) for text in TEXTS]
            inputs = processor(text=cleaned, return_tensors="pt", padding=True, truncation=True)
            self.expect(f"{name}: texts", distances(texts, rows_of(model.get_text_features(**inputs))).max(), FEATURES_AGREE)

    def png_files(self, size):
        """Photographs and noise at the size of the model, stored losslessly."""
        images = [np.asarray(Image.open(photo).resize((size, size))) for photo in self.photos[:6]]
        images += list(np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8))
        files = [self.new_file(".png") for _ in images]
        for file, image in zip(files, images):
            Image.fromarray(image).save(file)
        return files

    def compare_features(self, name, checkpoint, model):
        size = model.visual.image_size if isinstance(model.visual.image_size, int) else model.visual.image_size[0]
        same = self.png_files(size)
        resized = self.photos[10:14] + sorted((self.data / "cifar10" / "test").glob("*/0000.jpg"))[:4]
        images, texts = self.encode(checkpoint, same + resized, TEXTS)
        levels = grey_levels(same + resized, size, model)
        expected = image_features(model, levels)
        spread = distances(expected, expected.roll(1, 0)).min()
        self.expect(f"{name}: images, same pixels", distances(images, expected)[:len(same)].max(),
                    min(FEATURES_AGREE, spread / 100), f"different images: {spread:.2g} and more")
        noise = torch.randint(2, levels.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
        noisy = image_features(model, (levels + noise).clamp(0, 255))
        self.expect(f"{name}: images, resized", distances(images, expected)[len(same):].max(),
                    distances(noisy, expected)[len(same):].max(), "one grey level of noise")
        self.expect(f"{name}: texts", distances(texts, text_features(model, TEXTS)).max(), FEATURES_AGREE)


def model_file(name):
    return ROOT / "configs" / "model" / f"{name}.yaml"


def open_clip_config(name, **sizes):
    """open_clip's configuration for one of the program's models; `sizes` overrides image size or context length."""
    model = yaml.safe_load(model_file(name).read_text())["model"]
    image, text = model["image"], model["text"]
    vision = {key: sizes.get(key, value) for key, value in image.items() if key != "kind"}
    return dict(embed_dim=model["embed_dim"], vision_cfg=vision, quick_gelu=model["activation"] == "quick_gelu",
                text_cfg={key: sizes.get(key, value) for key, value in text.items()})


class Slip(open_clip.CLIP):
    """SLIP's ViT-S/16, with random biases as well."""
    preprocessing = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear")

    def __init__(self):
        super().__init__(**open_clip.get_model_config("ViT-B-32-quickgelu"))  # the same text tower
        self.visual = timm.create_model("vit_small_patch16_224", num_heads=12, num_classes=0)
        self.visual.image_size = 224
        self.image_projection = torch.nn.Parameter(torch.randn(384, 512) * 384 ** -0.5)
        for parameter in self.visual.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter) * (parameter.dim() == 1)

    def encode_image(self, images, normalize):
        return F.normalize(self.visual(images) @ self.image_projection, dim=1)

    def tokenize(self, texts):
        """Cuts long texts without keeping the end token."""
        tokenizer = open_clip.SimpleTokenizer()
        rows = [[tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id] for text in texts]
        rows = [torch.tensor(row[:self.context_length]) for row in rows]
        return torch.stack([F.pad(row, (0, self.context_length - len(row))) for row in rows])


def image_transform(size, model):
    return open_clip.image_transform(size, is_train=False, **getattr(model, "preprocessing", {})).transforms


def grey_levels(files, size, model=None):
    """The pixels, 0 to 255, of the model's preprocessing before normalisation."""
    *steps, _ = image_transform(size, model)
    return torch.stack([Compose(steps)(Image.open(file)) for file in files]) * 255


@torch.no_grad()
def image_features(model, levels):
    normalize = image_transform(levels.shape[-1], model)[-1]
    return torch.cat([model.encode_image(normalize(part / 255), normalize=True) for part in levels.split(50)])


@torch.no_grad()
def text_features(model, texts):
    tokenize = getattr(model, "tokenize", open_clip.SimpleTokenizer(context_length=model.context_length))
    return model.encode_text(tokenize(texts), normalize=True)


def rows_of(output):
    """Unit-length rows from the output of transformers' get_image_features and get_text_features."""
    return F.normalize(getattr(output, "pooler_output", output), dim=1)


def distances(rows, others):
    return (rows - others).norm(dim=1)


def check_export(checks):
    for model in ("tiny-resnet", "tiny-vit"):
        run = checks.train_on_shapes(model)
        checks.compare_features(f"export {model}", run, checks.load_export(run, model))
        folder = checks.export_folder(run, "open_clip")
        loaded, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder}")
        checks.compare_features(f"export {model}, folder", run, loaded.eval())
        imported = checks.new_file()
        checks.cloob("weights", "import", folder, "--out", imported)
        checks.compare_features(f"export {model}, folder imported again", imported, loaded)
    checks.compare_with_transformers("export tiny-vit, hf", run, checks.export_folder(run, "hf"))
    # Settings of the image tower of which each program knows some.
    run = checks.train_on_shapes("tiny-vit", "--model.image.norm_before_blocks", "false", "--model.image.norm_eps", 0.1)
    loaded, _, _ = open_clip.create_model_and_transforms(f"local-dir:{checks.export_folder(run, 'open_clip')}")
    checks.compare_features("export tiny-vit without ln_pre, folder", run, loaded.eval())
    run = checks.train_on_shapes("tiny-vit", "--model.image.activation", "quick_gelu", "--model.image.norm_eps", 0.1)
    checks.compare_with_transformers("export tiny-vit with quick_gelu for images, hf", run, checks.export_folder(run, "hf"))


def randomize_norms(model, levels):
    """Makes a ResNet's convolutions affect its output, unlike after initialization: bn3 gains above 0, running statistics near
    those of `levels`."""
    norms = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    for name, norm in norms.items():
        norm.momentum = 1.0
        if name.endswith("bn3"):
            torch.nn.init.uniform_(norm.weight, 0.1, 0.5)
    image_features(model.train(), levels)
    for norm in norms.values():
        norm.running_mean += 0.1 * torch.randn_like(norm.running_mean) * norm.running_var.sqrt()
        norm.running_var *= 0.5 + torch.rand_like(norm.running_var)
    model.eval()


def check_import(checks):
    for name in ("RN50", "ViT-B-32"):
        torch.manual_seed(0)
        model = open_clip.CLIP(**open_clip.get_model_config(name))
        randomize_norms(model, grey_levels(checks.photos[-8:], 224))
        for suffix, save in ((".pt", torch.save), (".safetensors", save_file)):
            file, checkpoint = checks.new_file(suffix), checks.new_file()
            save(model.state_dict(), file)
            checks.cloob("weights", "import", file, "--out", checkpoint)
            checks.compare_features(f"import {name}{suffix}", checkpoint, model)


def check_slip(checks):
    torch.manual_seed(0)
    model = Slip().eval()
    file, checkpoint, exported = checks.new_file(".pt"), checks.new_file(), checks.new_file(".safetensors")
    weights = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    weights["module.image_mlp.layer1.weight"] = torch.zeros(4096, 384)
    torch.save({"epoch": 25, "state_dict": weights, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
                "scaler": {"scale": 65536.0}, "best_acc1": 32.7, "args": argparse.Namespace(model="SLIP_VITS16")}, file)
    checks.cloob("weights", "import", file, "--out", checkpoint)
    checks.compare_features("slip, imported", checkpoint, model)
    checks.cloob("weights", "export", checkpoint, "--out", exported)
    checks.compare_features("slip, exported", exported, model)


def check_transformers(checks):
    # Heads of another width than 64.
    tower = dict(hidden_size=96, intermediate_size=384, num_hidden_layers=2, num_attention_heads=3)
    tokenizer = checks.export_folder(checks.train_on_shapes("tiny-vit"), "hf")
    for activation in ("gelu", "quick_gelu"):
        tower["hidden_act"] = activation
        config = transformers.CLIPConfig(projection_dim=48, text_config=dict(tower, max_position_embeddings=24),
                                         vision_config=dict(tower, image_size=64, patch_size=16))
        folder, checkpoint = checks.new_file(), checks.new_file()
        torch.manual_seed(0)
        transformers.CLIPModel(config).save_pretrained(folder)
        transformers.CLIPProcessor.from_pretrained(tokenizer, model_max_length=24).save_pretrained(folder)
        checks.cloob("weights", "import", folder, "--out", checkpoint)
        checks.compare_with_transformers(f"import CLIPModel, {activation}", checkpoint, folder)


def check_zero_shot(checks):
    cifar = checks.data / "cifar10"
    names = sorted(folder.name for folder in (cifar / "test").iterdir())
    table = [f"{file}\ta photo of a {file.parent.name}" for file in sorted((cifar / "train").glob("*/*.jpg"))]
    sizes = dict(image_size=32, context_length=8)
    run = checks.train("tiny-resnet", "--train.steps", 80, "--train.global_batch_size", 64, "--schedule.warmup_steps", 20,
                       "--model.image.image_size", sizes["image_size"], "--model.text.context_length", sizes["context_length"],
                       "--data.train", checks.lines_file(["filepath\ttitle", *table], ".tsv"))
    model = checks.load_export(run, "tiny-resnet", **sizes)
    weights, checkpoint = checks.new_file(".pt"), checks.new_file()
    torch.save(model.state_dict(), weights)
    checks.cloob("weights", "import", weights, "--out", checkpoint)
    found = json.loads(checks.cloob("eval", "zero-shot", checkpoint, "--data", cifar / "test", "--json", "-",
                                    "--classnames", checks.lines_file(names), "--templates", checks.lines_file(TEMPLATES)))

    files = [file for name in names for file in sorted((cifar / "test" / name).glob("*.jpg"))]
    labels = torch.tensor([names.index(file.parent.name) for file in files])
    prompts = [template.replace("{c}", name) for name in names for template in TEMPLATES]

    def predictions(images, texts):
        classes = F.normalize(texts.reshape(len(names), len(TEMPLATES), -1).mean(1), dim=1)
        return (images @ classes.T).argmax(1)

    expected = predictions(image_features(model, grey_levels(files, sizes["image_size"])), text_features(model, prompts))
    right = (expected == labels).double()
    recall = torch.stack([right[labels == label].mean() for label in range(len(names))]).mean().item()
    checks.expect("zero-shot: difference in correct images", abs(found["acc1"] * found["num_samples"] - right.sum().item()), 1e-6,
                  f"open_clip: {int(right.sum())} of {len(files)}")
    checks.expect("zero-shot: difference in mean recall", abs(found["mean_per_class_recall"] - recall), 1e-6, f"open_clip: {recall:.4f}")
    differing = (predictions(*checks.encode(checkpoint, files, prompts)) != expected).sum().item()
    checks.expect("zero-shot: images with different predictions", differing, 0)


def dry_run(checks, model, *settings):
    return checks.cloob("train", model_file(model), "--dry-run", "--data.train", model_file(model), "--train.steps", 2, *settings)


def excess_of_pool(model):
    """FLOPs of the queries that open_clip's attention pooling computes but does not use."""
    pool = getattr(model.visual, "attnpool", None)
    if pool is None:
        return 0
    (tokens, width), out = pool.positional_embedding.shape, pool.c_proj.out_features
    return 2 * (tokens - 1) * (width * width + 2 * tokens * width + width * out)


def check_flops(checks):
    for name in ("tiny-resnet", "tiny-vit", "RN50", "ViT-B-32"):
        config = open_clip_config(name)
        model = open_clip.CLIP(**config).eval()
        size = config["vision_cfg"]["image_size"]
        inputs = {"image": (model.encode_image, torch.zeros(1, 3, size, size), excess_of_pool(model)),
                  "text": (model.encode_text, torch.zeros(1, config["text_cfg"]["context_length"], dtype=torch.int64), 0)}
        printed = dry_run(checks, name)
        for tower, (encode, argument, excess) in inputs.items():
            # With gradients, and with attention as matrix products, because PyTorch does not count its fused operations on the CPU.
            with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
                encode(argument)
            counted = (counter.get_total_flops() - excess) / 1e9
            stated = float(re.search(rf"# {tower} tower +\S+ +(\S+)", printed)[1])
            checks.expect(f"flops {name}, {tower} tower", abs(stated / counted - 1), FLOPS_AGREE,
                          f"{stated:.3f} GFLOP, counted {counted:.3f}{excess and f' and {excess / 1e9:.3f} of unused queries' or ''}")


def check_memory(checks):
    rows = [f"{photo}\t{'red dog ' * 60}" for photo in checks.photos[:512]]
    table = checks.lines_file(["filepath\ttitle", *rows], ".tsv")
    units = {"MiB": 2**20, "GiB": 2**30}
    for model, precision, batch in (("tiny-resnet", "fp32", 128), ("tiny-resnet", "bf16", 128), ("ViT-B-32", "fp32", 16),
                                    ("ViT-B-32", "bf16", 16), ("RN50", "fp32", 16)):
        settings = ["--train.precision", precision, "--train.global_batch_size", batch]
        number, unit = re.search(r"# peak +(\S+) (\S+)", dry_run(checks, model, *settings)).groups()
        estimate = float(number) * units[unit]
        settings += ["--train.steps", 3, "--data.train", table, "--checkpoint.at_end", "false", "--run-dir", checks.new_file()]
        peak = 1024 * int(checks.cloob("train", model_file(model), *TRAIN, *settings, before=(sys.executable, "-c", PEAK_OF)))
        checks.expect(f"memory {model} {precision}, batch {batch}", abs(estimate / peak - 1), MEMORY_AGREES,
                      f"estimated {estimate / 2**20:,.0f} MiB, measured {peak / 2**20:,.0f}")


def check_tensorboard(checks):
    done = subprocess.run([sys.executable, ROOT / "tools" / "check_tensorboard.py", checks.train_on_shapes("tiny-resnet")],
                          capture_output=True, text=True)
    checks.expect("tensorboard: exit status of check_tensorboard.py", done.returncode, 0,
                  f"{len(done.stdout.splitlines())} scalars agree" if done.returncode == 0 else done.stderr.strip())


CHECKS = {"export": check_export, "import": check_import, "slip": check_slip, "transformers": check_transformers,
          "zero-shot": check_zero_shot, "flops": check_flops, "memory": check_memory, "tensorboard": check_tensorboard}


def main():
    parser = argparse.ArgumentParser(description="Checks the built program against open_clip, transformers, PyTorch and TensorBoard.")
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=CHECKS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        checks = Checks(arguments.program.resolve(), arguments.data.resolve(), pathlib.Path(folder))
        for name in arguments.only:
            CHECKS[name](checks)
    sys.exit(f"{checks.num_failed} failed" if checks.num_failed else 0)


if __name__ == "__main__":
    main()
