"""Writes what transformers makes of some tokens with small BERT models of made-up weights, in f64.

    python -m venv V && V/bin/pip install torch transformers
    V/bin/python encoder.py > encoder.json

Each number of a tensor is a hash of the tensor's name and of the number's place, so that the test makes the same ones.
"""

import json

import numpy as np
import torch
from transformers import BertConfig, BertModel

TOKENS = [[2, 3], [2, 7, 8, 4, 3], [2, *range(4, 12), *range(4, 12), 3]]
MODELS = [
    {"width": 32, "heads": 2, "inner": 64, "layers": 2, "pooling": "mean_tokens", "normalise": True},
    {"width": 48, "heads": 4, "inner": 80, "layers": 1, "pooling": "cls_token", "normalise": False},
]


def made_up(name, shape):
    """Numbers from -0.5 to 0.5, without the latter."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        state = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(seed)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    numbers = (state >> np.uint64(40)).astype(np.float64) / 2**24 - 0.5
    return torch.tensor(numbers.reshape(shape))


out = []
for sizes in MODELS:
    config = BertConfig(
        vocab_size=12, hidden_size=sizes["width"], num_attention_heads=sizes["heads"], intermediate_size=sizes["inner"],
        num_hidden_layers=sizes["layers"], max_position_embeddings=24, attn_implementation="eager",
    )
    model = BertModel(config, add_pooling_layer=False).eval().double()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.copy_(made_up(name, tuple(tensor.shape)) + (1.0 if name.endswith("LayerNorm.weight") else 0.0))
        vectors = []
        for tokens in TOKENS:
            states = model(torch.tensor([tokens])).last_hidden_state[0]
            vector = states.mean(0) if sizes["pooling"] == "mean_tokens" else states[0]
            if sizes["normalise"]:
                vector = vector / vector.norm()
            vectors.append([float(f"{x:.8g}") for x in vector.tolist()])
    out.append(json.dumps({**sizes, "tokens": TOKENS, "vectors": vectors}, separators=(",", ":")))
print("[\n" + ",\n".join(out) + "\n]")
