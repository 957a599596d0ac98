#!/usr/bin/env python3
"""Sentence embeddings of captions, as the features of a teacher ('cloob teacher build', docs/teachers.md).

Usage: tools/embed_captions.py SHARD.tar... --out F.npy --keys KEYS.txt
       tools/embed_captions.py TABLE.tsv... --out F.npy

Of a sample in a shard, all captions in the field `captions` of its .json count, or else its .txt: a row is the mean of their
embeddings at unit length, itself of unit length. Of a table, every row is a sample, and there are no keys. The model is wordllama's
(pip install wordllama), whose weights are in the package: nothing is downloaded.
"""
import argparse
import csv
import json
import pathlib
import sys
import tarfile

import numpy as np

try:
    import wordllama
except ImportError:
    sys.exit("wordllama is missing: pip install wordllama")

SAMPLES = 4096  # embedded at once


def of_members(members):
    """The captions of a sample, from the contents of its members by suffix."""
    if "json" in members:
        captions = json.loads(members["json"]).get("captions")
        if captions:
            return captions
    return [members["txt"].decode("utf-8", "replace")] if "txt" in members else []


def of_shard(path):
    """(key, captions) of each sample, in the order of the shard."""
    key, members = None, {}
    with tarfile.open(path) as shard:
        for member in shard:
            if not member.isfile():
                continue
            folder, _, name = member.name.rpartition("/")
            stem, _, suffix = name.partition(".")
            of_member = f"{folder}/{stem}" if folder else stem
            if of_member != key and key is not None:
                yield key, of_members(members)
                members = {}
            key, suffix = of_member, suffix.lower()
            members[suffix] = shard.extractfile(member).read() if suffix in ("json", "txt") else b""
    if key is not None:
        yield key, of_members(members)


def of_table(path, separator, column):
    with open(path, encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter=separator):
            yield None, [row[column]]


def unit(rows):
    """Rows at unit length; a row of zeros, of an empty caption, stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def embedded(model, samples):
    """One row for each list of captions."""
    captions = [caption for sample in samples for caption in sample]
    owners = np.repeat(np.arange(len(samples)), [len(sample) for sample in samples])
    rows = np.zeros((len(samples), model.embedding.shape[1]), np.float32)
    if captions:
        np.add.at(rows, owners, unit(np.nan_to_num(model.embed(captions))))
    return unit(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", required=True, help="the .npy file to write")
    parser.add_argument("--keys", help="the file of keys to write, for shards")
    parser.add_argument("--separator", default="\t", help="of tables (default: a tab)")
    parser.add_argument("--caption-column", default="title", help="of tables (default: title)")
    options = parser.parse_args()

    keys, samples = [], []
    for path in options.sources:
        is_shard = path.suffix == ".tar"
        if options.keys and not is_shard:
            sys.exit(f"{path}: rows of tables have no keys of their own: leave out --keys")
        for key, captions in of_shard(path) if is_shard else of_table(path, options.separator, options.caption_column):
            keys.append(key)
            samples.append([caption for caption in captions if caption.strip()])
    if not samples:
        sys.exit("there are no samples")

    # Named as the folder of downloads, the package's own folder keeps the model from asking for the tokenizer on the internet.
    model = wordllama.WordLlama.load(cache_dir=pathlib.Path(wordllama.__file__).parent, disable_download=True)
    out = np.lib.format.open_memmap(options.out, "w+", np.float32, (len(samples), model.embedding.shape[1]))
    for first in range(0, len(samples), SAMPLES):
        part = samples[first:first + SAMPLES]
        out[first:first + len(part)] = embedded(model, part)
    out.flush()
    zeros = int((np.abs(out).max(axis=1) == 0).sum())
    if options.keys:
        with open(options.keys, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{key}\n" for key in keys)
    print(f"{len(samples)} samples, {sum(map(len, samples))} captions, {out.shape[1]} numbers each"
          + (f"; {zeros} rows are zero, of samples without a caption that says something" if zeros else ""))


if __name__ == "__main__":
    main()
