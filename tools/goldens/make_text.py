"""Writes tests/golden/text: token ids of open_clip's tokenizer, and properties from Python's Unicode tables.

Usage: python tools/goldens/make_text.py   (open_clip_torch 3.3.0, ftfy 6.3.1, regex, Python 3.11)

Excluded are strings with characters unknown to Python 3.11's Unicode, a documented difference. tests/golden/text/mojibake.jsonl
has many more strings of mojibake; tools/mojibake/compare.py writes it.
"""
import html
import html.entities
import itertools
import json
import random
import unicodedata
from pathlib import Path

import ftfy  # registers the encodings
import regex
from ftfy.chardata import CHARMAP_ENCODINGS, HTML_ENTITIES
from open_clip.tokenizer import SimpleTokenizer

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "golden" / "text"
SAMPLES = Path(__file__).with_name("text_samples.txt")
CODE_POINTS = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TOKENIZER = SimpleTokenizer()


def chunks(items, size):
    items = list(items)
    return (items[i:i + size] for i in range(0, len(items), size))


def characters(*categories):
    return [c for c in CODE_POINTS if unicodedata.category(c) in categories]


# --- Strings -----------------------------------------------------------------------------------------------------------

def english(rng):
    subjects = ["a dog", "Two men", "the woman's cat", "THREE CHILDREN", "an old car", "people", "a red-haired girl"]
    verbs = ["runs", "is sitting", "don't play", "were painted", "jump", "who'd slept", "he'll wait"]
    places = ["in the park.", "on a bench", "at 5th Avenue, New York", "near the sea!", "(black & white)", "#sunset",
              "under a \"blue\" sky", "for $12.50", "\tbeside a tree\n", "by J.R.R. Tolkien", "-- stock photo 1234567"]
    lines = [" ".join(words) for words in itertools.product(subjects, verbs, places)]
    return rng.sample(lines, 240)


def contractions():
    apostrophes = ["'", "\u2019", "\u2018", "\u02bc", "\uff07", "&#39;", "&rsquo;", "''"]
    endings = ["s", "t", "re", "ve", "m", "ll", "d", "\u017f"]
    for apostrophe, ending in itertools.product(apostrophes, endings):
        yield "".join(f"We{apostrophe}{form}x you{apostrophe}{form} {apostrophe}{form}! "
                      for form in (ending, ending.upper(), ending.title()))


def entities(rng):
    for names in chunks(sorted(html.entities.html5), 12):
        yield "".join(f"&{name}" for name in names)
    for names in chunks(sorted(set(HTML_ENTITIES) - {"&" + name for name in html.entities.html5}), 24):
        yield " ".join(names)
    tails = ["x", "1", "\u00e9", " ", ";;", "&", "\n", "#", "<"]
    for _ in range(60):
        yield "".join("&" + rng.choice(sorted(html.entities.html5)).rstrip(";") + rng.choice(tails) for _ in range(4))
    numbers = list(range(0, 0x20)) + list(range(0x7F, 0xA1)) + [0x3B, 0x26, 0x3C, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFDCF,
        0xFDD0, 0xFDEF, 0xFFFD, 0xFFFE, 0xFFFF, 0x1FFFE, 0x1F600, 0x10FFFD, 0x10FFFF, 0x110000, 10**12]
    for some in chunks(numbers, 4):
        yield "".join(f"&#{n}; &#{n} &#x{n:x}; &#X{n:X}z " for n in some)
    for name in ["a" * 23, "a" * 24, "a" * 25, "a" * 40, "amp" + "x" * 29, "amp" + "x" * 40, "1" * 24, "#" + "1" * 23,
                 "#" + "1" * 24, "#" + "1" * 25, "#x" + "f" * 23, "#x" + "f" * 24, "CounterClockwiseContourIntegral"]:
        yield f"&{name}; <&{name};"
    for text in ["1 < 2 &eacute;", "&eacute;\n<\n&eacute; &amp;lt;", "<br>&nbsp;&amp;nbsp;", "&lt;&eacute;&gt;",
                 "&amp;lt;b&amp;gt;", "a<b &amp;amp;amp;amp; c", "&#38;#60;&#38;#38;lt;", "&\u00e9;&\u00e9&amp", "&", "&&"]:
        yield text


