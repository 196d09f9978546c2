"""Writes what Hugging Face's `tokenizers` makes of all characters and of some texts, with a BERT tokenizer.

    python -m venv V && V/bin/pip install tokenizers
    V/bin/python wordpiece.py all-MiniLM-L6-v2/tokenizer.json > wordpiece.json

`blocks` hashes what becomes of each character between an `a` and a `b`, 4,096 at a time. Left out are characters that are
newer than Unicode 14, and U+11938, which `tokenizers` does not take apart as Unicode does since 13; none is in a vocabulary.
Python's tables must be those of Unicode 14, as those of 3.11 are.
"""

import json
import sys
import unicodedata

from tokenizers import Tokenizer

TEXTS = [
    "",
    " ",
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "unaffable antidisestablishmentarianism",
    "Ünïcödé Ångström naïve café Straße İstanbul",
    "Ελληνικά και Ωμέγα, ΣΊΣΥΦΟΣ",
    "Привет, мир! Ёлка йод",
    "漢字とかな交じり文、日本語。한국어 中文",
    "שָׁלוֹם العَرَبِيَّة हिन्दी ไทย",
    "emoji 🙂👩‍👩‍👧‍👦🏳️‍🌈 and symbols €£¥ ±×÷ ™©",
    "tabs\tnew\nlines\r\nnbsp\u00a0zero\u200bwidth\u200d\ufeff\ufffd\u0000control\u0007",
    "a-b_c/d\\e@f#g$h%i^j&k*l(m)n+o=p{q}r[s]t|u:v;w'x\"y<z>1,2.3?4!5~6`7",
    "1234567890 3.14159 1e-5 0x7F",
    "x" * 100 + " " + "x" * 101,
    "don't can't won't it's",
    "https://example.com/path?query=1#fragment",
    "fi ﬁ ℌ Ⅷ ½ ①",
    "\U0001f600\U000e0067 \U0002b830 \U0002b920 \u1734\u166d\U000111c9",
]

assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_truncation()
tokenizer.no_padding()


def words(text):
    cut = tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
    return " ".join(word for word, _ in cut)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return f"{value:016x}"


def block(number):
    characters = [chr(c) for c in range(number * 4096, (number + 1) * 4096)]
    known = [c for c in characters if unicodedata.category(c) not in ("Cn", "Cs") and c != "\U00011938"]
    return fnv("".join(words(f"a{c}b") + "\n" for c in known).encode())


texts = [{"text": text, "tokens": tokenizer.encode(text, add_special_tokens=False).ids} for text in TEXTS]
lines = ",\n".join(json.dumps(line, separators=(",", ":")) for line in texts)
blocks = json.dumps([block(number) for number in range(0x110)], separators=(",", ":"))
print(f'{{"blocks":{blocks},\n"texts":[\n{lines}\n]}}')
