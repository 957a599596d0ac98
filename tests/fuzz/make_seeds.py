#!/usr/bin/env python3
"""Writes tests/fuzz/seeds: small inputs that the fuzzers start from. Usage: tests/fuzz/make_seeds.py"""

import io
import json
import pathlib
import struct
import tarfile
import zipfile
import zlib

SEEDS = pathlib.Path(__file__).resolve().parent / "seeds"
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"


def write(name, content):
    path = SEEDS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def tar_bytes(names, tar_format, pax_headers=None):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.pax_headers = pax_headers or {}
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
        end = archive.offset
    return buffer.getvalue()[: end + 512]  # one zero block, and no padding to a full record


def write_tars():
    pairs = ["0.jpg", "0.txt", "d/1.JPG"]
    intact = tar_bytes(pairs, tarfile.USTAR_FORMAT)
    write("tar/ustar.tar", intact)
    write("tar/no_end.tar", intact[:-900])
    write("tar/damaged.tar", intact[:1024] + b"?" + intact[1025:])
    write("tar/long_name.tar", tar_bytes(["n" * 120 + ".jpg", "0.txt"], tarfile.GNU_FORMAT))
    write("tar/prefix.tar", tar_bytes(["p" * 90 + "/" + "n" * 90 + ".jpg"], tarfile.USTAR_FORMAT))
    write("tar/pax.tar", tar_bytes(["0.jpg"], tarfile.PAX_FORMAT, {"path": "1.jpg", "size": "5"}))


def write_tables():
    """The first byte selects how the table is read; see csv_fuzz.cpp for the meaning of its bits."""
    write("csv/comma", b"\x04filepath,title\na.jpg,one\nb.jpg,\"t,\"\"w\"\"\no\"\n")
    write("csv/tab", b"\x08filepath\ttitle\r\na.jpg\tone\r\n\r\nb.jpg\n")
    write("csv/detected", b"\x00\xef\xbb\xbffilepath\ttitle\na.jpg\tone\n")
    write("csv/without_header", b"\x0ea.jpg;one\nb.jpg;\"two\n")
    write("csv/plain_quotes", b"\x05a,\"b\nc,d\"\n")
    write("csv/stray_quote", b"\x06a,b\n\"a\"b,c\nd,\"e\n")


def write_settings():
    write("yaml/nested.yaml", b"loss: info_nce\noptimizer: {lr: 1e-3, grad_clip_norm: ~}\nimage:\n  crop:\n    scale: [0.5, 1]\n")
    write("yaml/texts.yaml", "data:\n  train: 'it''s'\n  root: \"a\\tb\"\n  shards:\n  - x: y\n  - caf\u00e9 # b\n".encode())
    write("yaml/block.yaml", b"\xef\xbb\xbfdata:\r\n  train: |\r\n    a\r\n  flags: [true, false]\r\n  kinds: []\r\n")
    write("yaml/refused.yaml", b"a: &b 1\nc: *b\n!!str d: e\n--- \n? [f]\n: g\n\th: i\n")


def write_captions():
    objects = [
        {"caption": " a dog "},
        {"captions": ["a dog", "", " \t", None, "a cat\n"]},
        {"caption": {"text": "a dog"}, "captions": 3, "": ["a", ["b"]]},
        {"caption": "\u00e9\U0001f436\u0000\u2028", "url": "x", "width": 1.5e3},
        {"caption": [{"caption": "a", "weight": 2}, "b"], "captions": {"a": 1.5, "b ": 3}},
    ]
    for number, content in enumerate(objects):
        write(f"json_captions/{number}.json", json.dumps(content).encode())
    write("json_captions/utf8.json", json.dumps(objects[3], ensure_ascii=False).encode())
    write("json_captions/lines.txt", b" a dog\r\n\n\ta cat \n")


