"""Writes what sentence-transformers makes of some texts, in f32, with all-MiniLM-L6-v2.

    python -m venv V && V/bin/pip install sentence-transformers
    V/bin/python embeddings.py all-MiniLM-L6-v2/ > embeddings.json
"""

import json
import sys

from sentence_transformers import SentenceTransformer

TEXTS = [
    "",
    "hello",
    "The quick brown fox jumps over the lazy dog.",
    "Ünïcödé: naïve café, Straße, Ångström — “quoted”…",
    "漢字とかな交じり文、日本語。Привет, мир! שָׁלוֹם 🙂👩‍👩‍👧‍👦",
    "def f(x):\n    return {k: v ** 2 for k, v in x.items() if v != 0}  # 0x7F\n",
    "A very long text that is cut off. " * 60,
    "antidisestablishmentarianism " + "x" * 101 + " pneumonoultramicroscopicsilicovolcanoconiosis",
]

model = SentenceTransformer(sys.argv[1], device="cpu")
vectors = [model.encode([text], convert_to_numpy=True)[0] for text in TEXTS]
lines = ({"text": text, "vector": [float(f"{x:.8g}") for x in vector]} for text, vector in zip(TEXTS, vectors))
print("[\n" + ",\n".join(json.dumps(line, separators=(",", ":")) for line in lines) + "\n]")
