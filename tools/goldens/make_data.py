"""Writes tests/golden/data: tar files written by Python in each format, and a table full of quotes.

Usage: python tools/goldens/make_data.py   (standard library only)
"""
import csv
import io
import json
import random
import tarfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "data"


def members(longest_name):
    """Regular files with names of every boundary length that the format can hold."""
    names = ["a.jpg", "a.TXT", "folder/b.jpg", "folder/b.txt", "plain", "./c.x.jpg"]
    for length in (99, 100, 101, 155, 156, 255, 256, 300, 700):
        if length <= longest_name:
            folders = "d/" * ((length - 50) // 2)
            names.append(folders + "n" * (length - len(folders) - 4) + ".jpg")
    return [(name, f"content of {i} ".encode() * (i * 7)) for i, name in enumerate(names)]


def write_tar(name, tar_format, content, **options):
    with tarfile.open(FOLDER / f"{name}.tar", "w", format=tar_format, **options) as tar:
        folder = tarfile.TarInfo("folder/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for member, data in content:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            link = tarfile.TarInfo(member[:90] + ".link")
            link.type = tarfile.SYMTYPE
            link.linkname = "x" * 120 if tar_format != tarfile.USTAR_FORMAT else "x"
            tar.addfile(link)
    listing = [[member, data.decode()] for member, data in content]
    (FOLDER / f"{name}.json").write_text(json.dumps(listing, indent=0) + "\n")


def write_table():
    """Rows of fragments that need quoting, written by Python's csv module (CRLF line ends)."""
    draw = random.Random(3)
    pieces = ['"', '""', ",", "\t", "\n", "\r\n", "a", "word", " ", "\u00e9", "\u4f60", "''", ";", ""]
    rows = [["filepath", "title", "other"]]
    for i in range(60):
        rows.append([f"{i}" + "".join(draw.choices(pieces, k=draw.randint(0, 5))) for _ in range(3)])
    for name, separator in (("comma.csv", ","), ("tab.tsv", "\t")):
        with open(FOLDER / name, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=separator).writerows(rows)
    (FOLDER / "table.json").write_text(json.dumps(rows, indent=0) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_tar("ustar", tarfile.USTAR_FORMAT, members(255))
    write_tar("gnu", tarfile.GNU_FORMAT, members(700))
    unicode_names = [("caf\u00e9/\u4f60\u597d.jpg", b"unicode"), ("\u00e9" * 120 + ".txt", b"long unicode")]
    write_tar("pax", tarfile.PAX_FORMAT, members(700) + unicode_names, pax_headers={"comment": "global"})
    write_table()