def write_json():
    write("json/stats.json", json.dumps({"count": 10, "successes": 9, "status_dict": {"success": 9}}).encode())
    write("json/sizes.json", json.dumps({"00000.tar": 10, "00001.tar": 0}).encode())
    write("json/python.json", b'{"a": NaN, "b": [-Infinity, "\\ud83d\\udc36 \\udc36"], "c": {"d": [[1e3]]}}')


def write_indexes():
    """In the format of src/data/tar/index_file.cpp."""
    shards = [
        {"name": "0.tar", "bytes": 8192, "modified_ns": 17, "samples": 3, "end": 7000, "kinds": {"jpg,txt": 2},
         "has_end_mark": True, "links": 0, "duplicate_keys": 1, "first_duplicate_keys": ["a"],
         "damage": [[1, "no valid tar header"]]},
        {"name": "1.tar", "bytes": 1024, "modified_ns": 17, "samples": 0, "end": 0, "kinds": {}, "has_end_mark": False,
         "links": 2, "duplicate_keys": 0, "first_duplicate_keys": [], "damage": []},
    ]
    text = json.dumps(shards).encode()
    text += b" " * (-len(text) % 4)
    begins = struct.pack("<3I", 0, 4, 9)

    def preamble(checksum):
        return struct.pack("<8sIIQQ", b"cloobidx", 3, checksum, len(text), 3)

    checksum = zlib.crc32(preamble(0) + text + begins)
    write("index_file/two_shards", preamble(checksum) + text + begins)


def write_http_answers():
    """The first byte is the offset that was asked for, the second selects the status; see http_answer_fuzz.cpp."""
    write("http_answer/whole", b"\x03\x00HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0123456789")
    write("http_answer/range", b"\x03\x01HTTP/1.1 206 X\r\nContent-Range: bytes 3-9/10\r\n\r\n3456789")
    write("http_answer/redirect", b"\x00\x01HTTP/1.1 301 X\r\n\r\nHTTP/1.1 206 X\r\nContent-Range: bytes 0-3/*\r\n\r\n0123")
    write("http_answer/error", b"\x03\x07HTTP/1.1 500 X\r\n\r\nan error page")


