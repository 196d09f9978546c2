"""How far llama.cpp's answers lie from exact arithmetic: the file's values in f32, run by transformers.

    python -m venv V && V/bin/pip install torch transformers gguf
    V/bin/python greedy_reference.py FOLDER SmolLM2-135M-Instruct.Q4_1.gguf greedy.json
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained(sys.argv[1], gguf_file=sys.argv[2], dtype=torch.float32).eval()
gaps = []
with open(sys.argv[3], encoding="utf8") as file:
    for entry in json.load(file):
        tokens = torch.tensor([entry["prompt"] + entry["answer"]])
        answer = torch.tensor(entry["answer"])
        with torch.no_grad():
            logits = model(tokens).logits[0, len(entry["prompt"]) - 1 : -1]
        gaps += (logits.max(-1).values - logits[torch.arange(len(answer)), answer]).tolist()
same = sum(gap == 0 for gap in gaps)
print(f"{same} of {len(gaps)} tokens are the likeliest; the others lie at most {max(gaps):.3f} below")