def special_characters(rng):
    for c in characters("Cc"):
        yield f"a{c}b {c}c {c} d{c}"
    for c in (c for c in CODE_POINTS if c.isspace()):
        yield f"{c}one{c}{c}two {c}three{c}"
    odd = ["\u034f", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u202a", "\u202e", "\u2060", "\u2066", "\u206a",
           "\u206f", "\ufeff", "\ufff9", "\ufffb", "\ufffc", "\ufffd", "\u00ad", "\u180e", "\u061c", "\U000e0041",
           "\U0001d173", "\U000f0000", "\ue000", "\u0345", "\ufdd0", "\uffff"]
    for c in odd:
        yield f"a{c}b {c} c{c}! {c}{c}'s"
    ligatures = [c for c in CODE_POINTS if "LIGATURE" in unicodedata.name(c, "") or "DIGRAPH" in unicodedata.name(c, "")]
    for some in chunks([c for c in ligatures if ord(c) < 0x2000 or 0xFB00 <= ord(c) < 0xFB50] + ["\u0149"], 4):
        yield "a".join(some) + " x" + " ".join(some)
    for some in chunks([chr(c) for c in range(0xFF01, 0xFFEF) if unicodedata.category(chr(c)) != "Cn"] + ["\u3000"], 6):
        yield "".join(some) + " " + "\uff9e".join(some)
    for c in map(chr, [0x2BC, *range(0x2018, 0x2020), 0x2032, 0x2033, 0xAB, 0xBB, 0x60, 0xB4]):
        yield f"{c}quoted{c} it{c}s {c}{c} {c}"
    for escape in ["\x1b[0m", "\x1b[1;31m", "\x1b[m", "\x1b[2J", "\x1b[;;H", "\x1b[\u0663m", "\x1b[\uff11m", "\x1b[?25l",
                   "\x1b]0;t\x07", "\x1b[31", "\x1b", "\x1b[", "\x1b\x1b[31m[32m", "\x1b[&#51;1m", "\x1b[1\u00e9"]:
        yield f"{escape}red{escape} text{escape}"
    for line_break in ["\n", "\r", "\r\n", "\n\r", "\r\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c"]:
        yield f"one{line_break}two{line_break}{line_break}three{line_break}"
    for token in ["<start_of_text>", "<end_of_text>"]:
        for text in ["{}", "a {} b", "{}{}", "a{}b", "!{}", "'{}", "<{}>", "\u00e9{}", "1{}2", "{}s"]:
            for form in [token, token.upper(), token.replace("s", "\u017f"), html.escape(token)]:
                yield text.format(form, form)


def letter_case(rng):
    for some in chunks([c for c in CODE_POINTS if c.lower() != c], 24):
        yield "".join(some[:12]) + " " + " ".join(some[12:])
    sigma = "\u03a3"
    for before, after in itertools.product(["", "A", "a", ".", "A.", "1", "A1", "A\u0301", "\u02b0", "\u24b6", "\u2160"],
                                           ["", "A", ".", ".A", " A", "'", "1", "\u0301", "\u0301A", sigma, "\u00aa"]):
        yield f"{before}{sigma}{after}"
    for c in rng.sample([c for c in CODE_POINTS if (c + sigma).lower()[-1] == "\u03c2"], 40):
        yield f"{c}{sigma} {c}{sigma}{c} 1{c}{sigma}"
    for c in ["I", "\u0130", "\u0131", "i\u0307", "I\u0307", "\u1e9e", "\u00df", "\u212a", "\u212b", "\u2126", "\u01c5"]:
        yield f"{c} x{c}x {c}{c}"


def normal_forms(rng):
    decomposed = [unicodedata.normalize("NFD", c) for c in CODE_POINTS if unicodedata.normalize("NFD", c) != c]
    marks = [c for c in CODE_POINTS if unicodedata.combining(c)]
    for some in chunks(rng.sample(decomposed, 400), 8):
        yield "".join(some)
    for _ in range(60):
        yield " ".join(rng.choice("aeiouxyz\u05d0\u0915\u3042") + "".join(rng.choices(marks, k=rng.randint(1, 4)))
                       for _ in range(4))


def numbers():
    for some in chunks(characters("Nd"), 10):
        yield "".join(some) + f" a{some[1]}b {some[3]}.{some[5]}"
    for some in chunks(characters("Nl", "No"), 24):
        yield "".join(some)


def emoji(rng):
    faces = [chr(c) for c in range(0x1F600, 0x1F650)]
    things = [chr(c) for c in itertools.chain(range(0x1F300, 0x1F400), range(0x2600, 0x2700))]
    people, skins, joined = "\U0001f468\U0001f469\U0001f9d1", [chr(c) for c in range(0x1F3FB, 0x1F400)], "\u200d"
    for _ in range(40):
        yield "".join(rng.choices(faces, k=rng.randint(1, 6))) + " " + rng.choice(things) + "\ufe0f"
        yield joined.join(rng.choice(people) + rng.choice(skins + [""]) for _ in range(rng.randint(2, 4))) + " family"
        yield "".join(chr(0x1F1E6 + rng.randrange(26)) for _ in range(2)) + rng.choice("0123456789#*") + "\ufe0f\u20e3"


def every_category(rng):
    words = ["a", "the photo", "x1", "it's", "", " ", "!", "\u00e9"]
    for category in sorted({unicodedata.category(c) for c in CODE_POINTS} - {"Cn", "Cs"}):
        pool = characters(category)
        for _ in range(18):
            yield "".join(rng.choice(words) + "".join(rng.choices(pool, k=rng.randint(1, 3))) for _ in range(3))


def garbled(rng, pool):
    """Mojibake: UTF-8 decoded with another encoding, once or twice."""
    for encoding in CHARMAP_ENCODINGS:
        for text in rng.sample([text for text in pool if not text.isascii()], 12):
            yield (once := text.encode().decode(encoding))
            yield once.encode().decode(encoding)