def write_images():
    """BMP in every bit depth, 3 x 2 pixels; the other formats are in tests/golden/image."""
    for bits in (1, 4, 8, 24, 32):
        num_colors = min(1 << bits, 16) if bits <= 8 else 0
        palette = bytes(value for index in range(num_colors) for value in (index, 2 * index, 9, 0))
        row = bytes(range((3 * bits + 31) // 32 * 4))
        first_pixel = 54 + len(palette)
        header = struct.pack("<2sIHHI", b"BM", first_pixel + 2 * len(row), 0, 0, first_pixel)
        header += struct.pack("<IiiHHIIiiII", 40, 3, -2 if bits == 4 else 2, 1, bits, 0, 0, 0, 0, num_colors, 0)
        write(f"image_header/{bits}_bits.bmp", header + palette + row + row)


def write_safetensors():
    def file(header, data):
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    tensor = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}
    write("safetensors/two", file({"a": tensor, "b.c": {"dtype": "BOOL", "shape": [], "data_offsets": [8, 9]}}, bytes(9)))
    write("safetensors/metadata", file({"__metadata__": {"format": "pt", "\u00e9": ""}, "a": tensor}, bytes(8)))
    write("safetensors/null", file({"__metadata__": None, "e": {"dtype": "BF16", "shape": [0, 3], "data_offsets": [0, 0]}}, b""))
    write("safetensors/gap", file({"a": tensor, "b": {"dtype": "U8", "shape": [1], "data_offsets": [9, 10]}}, bytes(10)))


def write_torch_files():
    """The first byte selects what follows, see torch_file_fuzz.cpp."""
    for name in ("strided", "values", "values_protocol_5", "calls_getattr_inside", "open_clip_training", "openai_scripted"):
        content = (GOLDEN / "checkpoint" / f"{name}.pt").read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            pickle = next(entry for entry in archive.namelist() if entry.endswith("/data.pkl"))
            write(f"torch_file/{name}.pkl", b"\x01" + archive.read(pickle))
        if len(content) < 5000:
            write(f"torch_file/{name}.pt", b"\x00" + content)


def png_chunk(name, content, length=None):
    checked = name + content
    return struct.pack(">I", len(content) if length is None else length) + checked + struct.pack(">I", zlib.crc32(checked))


def write_pngs():
    """Chunks that pixels do not depend on, some of which claim more than they have."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(range(12)) for _ in range(3))))
    end = png_chunk(b"IEND", b"")
    text = zlib.compress(bytes(50_000))
    extras = {"text": png_chunk(b"tEXt", b"key\0text"), "compressed": png_chunk(b"zTXt", b"key\0\0" + text),
              "profile": png_chunk(b"iCCP", b"name\0\0" + text), "unknown": png_chunk(b"prVt", b"content"),
              "claims": png_chunk(b"tEXt", b"key\0text", length=0x7FFFFFF0)}
    for name, extra in extras.items():
        write(f"png/{name}.png", b"\x89PNG\r\n\x1a\n" + header + extra + pixels + end)


def riff(*chunks):
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def webp_chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def write_webps():
    """A lossless image of one pixel, as such and as a frame of animations with several canvases."""
    pixel = webp_chunk(b"VP8L", b"\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07")
    write("webp/pixel.webp", riff(pixel))
    for name, (width, height) in {"canvas": (4, 3), "wide": (16384, 16), "huge": (13000, 13000)}.items():
        canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        write(f"webp/{name}.webp", riff(webp_chunk(b"VP8X", b"\x02\0\0\0" + canvas), webp_chunk(b"ANIM", bytes(6)),
                                        *[webp_chunk(b"ANMF", bytes(16) + pixel)] * 2))


def progressive_jpeg(width, height, components, scans):
    """All data is zeros: the only code, for no difference and for the end of a block."""
    def segment(marker, content):
        return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content

    data = bytes((width + 7) // 8 * ((height + 7) // 8) // 8 + 1)
    code = b"\1" + bytes(15) + b"\0"
    frame = struct.pack(">BHHB", 8, height, width, components) + b"".join(bytes([i + 1, 0x11, 0]) for i in range(components))
    first = bytes([components]) + b"".join(bytes([i + 1, 0]) for i in range(components)) + bytes(3)
    parts = [b"\xff\xd8", segment(0xDB, b"\0" + b"\1" * 64), segment(0xC2, frame), segment(0xC4, b"\0" + code),
             segment(0xC4, b"\x10" + code), segment(0xDA, first), data * components]
    parts += [segment(0xDA, b"\1\1\0\1\x3f\0") + data] * (scans - 1)
    return b"".join(parts) + b"\xff\xd9"


def write_jpegs():
    write("progressive_jpeg/grey.jpg", progressive_jpeg(64, 48, 1, 3))
    write("progressive_jpeg/color.jpg", progressive_jpeg(33, 17, 3, 2))
    write("progressive_jpeg/cmyk.jpg", progressive_jpeg(100, 80, 4, 2))
    write("progressive_jpeg/scans.jpg", progressive_jpeg(16, 16, 1, 110))


def zip_bytes(compression, names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), 100 * name.encode(), compress_type=compression)
    return buffer.getvalue()


def write_zips():
    names = ["a.jpg", "b/c.png"]
    stored, deflated = zip_bytes(zipfile.ZIP_STORED, names), zip_bytes(zipfile.ZIP_DEFLATED, names)
    write("zip/stored.zip", stored)
    write("zip/deflated.zip", deflated)
    write("zip/no_end.zip", deflated[:-30])
    size = deflated.index(b"PK\1\2") + 24  # of the first member, as the directory has it
    write("zip/claims.zip", deflated[:size] + struct.pack("<I", 100 << 20) + deflated[size + 4:])


write_tars()
write_pngs()
write_webps()
write_jpegs()
write_zips()
write_tables()
write_settings()
write_safetensors()
write_torch_files()
write_captions()
write_json()
write_indexes()
write_http_answers()
write_images()
