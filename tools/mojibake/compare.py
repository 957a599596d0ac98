#!/usr/bin/env python3
"""Compares cloob's fix_text with that of ftfy 6.3.1 on mojibake and on natural text in many languages.

Usage: python3 tools/mojibake/compare.py build/release/tests/cloob_fix_text [--golden]   (ftfy 6.3.1, Python 3.11)

Needs Debian 12's packages of texts.py, which apt-get downloads into .deps/mojibake. Prints what was compared; exits with
status 1 if a string differs or if too few are compared. With --golden it also writes a sample of the strings to
tests/golden/text/mojibake.jsonl: [string, what ftfy makes of it].
"""
import argparse
import collections
import importlib.metadata
import json
import pathlib
import random
import subprocess
import sys
import unicodedata

import ftfy

import garble
import texts as natural

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "text" / "mojibake.jsonl"
GOLDEN_STRINGS = 2400
REQUIRED = 50_000
REQUIRED_PER_PAIR = 200

Case = collections.namedtuple("Case", "kind language text fixed is_repaired")


def is_known(text):
    """Whether Python's Unicode has all characters; those that it lacks may have properties in cloob."""
    return all(unicodedata.category(c) != "Cn" or 0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in text)


def garbled_cases(texts):
    seen = set()
    for kind, language, text in garble.all_garbled(texts):
        fixed = ftfy.fix_text(text)
        if (kind, text) in seen or not is_known(text + fixed):
            continue
        seen.add((kind, text))
        yield Case(kind, language, text, fixed, fixed != ftfy.fix_text(text, fix_encoding=False))


def natural_cases(texts):
    """The same number for every language, as far as there are texts, until there are enough."""
    left = {language: iter(pool) for language, pool in texts.items()}
    seen = set()
    while left and len(seen) < REQUIRED:
        for language in list(left):
            text = next(left[language], None)
            if text is None:
                del left[language]
            elif text not in seen and ftfy.fix_text(text) == text:
                seen.add(text)
                yield Case("natural", language, text, text, False)


def fix_with(program, strings):
    lines = "".join(json.dumps(text) + "\n" for text in strings)
    done = subprocess.run([program], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def report(cases):
    """Prints the counts; returns whether they suffice."""
    repaired = [case for case in cases if case.is_repaired]
    unchanged = [case for case in cases if case.kind == "natural"]
    languages = {case.language for case in repaired} & set(natural.SCRIPT_OF)
    scripts = {natural.SCRIPT_OF[language] for language in languages}
    kinds = collections.Counter(case.kind for case in cases)
    changed = collections.Counter(case.kind for case in repaired)
    for kind, count in sorted(kinds.items()):
        print(f"{count:6} strings, {changed[kind]:6} repaired: {kind}")
    few = [f"{kind} ({count})" for kind, count in kinds.items() if " as " in kind and count < REQUIRED_PER_PAIR]
    num_repaired, num_unchanged = (len({case.text for case in some}) for some in (repaired, unchanged))
    print(f"{len(cases)} strings: {num_repaired} distinct ones that ftfy repairs, {num_unchanged} natural ones that it keeps")
    print(f"{len(languages)} languages and English captions, {len(scripts)} scripts: {', '.join(sorted(scripts))}")
    print(f"{len(kinds)} kinds; there are fewer than {REQUIRED_PER_PAIR} such strings for: {', '.join(few) or 'none'}")
    return num_repaired >= REQUIRED and num_unchanged >= REQUIRED and len(languages) >= 12 and len(scripts) >= 6


def write_golden(cases):
    """Short strings of every kind, and as many natural ones as a kind has."""
    by_kind = collections.defaultdict(list)
    for case in cases:
        if len(case.text) <= 40 and (case.is_repaired or case.kind in ("natural", "near a rule")):
            by_kind[case.kind].append(case)
    rng = random.Random(3)
    for pool in by_kind.values():
        rng.shuffle(pool)
    chosen = []
    while len(chosen) < GOLDEN_STRINGS:
        for kind in sorted(by_kind):
            if by_kind[kind]:
                chosen.append(by_kind[kind].pop())
    rows = sorted({(case.text, case.fixed) for case in chosen})
    GOLDEN.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{GOLDEN.name}: {len(rows)} strings, {GOLDEN.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--texts", type=pathlib.Path, default=ROOT / ".deps" / "mojibake", help="folder of the packages")
    parser.add_argument("--golden", action="store_true", help="write the golden file")
    options = parser.parse_args()
    assert importlib.metadata.version("ftfy") == "6.3.1"

    texts = natural.natural_texts(options.texts)
    cases = list(garbled_cases(texts)) + list(natural_cases(texts))
    results = fix_with(options.program.resolve(), [case.text for case in cases])
    different = [(case, result) for case, result in zip(cases, results, strict=True) if result != case.fixed]
    for case, result in different[:10]:
        print(f"{case.kind}, {case.language}: {case.text!a}\n  ftfy  {case.fixed!a}\n  cloob {result!a}")
    is_enough = report(cases)
    print(f"{len(different)} differences")
    if options.golden:
        write_golden(cases)
    sys.exit(1 if different or not is_enough else 0)


if __name__ == "__main__":
    main()