def mixtures(rng, pool):
    for _ in range(150):
        pieces = (rng.choice(pool) for _ in range(rng.randint(2, 5)))
        yield "".join(piece[:(start := rng.randrange(len(piece) + 1))][-8:] + piece[start:][:8] for piece in pieces)


def long_texts(rng, pool):
    yield " ".join(["word"] * 200)
    yield "word" * 200
    for count in (74, 75, 76, 77, 78):
        yield " ".join(["cat"] * count)
        yield "\u732b" * count
    for _ in range(10):
        yield " ".join(rng.choices(pool, k=6))


# --- Golden files ------------------------------------------------------------------------------------------------------

def is_comparable(text):
    return all(unicodedata.category(c) != "Cn" or 0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE
               for c in TOKENIZER.clean_fn(text))


def case(text, context_length):
    row = TOKENIZER([text], context_length)[0].tolist()
    length = min(len(TOKENIZER.encode(text)) + 2, context_length)
    assert not any(row[length:])
    return [text, context_length, row.index(max(row)), " ".join(map(str, row[:length]))]


def write_cases(name, texts, context_lengths=(77,)):
    unique = [text for text in dict.fromkeys(texts) if is_comparable(text)]
    cases = [case(text, length) for text in unique for length in context_lengths]
    (FOLDER / f"{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in cases))
    return unique


def ranges(predicate):
    """[first, last, first, last, ...] of the code points that satisfy the predicate."""
    found = []
    for c in map(ord, CODE_POINTS):
        if predicate(chr(c)):
            if found and found[-1] == c - 1:
                found[-1] = c
            else:
                found += [c, c]
    return found


def write_unicode():
    """Properties of every code point that Python 3.11 knows, and decoding of invalid UTF-8."""
    known = [c for c in CODE_POINTS if unicodedata.category(c) != "Cn"]
    letter, number, sigma = regex.compile(r"\p{L}"), regex.compile(r"\p{N}"), "\u03a3"
    broken = [b"\xff", b"a\x80b", b"\xc3", b"\xc3(", b"\xc0\xaf", b"\xe2\x82", b"\xe2\x82a", b"\xe2(\xa1", b"\xf0\x9f\x98",
              b"\xf0\x9f\x98 x", b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xe0\x80\xaf",
              b"\xf0\x80\x80\x80", b"ok \xe2\x82\xac\xf0\x90\x8d\x88\xc3\xa9", b"\xf8\x88\x80\x80\x80", b"\xe1\x80\xe2\x80"]
    tables = {
        "unassigned": ranges(lambda c: unicodedata.category(c) == "Cn"),
        "letters": ranges(lambda c: unicodedata.category(c) != "Cn" and letter.match(c)),
        "numbers": ranges(lambda c: unicodedata.category(c) != "Cn" and number.match(c)),
        "digits": ranges(lambda c: unicodedata.category(c) == "Nd"),
        "spaces": ranges(str.isspace),
        # A sigma becomes a final sigma after a cased letter, even with case-ignorable characters in between.
        "sigma_ends_word_after": ranges(lambda c: (c + sigma).lower()[-1] == "\u03c2"),
        "sigma_ends_word_after_letter_and": ranges(lambda c: ("a" + c + sigma).lower()[-1] == "\u03c2"),
        "lower": [[c, c.lower()] for c in known if c.lower() != c],
        "nfc": [[c, unicodedata.normalize("NFC", c)] for c in known if unicodedata.normalize("NFC", c) != c],
        "utf8": [[data.hex(), data.decode(errors="replace")] for data in broken],
    }
    lines = [f"{json.dumps(name)}: {json.dumps(table, separators=(',', ':'))}" for name, table in tables.items()]
    (FOLDER / "unicode.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    rng = random.Random(20240229)
    FOLDER.mkdir(parents=True, exist_ok=True)
    samples = SAMPLES.read_text(encoding="utf-8").split("\n")[:-1] + ["", "line1\nline2\ttab"]
    all_texts = write_cases("captions", samples + english(rng) + list(contractions()))
    pool = list(all_texts)
    all_texts += write_cases("html", entities(rng))
    all_texts += write_cases("special", special_characters(rng))
    all_texts += write_cases("case_and_form", itertools.chain(letter_case(rng), normal_forms(rng)))
    all_texts += write_cases("symbols", itertools.chain(numbers(), emoji(rng), every_category(rng)))
    all_texts += write_cases("garbled", garbled(rng, [text for text in all_texts if len(text) <= 40]))
    all_texts += write_cases("mixtures", mixtures(rng, all_texts))
    all_texts += write_cases("long", long_texts(rng, pool), context_lengths=(1, 2, 3, 16, 77))
    write_unicode()

    non_ascii = sum(not text.isascii() for text in all_texts)
    categories = {unicodedata.category(c) for text in all_texts for c in text}
    print(f"{len(all_texts)} strings, {non_ascii} not ASCII, {len(categories)} general categories")
    assert len(all_texts) >= 2000 and 2 * non_ascii > len(all_texts) and len(categories) >= 15


if __name__ == "__main__":
    main()
