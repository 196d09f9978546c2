"""Writes what Hugging Face's `tokenizers` makes of texts, with the vocabulary and merges of a GGUF file.

    python -m venv V && V/bin/pip install tokenizers gguf
    V/bin/python tokens.py SmolLM2-135M-Instruct.Q4_1.gguf tokens.json > new.json

The texts are those of the second argument; an entry's old tokens are not looked at.
"""

import json
import sys

import gguf
from tokenizers import Tokenizer, models, pre_tokenizers

fields = gguf.GGUFReader(sys.argv[1]).fields


def read(key):
    return fields["tokenizer.ggml." + key].contents()


merges = [tuple(merge.split(" ")) for merge in read("merges")]
tokenizer = Tokenizer(models.BPE({token: at for at, token in enumerate(read("tokens"))}, merges))
tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Digits(individual_digits=True),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
])


def line(text):
    entry = {"text": text, "tokens": tokenizer.encode(text, add_special_tokens=False).ids}
    return json.dumps(entry, separators=(",", ":"))


with open(sys.argv[2], encoding="utf8") as file:
    print("[\n" + ",\n".join(line(entry["text"]) for entry in json.load(file)) + "\n]")
