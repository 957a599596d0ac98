#!/usr/bin/env python3
"""Converts the metadata of clip-retrieval's embeddings between Parquet and JSON lines, which cloob reads and writes.

Usage: tools/parquet_to_jsonl.py PATH...

Of a .parquet file it writes a .jsonl file beside it, of a .jsonl file a .parquet file; of a folder, all of its .parquet files, or all
of its .jsonl files if there are none. Needs pyarrow (pip install pyarrow).
"""
import json
import os
import pathlib
import sys

try:
    import pyarrow
    import pyarrow.parquet
except ImportError:
    sys.exit("pyarrow is missing: pip install pyarrow")

ROWS = 65536


def write_whole(path, write):
    """The file appears when it is complete."""
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    os.replace(partial, path)


def to_lines(source, target):
    def write(partial):
        with open(partial, "w", encoding="utf-8") as lines:
            for batch in pyarrow.parquet.ParquetFile(source).iter_batches(batch_size=ROWS):
                for row in batch.to_pylist():
                    present = {name: value for name, value in row.items() if value is not None}
                    lines.write(json.dumps(present, ensure_ascii=False, default=str) + "\n")

    write_whole(target, write)


def to_parquet(source, target):
    def write(partial):
        rows = [json.loads(line) for line in source.read_text(encoding="utf-8").split("\n") if line]
        names = list(dict.fromkeys(name for row in rows for name in row))
        table = pyarrow.Table.from_pylist(rows, schema=pyarrow.Table.from_pylist(
            [{name: next((row[name] for row in rows if row.get(name) is not None), None) for name in names}]).schema)
        pyarrow.parquet.write_table(table, partial)

    write_whole(target, write)


def convert(path):
    if path.is_dir():
        files = sorted(path.glob("*.parquet")) or sorted(path.glob("*.jsonl"))
        if not files:
            sys.exit(f"'{path}' has neither .parquet nor .jsonl files: name the folder metadata")
        for file in files:
            convert(file)
        return
    if path.suffix not in (".parquet", ".jsonl"):
        sys.exit(f"'{path}' is neither a .parquet nor a .jsonl file")
    is_parquet = path.suffix == ".parquet"
    target = path.with_suffix(".jsonl" if is_parquet else ".parquet")
    (to_lines if is_parquet else to_parquet)(path, target)
    print(target)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    for argument in sys.argv[1:]:
        convert(pathlib.Path(argument))
