"""Ways in which text turns into mojibake, and strings next to the rules of ftfy. All are functions of a seed."""
import itertools
import random
import re._constants as re_constants
import re._parser as re_parser

from ftfy.badness import BADNESS_RE
from ftfy.chardata import CHARMAP_ENCODINGS, UTF8_DETECTOR_RE

PAIRS = list(itertools.permutations(CHARMAP_ENCODINGS, 2))
CHARACTERS = sorted({bytes([byte]).decode(encoding) for encoding in CHARMAP_ENCODINGS for byte in range(256)})


def recode(text, source, target, times=1):
    """Encodes in one encoding and decodes in the other; None if the text cannot be encoded."""
    try:
        for _ in range(times):
            text = text.encode(source).decode(target)
    except UnicodeError:
        return None
    return text


def by_utf8(texts, per_encoding):
    """UTF-8 decoded with each encoding, once and twice: (kind, language, string)."""
    for language, pool in texts.items():
        rng = random.Random(f"utf8 {language}")
        for encoding, times in itertools.product(CHARMAP_ENCODINGS, (1, 2)):
            for text in rng.sample(pool, min(per_encoding, len(pool))):
                yield f"utf-8 as {encoding}, {times}x", language, recode(text, "utf-8", encoding, times)


def distinct(texts, garble, count):
    """(language, string) of so many texts that `garble` changes, as far as there are."""
    found = {}
    for language, text in texts:
        garbled = garble(text)
        if garbled is not None and garbled != text and not garbled.isascii():
            found.setdefault(garbled, language)
            if len(found) == count:
                break
    return ((language, garbled) for garbled, language in found.items())


def shuffled(texts, seed):
    everything = [(language, text) for language, pool in texts.items() for text in pool]
    random.Random(seed).shuffle(everything)
    return everything


def by_two_encodings(texts, per_pair):
    """UTF-8 decoded with one encoding, encoded as UTF-8 and decoded with another."""
    for first, second in PAIRS:
        def garble(text, first=first, second=second):
            return recode(recode(text, "utf-8", first), "utf-8", second)
        for language, text in distinct(shuffled(texts, f"{first} {second}"), garble, per_pair):
            yield f"utf-8 as {first}, then as {second}", language, text


def by_pair(texts, per_pair):
    """Encoded in one single-byte encoding and decoded in another, once and twice; as many as there are."""
    everything = shuffled(texts, "pair")
    for (source, target), times in itertools.product(PAIRS, (1, 2)):
        def garble(text, source=source, target=target, times=times):
            return recode(text, source, target, times)
        for language, text in distinct(everything, garble, per_pair):
            yield f"{source} as {target}, {times}x", language, text


def cesu8(text):
    """Each half of a surrogate pair encoded by itself, and U+0000 as two bytes."""
    halves = text.encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(halves[i:i + 2], "big") for i in range(0, len(halves), 2))
    return b"".join(chr(unit).encode("utf-8", "surrogatepass") if unit else b"\xc0\x80" for unit in units)


def by_variants(texts, per_encoding):
    rng = random.Random("variants")
    wide = [text for text in texts["en"] if max(text) > "\uffff"]
    for encoding in CHARMAP_ENCODINGS:
        for text in rng.sample(wide, per_encoding):
            place = rng.randrange(len(text))
            yield f"CESU-8 as {encoding}", "en", cesu8(text).decode(encoding)
            yield f"CESU-8 as {encoding}", "en", cesu8(text[:place] + "\0" + text[place:]).decode(encoding)


def damage(rng, data):
    """Spaces for no-break bytes, and lost bytes."""
    data = data.replace(b"\xa0", b" ")
    place = rng.randrange(len(data))
    return data[:place] + bytes([rng.choice([0x1A, 0x3F, 0x20, rng.randrange(256)])]) + data[place + 1:]


def damaged(texts, count):
    rng = random.Random("damaged")
    for _ in range(count):
        language, encoding = rng.choice(list(texts)), rng.choice(CHARMAP_ENCODINGS)
        data = rng.choice(texts[language]).encode()
        yield "spaces for no-break spaces", language, data.replace(b"\xa0", b" ").decode(encoding)
        yield "characters lost", language, data.decode("windows-1252", "replace")
        yield "bytes lost", language, damage(rng, data).decode(encoding)


def embedded(texts, count):
    """A garbled text beside one that is not."""
    rng = random.Random("embedded")
    for _ in range(count):
        language, other = rng.choices(list(texts), k=2)
        garbled = recode(rng.choice(texts[language]), "utf-8", rng.choice(CHARMAP_ENCODINGS), rng.choice([1, 1, 2]))
        parts = [garbled, rng.choice(texts[other])]
        rng.shuffle(parts)
        yield "next to other text", language, rng.choice(["", " ", " - ", "&amp;", "\n"]).join(parts)


# --- Strings that match the regular expressions of ftfy, and strings that nearly do -----------------------------------

def example(rng, pattern):
    """A string that a parsed regular expression matches, except for look-behinds and negated classes."""
    return "".join(example_of(rng, *item) for item in pattern)


def example_of(rng, operation, value):
    match operation:
        case re_constants.LITERAL:
            return chr(value)
        case re_constants.RANGE:
            return chr(rng.randint(*value))
        case re_constants.IN:
            return example_of(rng, *rng.choice(value))
        case re_constants.BRANCH:
            return example(rng, rng.choice(value[1]))
        case re_constants.SUBPATTERN:
            return example(rng, value[3])
        case re_constants.MAX_REPEAT:
            low, high, pattern = value
            return "".join(example(rng, pattern) for _ in range(rng.randint(low, min(high, 3))))
        case re_constants.CATEGORY:
            return rng.choice(" \u00a0\u3000\n_x\u00e9\u6f22")
        case re_constants.AT | re_constants.ASSERT_NOT:
            return ""
        case _:
            return rng.choice(CHARACTERS)


def near_rules(count):
    rng = random.Random("rules")
    patterns = [re_parser.parse(regex.pattern, regex.flags) for regex in (BADNESS_RE, UTF8_DETECTOR_RE)]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 4)):
            parts.append(example(rng, rng.choice(patterns)) if rng.random() < 0.6 else rng.choice(CHARACTERS))
        text = "".join(parts)
        place = rng.randrange(len(text))
        if rng.random() < 0.5:
            text = text[:place] + rng.choice(CHARACTERS) + text[place + 1:]
        yield "near a rule", "-", text


def all_garbled(texts):
    return itertools.chain(by_utf8(texts, 75), by_two_encodings(texts, 210), by_pair(texts, 210), by_variants(texts, 150),
                           damaged(texts, 3000), embedded(texts, 6000), near_rules(20000))
