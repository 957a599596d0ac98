"""Natural text in many languages: translations from Debian packages, and English captions with typographic marks."""
import gettext
import pathlib
import random
import subprocess
import sys

# Translations of names of countries, regions, languages and currencies, and of a user interface.
PACKAGES = ["iso-codes", "libglib2.0-data", "libgtk-3-common"]
SCRIPTS = {
    "Latin": "cs da de es fr hu is it lt lv pl pt_BR ro sv tr vi", "Cyrillic": "bg ru sr uk", "Greek": "el",
    "Arabic": "ar fa", "Hebrew": "he", "Devanagari": "hi", "Bengali": "bn", "Tamil": "ta", "Thai": "th",
    "Georgian": "ka", "Armenian": "hy", "Han and kana": "ja zh_CN", "Hangul": "ko",
}
SCRIPT_OF = {language: script for script, languages in SCRIPTS.items() for language in languages.split()}
SAMPLES = pathlib.Path(__file__).resolve().parent.parent / "goldens" / "text_samples.txt"


def download(folder):
    """Downloads and unpacks the packages into the folder, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not list(folder.glob(f"{package}_*.deb")):
            print(f"downloading {package}", file=sys.stderr)
            subprocess.run(["apt-get", "download", package], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        [archive] = folder.glob(f"{package}_*.deb")
        if not (folder / package).exists():
            subprocess.run(["dpkg-deb", "--extract", archive, folder / package], check=True)


def translations(folder, language):
    """Distinct lines with characters that are not ASCII, shuffled; the shortest packages do not dominate."""
    lines = set()
    for path in sorted(folder.glob(f"*/usr/share/locale/{language}/LC_MESSAGES/*.mo")):
        with open(path, "rb") as file:
            catalog = gettext.GNUTranslations(file)._catalog
        texts = [text for message, text in catalog.items() if message != ""]
        lines |= {line.strip() for text in texts for line in text.splitlines()}
    usable = sorted(line for line in lines if not line.isascii() and 4 <= len(line) <= 120)
    random.Random(language).shuffle(usable)
    return usable


def captions(rng, count):
    """English captions with emoji, accents, dashes, curly quotes and other marks."""
    plain = [line.strip() for line in SAMPLES.read_text(encoding="utf-8").splitlines() if line.isascii() and line.strip()]
    marks = ["\u2019s", "\u201cbest\u201d", "\u2018new\u2019", " \u2013 ", "\u2014", "\u2026", " \u2022 ", "\u20ac20", "\u00a35", "\u00a9 2019",
             "\u00ae", "\u2122", "\u00b0C", "\u00bd", "\u00d7", "\u00e0 la carte", "caf\u00e9", "d\u00e9j\u00e0 vu", "\u00c5", "na\u00efve",
             "S\u00e3o Paulo", "\u00a0", "\u200b", "\u2192", "\u2605", "\u2713", "\u2665", "\u00b7", "\u00ab hi \u00bb", "\u2044", "\u2260", "\u03c0"]
    emoji = ["\U0001f600", "\U0001f60d", "\U0001f415", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f1eb\U0001f1f7",
             "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f4a9", "\u26bd", "\u2728"]
    for _ in range(count):
        words = rng.choice(plain).split()
        for _ in range(rng.randint(1, 3)):
            words.insert(rng.randint(0, len(words)), rng.choice(rng.choice([marks, emoji])))
        yield " ".join(words)


def natural_texts(folder):
    """{language: texts}; "en" stands for the captions."""
    download(folder)
    texts = {language: translations(folder, language) for language in SCRIPT_OF}
    texts["en"] = sorted(set(captions(random.Random(1), 6000)))
    random.Random(2).shuffle(texts["en"])
    return texts
