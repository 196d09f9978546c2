"""Writes golden.txt: blocks of every quantised type and what the reference decoder makes of them.

    pip install gguf numpy && python golden.py > golden.txt

Each line holds the type, a block in hex, and its numbers as little-endian 32-bit floats in hex. The blocks are random
bytes (so every bit of every field is used) with sensible scales.
"""

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

# Where the 16-bit floats lie in a block.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.F16: [0], T.BF16: [], T.IQ4_NL: [0], T.IQ4_XS: [0],
}
random = np.random.default_rng(2)
for kind, halves in HALVES.items():
    size = GGML_QUANT_SIZES[kind][1]
    for _ in range(2 if size > 100 else 4):
        block = random.integers(0, 256, size, dtype=np.uint8)
        for at in halves:
            block[at : at + 2] = np.array([random.normal(0, 0.05)], np.float16).view(np.uint8)
        if kind == T.BF16:
            block[:] = np.array([random.normal()], np.float32).view(np.uint8)[2:]
        numbers = dequantize(block, kind).astype(np.float32)
        print(kind.name, block.tobytes().hex(), numbers.tobytes().hex())
