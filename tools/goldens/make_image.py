"""Writes tests/golden/image: small image files, and the results of Pillow, torchvision and open_clip on them.

usage: make_image.py
"""
import io
import json
import random
import struct
import warnings
import zlib
from pathlib import Path
from unittest import mock

import numpy as np
import open_clip.transform
import torch
import torchvision.transforms as transforms
import torchvision.transforms.functional as functional
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "image"
FILTERS = {"bicubic": functional.InterpolationMode.BICUBIC, "bilinear": functional.InterpolationMode.BILINEAR}


def test_image(height, width, seed):
    """Resembles a photograph: smooth colours, hard edges and a noisy corner."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    pixels = np.stack([255 * x, 127 + 120 * np.sin(9 * y + 4 * x), 255 * (1 - y)], -1)
    pixels[(x - 0.3) ** 2 + (y - 0.3) ** 2 < 0.03] = (250, 20, 60)
    pixels[int(height * 0.6):int(height * 0.8), int(width * 0.5):int(width * 0.9)] = (10, 240, 30)
    noise = np.random.default_rng(seed).integers(0, 256, pixels.shape)
    corner = (x > 0.7 * x.max()) & (y < 0.3 * y.max())
    pixels[corner] = noise[corner]
    return pixels.clip(0, 255).astype(np.uint8)


def write(name, content):
    (ROOT / name).write_bytes(content)


def saved(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_bytes(samples, depth, color_type, chunks=(), interlaced=False):
    """A PNG in a layout that Pillow does not write: samples is (height, width, channels)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def rows(part):
        return b"".join(b"\0" + row.astype(">u2" if depth == 16 else np.uint8).tobytes() for row in part)

    height, width = samples.shape[:2]
    adam7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b"".join(rows(samples[y::dy, x::dx]) for y, x, dy, dx in adam7) if interlaced else rows(samples)
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    body = [chunk(b"IHDR", header), *(chunk(*c) for c in chunks), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def on_canvas(file, width, height, left, top):
    """A GIF or an animated WebP as Pillow writes it, with the first frame at another place of another canvas."""
    if file.startswith(b"GIF"):
        frame = file.index(struct.pack("<BHH", 0x2C, 0, 0))
        file = file[:frame + 1] + struct.pack("<HH", left, top) + file[frame + 5:]
        return file[:6] + struct.pack("<HH", width, height) + file[10:]

    def number(value):
        return struct.pack("<I", value)[:3]

    frame = file.index(b"ANMF") + 8
    file = file[:frame] + number(left // 2) + number(top // 2) + file[frame + 6:]
    return file[:24] + number(width - 1) + number(height - 1) + file[30:]


def write_sources():
    rgb = test_image(31, 45, seed=1)
    image = Image.fromarray(rgb)
    y, x = np.mgrid[0:31, 0:45]
    alpha = Image.fromarray(((x * 7 + y * 5) % 256).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6

    for name, options in {"420": {"subsampling": 2}, "422": {"subsampling": 1}, "444": {"subsampling": 0},
                          "progressive": {"progressive": True}, "exif_rotated": {"exif": exif},
                          "stored_as_rgb": {"keep_rgb": True}, "quality_30": {"quality": 30}}.items():
        write(f"jpeg_{name}.jpg", saved(image, "JPEG", **{"quality": 88, **options}))
    write("jpeg_grey.jpg", saved(image.convert("L"), "JPEG", quality=88))
    cmyk = saved(image.convert("CMYK"), "JPEG", quality=88)
    write("jpeg_cmyk.jpg", cmyk)
    adobe = cmyk.index(b"Adobe")
    write("jpeg_ycck.jpg", cmyk[:adobe + 11] + b"\2" + cmyk[adobe + 12:])  # the marker's colour transform

    rgba = image.copy()
    rgba.putalpha(alpha)
    grey_alpha = Image.merge("LA", (image.convert("L"), alpha))
    palette = image.quantize(40)
    write("png_rgb.png", saved(image, "PNG"))
    write("png_rgba.png", saved(rgba, "PNG"))
    write("png_palette.png", saved(palette, "PNG"))
    write("png_palette_transparent.png", saved(palette, "PNG", transparency=bytes(range(0, 240, 6))))
    write("png_palette_16_colors.png", saved(image.quantize(16), "PNG", bits=4))
    write("png_grey.png", saved(image.convert("L"), "PNG"))
    write("png_grey_transparent.png", saved(image.convert("L"), "PNG", transparency=100))
    write("png_grey_alpha.png", saved(grey_alpha, "PNG"))
    write("png_one_bit.png", saved(image.convert("1"), "PNG"))
    write("png_interlaced.png", png_bytes(rgb, 8, 2, interlaced=True))
    deep = rgb.astype(np.uint16) * 256 + np.random.default_rng(2).integers(0, 256, rgb.shape).astype(np.uint16)
    write("png_rgb_16_bit.png", png_bytes(deep, 16, 2))
    write("png_grey_alpha_16_bit.png", png_bytes(deep[:, :, :2], 16, 4))
    write("png_grey_16_bit.png", png_bytes(deep[:, :, :1], 16, 0))
    write("png_broken_profile.png", png_bytes(rgb, 8, 2, chunks=[(b"iCCP", b"broken\0\0" + zlib.compress(b"not a profile"))]))

    write("webp_lossy.webp", saved(image, "WEBP", quality=80))
    write("webp_lossless.webp", saved(image, "WEBP", lossless=True))
    write("webp_lossy_alpha.webp", saved(rgba, "WEBP", quality=80))
    write("webp_lossless_alpha.webp", saved(rgba, "WEBP", lossless=True, exact=True))
    animation = {"save_all": True, "append_images": [Image.fromarray(255 - rgb)], "duration": 100}
    write("webp_animated.webp", saved(image, "WEBP", lossless=True, **animation))
    write("webp_animated_offset.webp", on_canvas(saved(rgba, "WEBP", lossless=True, exact=True, **animation), 61, 50, 8, 12))
    write("webp_animated_lossy.webp", on_canvas(saved(rgba, "WEBP", quality=80, **animation), 50, 40, 4, 2))
    write("gif_palette.gif", saved(palette, "GIF", interlace=0))
    write("gif_interlaced.gif", saved(palette, "GIF", interlace=1))
    write("gif_grey.gif", saved(image.convert("L"), "GIF", optimize=False))
    write("gif_transparent.gif", saved(palette, "GIF", transparency=7))
    write("gif_animated.gif", saved(image.quantize(200), "GIF", **animation))
    write("gif_offset.gif", on_canvas(saved(palette, "GIF"), 61, 50, 9, 11))
    write("gif_offset_transparent.gif", on_canvas(saved(palette, "GIF", transparency=7), 61, 50, 9, 11))
    write("gif_beyond_canvas.gif", on_canvas(saved(palette, "GIF"), 20, 30, 9, 11))
    write("bmp_rgb.bmp", saved(image, "BMP"))
    write("bmp_palette.bmp", saved(palette, "BMP"))

    for name, (height, width) in {"wide": (40, 63), "tall": (77, 29), "tiny": (7, 9), "square": (16, 16),
                                  "very_tall": (320, 3)}.items():
        write(f"source_{name}.png", saved(Image.fromarray(test_image(height, width, seed=3)), "PNG"))


def open_image(name):
    return Image.open(ROOT / name)


def pixels_of(image):
    return torch.from_numpy(np.array(image.convert("RGB")))


def decode_goldens():
    names = sorted(p.name for p in ROOT.iterdir() if p.suffix in {".jpg", ".png", ".webp", ".gif", ".bmp"})
    return {name: pixels_of(open_image(name)) for name in names if not name.startswith("source_")}


def eval_goldens(tensors):
    """open_clip's evaluation transform, on images in the mode of the file or converted to RGB."""
    cases = []

    def add(file, size, mode, interpolation="bicubic", fill=0, stored=False):
        transform = open_clip.transform.image_transform(size, False, resize_mode=mode, interpolation=interpolation, fill_color=fill)
        image = open_image(file)
        tensor = f"eval_{len(cases)}"
        tensors[tensor] = transform(image if stored else image.convert("RGB")).contiguous()
        cases.append({"file": file, "size": size, "resize_mode": mode, "interpolation": interpolation, "fill_color": fill,
                      "resize_before_rgb": stored, "expected": tensor})

    for file in ["wide", "tall", "tiny", "square"]:
        for mode in ["shortest", "longest", "squash"]:
            add(f"source_{file}.png", 16, mode)
    add("source_wide.png", 45, "shortest")
    add("source_tall.png", 33, "longest", fill=200)
    add("source_very_tall.png", 13, "squash")
    add("source_very_tall.png", 13, "shortest")
    for mode in ["shortest", "longest", "squash"]:
        add("source_wide.png", 17, mode, "bilinear")
        add("source_tiny.png", 17, mode, "bilinear")
    for file in ["png_palette.png", "png_palette_transparent.png", "png_one_bit.png", "png_rgba.png",
                 "png_grey_alpha.png", "jpeg_cmyk.jpg", "png_grey.png"]:
        add(file, 16, "shortest", stored=True)
        add(file, 19, "squash", stored=True)
    add("png_rgba.png", 20, "shortest", "bilinear", stored=True)
    return cases


def crop_goldens(tensors):
    """torchvision's resized_crop with given boxes."""
    cases = []
    for file, box, size, interpolation, stored in [
            ("source_wide.png", (5, 3, 50, 31), 16, "bicubic", False), ("source_wide.png", (0, 0, 63, 40), 16, "bicubic", False),
            ("source_wide.png", (11, 9, 16, 16), 16, "bicubic", False), ("source_wide.png", (11, 9, 16, 30), 16, "bicubic", False),
            ("source_wide.png", (11, 9, 30, 16), 16, "bicubic", False), ("source_wide.png", (40, 20, 5, 4), 23, "bicubic", False),
            ("source_wide.png", (62, 39, 1, 1), 5, "bicubic", False), ("source_tall.png", (2, 30, 27, 40), 16, "bilinear", False),
            ("png_palette.png", (4, 3, 33, 26), 16, "bicubic", True), ("png_rgba.png", (4, 3, 33, 26), 16, "bicubic", True),
            ("png_rgba.png", (4, 3, 16, 16), 16, "bicubic", True), ("png_grey_alpha.png", (4, 3, 33, 26), 40, "bicubic", True),
            ("jpeg_cmyk.jpg", (4, 3, 33, 26), 16, "bicubic", True)]:
        image = open_image(file)
        image = image if stored else image.convert("RGB")
        left, top, width, height = box
        out = functional.resized_crop(image, top, left, height, width, [size, size], FILTERS[interpolation])
        tensors[f"crop_{len(cases)}"] = pixels_of(out)
        cases.append({"file": file, "box": box, "size": size, "interpolation": interpolation, "resize_before_rgb": stored,
                      "expected": f"crop_{len(cases)}"})
    return cases


def jitter_goldens(tensors):
    """torchvision's colour operations with given factors, one after another."""
    rng = np.random.default_rng(4)
    noise = np.concatenate([rng.integers(0, 256, (12, 24, 3)), rng.integers(0, 256, (3, 24, 1)).repeat(3, 2),
                            rng.integers(90, 120, (3, 24, 3)), rng.integers(0, 2, (2, 24, 3)) * 255]).astype(np.uint8)
    write("source_colors.png", saved(Image.fromarray(noise), "PNG"))
    image = open_image("source_colors.png")
    adjust = {"brightness": functional.adjust_brightness, "contrast": functional.adjust_contrast,
              "saturation": functional.adjust_saturation, "hue": functional.adjust_hue}
    cases = []
    for operations in [[("brightness", 0.37)], [("brightness", 1.0)], [("brightness", 1.83)], [("contrast", 0.0)], [("contrast", 0.61)],
                       [("contrast", 1.9)], [("saturation", 0.0)], [("saturation", 0.53)], [("saturation", 1.77)], [("hue", -0.5)],
                       [("hue", -0.213)], [("hue", 0.0)], [("hue", 0.1)], [("hue", 0.5)],
                       [("hue", 0.08), ("contrast", 1.3), ("brightness", 0.7), ("saturation", 1.2)],
                       [("saturation", 0.6), ("brightness", 1.4), ("hue", -0.1), ("contrast", 0.8)]]:
        out = image
        for name, factor in operations:
            out = adjust[name](out, factor)
        tensors[f"jitter_{len(cases)}"] = pixels_of(out)
        cases.append({"operations": operations, "expected": f"jitter_{len(cases)}"})
    tensors["grey"] = pixels_of(functional.rgb_to_grayscale(image, 3))
    return cases


def blur_goldens():
    """torchvision's gaussian_blur with ProtoCLIP's kernel, on the upper left corner of images."""
    cases, tensors = [], {}
    for file, width, height in [("source_wide.png", 37, 21), ("source_square.png", 16, 16), ("source_colors.png", 23, 11),
                                ("source_tall.png", 12, 40), ("jpeg_444.jpg", 11, 11), ("jpeg_444.jpg", 10, 5),
                                ("source_wide.png", 2, 30), ("jpeg_444.jpg", 7, 1), ("jpeg_444.jpg", 1, 1)]:
        pixels = np.array(open_image(file).convert("RGB").crop((0, 0, width, height)))
        # torchvision cannot reflect more than there is: images of 10 pixels or less are reflected here.
        margin = 0 if min(width, height) > 10 else 10
        padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
        for sigma in [0.1, 0.31, 0.5, 1.0, 1.37, 2.0, 6.0]:
            blurred = functional.gaussian_blur(Image.fromarray(padded), 21, [sigma, sigma])
            blurred = blurred.crop((margin, margin, margin + width, margin + height))
            tensors[f"blur_{len(cases)}"] = pixels_of(blurred)
            cases.append({"file": file, "width": width, "height": height, "sigma": sigma, "expected": f"blur_{len(cases)}"})
    return cases, tensors


def crop_boxes():
    """torchvision's RandomResizedCrop.get_params, in double precision, with recorded uniform numbers."""
    generator = random.Random(5)
    drawn = []

    def draw():
        drawn.append(generator.random())
        return drawn[-1]

    def uniform(tensor, low, high):
        return tensor.fill_(float(low) + (float(high) - float(low)) * draw())

    def randint(low, high, size):
        return torch.full(size, low + int(draw() * (high - low)))

    cases = []
    torch.set_default_dtype(torch.float64)
    for _ in range(60):
        height, width = generator.choice([(224, 224), (480, 640), (640, 427), (31, 200), (300, 20), (9, 7), (1, 1)])
        scale = generator.choice([(0.9, 1.0), (0.08, 1.0), (0.4, 0.6)])
        ratio = generator.choice([(0.75, 1.25), (0.5, 2.0)])
        drawn.clear()
        with mock.patch.object(torch.Tensor, "uniform_", uniform), mock.patch.object(torch, "randint", randint):
            top, left, box_height, box_width = transforms.RandomResizedCrop.get_params(
                torch.empty(3, height, width), scale, ratio)
        cases.append({"height": height, "width": width, "scale": scale, "ratio": ratio, "uniforms": list(drawn),
                      "box": [left, top, box_width, box_height]})
    torch.set_default_dtype(torch.float32)
    return cases


def main():
    warnings.filterwarnings("ignore", "Palette images with Transparency")
    ROOT.mkdir(parents=True, exist_ok=True)
    for old in ROOT.iterdir():
        old.unlink()
    write_sources()
    save_file(decode_goldens(), ROOT / "decoded.safetensors")
    tensors = {}
    cases = {"eval": eval_goldens(tensors), "crop": crop_goldens(tensors), "jitter": jitter_goldens(tensors),
             "crop_boxes": crop_boxes()}
    save_file(tensors, ROOT / "preprocessed.safetensors")
    cases["blur"], blurred = blur_goldens()
    save_file(blurred, ROOT / "blurred.safetensors")
    lines = [f" {json.dumps(name)}: [\n" + ",\n".join("  " + json.dumps(case) for case in group) + "\n ]"
             for name, group in cases.items()]
    for path in ROOT.glob("*.safetensors"):
        path.chmod(0o644)
    write("cases.json", ("{\n" + ",\n".join(lines) + "\n}\n").encode())


if __name__ == "__main__":
    main()
