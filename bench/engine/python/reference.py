"""A model of the Llama architecture in float32, plainly: what the answers of every engine are held to.

The weights are those of the GGUF file, widened by gguf-py; nothing else is rounded. Small on purpose: a page of numpy that can be
read beside the paper, and that shares no code with any engine that it judges.
"""

import gguf
import numpy as np


class Reference:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        field = lambda key: reader.get_field(key).contents()
        if field("general.architecture") != "llama":
            raise SystemExit("the reference computes the architecture \"llama\" alone")
        self.layers = field("llama.block_count")
        self.heads = field("llama.attention.head_count")
        self.kv_heads = field("llama.attention.head_count_kv")
        self.epsilon = field("llama.attention.layer_norm_rms_epsilon")
        base = field("llama.rope.freq_base")
        self.weights = {
            t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors
        }
        if "rope_freqs.weight" in self.weights:
            raise SystemExit("the reference knows no scaled rotation")
        self.head_len = self.weights["blk.0.attn_q.weight"].shape[0] // self.heads
        self.turns = base ** (-np.arange(0, self.head_len, 2, dtype=np.float64) / self.head_len)
        self.output = self.weights.get("output.weight", self.weights["token_embd.weight"])

    def norm(self, x, name):
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.epsilon))
        return x * scale * self.weights[name]

    def rotate(self, x):
        """Pairs of neighbours turn, as GGUF's Llama files have them."""
        angles = np.outer(np.arange(x.shape[0]), self.turns)[:, None, :]
        cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        even, odd = x[..., 0::2], x[..., 1::2]
        out = np.empty_like(x)
        out[..., 0::2], out[..., 1::2] = even * cos - odd * sin, even * sin + odd * cos
        return out

    def logits(self, tokens):
        """One row for each token."""
        n, w = len(tokens), self.weights
        x = w["token_embd.weight"][np.asarray(tokens)]
        mask = np.triu(np.full((n, n), -np.inf, np.float32), 1)
        share = self.heads // self.kv_heads
        for layer in range(self.layers):
            of = lambda name: w[f"blk.{layer}.{name}.weight"]
            h = self.norm(x, f"blk.{layer}.attn_norm.weight")
            q = self.rotate((h @ of("attn_q").T).reshape(n, self.heads, -1))
            k = self.rotate((h @ of("attn_k").T).reshape(n, self.kv_heads, -1))
            v = (h @ of("attn_v").T).reshape(n, self.kv_heads, -1)
            out = np.empty_like(q)
            for head in range(self.heads):
                kv = head // share
                scores = q[:, head] @ k[:, kv].T / np.float32(np.sqrt(self.head_len)) + mask
                weights = np.exp(scores - scores.max(-1, keepdims=True))
                out[:, head] = weights / weights.sum(-1, keepdims=True) @ v[:, kv]
            x = x + out.reshape(n, -1) @ of("attn_output").T
            h = self.norm(x, f"blk.{layer}.ffn_norm.weight")
            gate = h @ of("ffn_gate").T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ of("ffn_up").T)) @ of("ffn_down").T
        return self.norm(x, "output_norm.weight") @ self.output.T
