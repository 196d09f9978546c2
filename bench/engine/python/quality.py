"""How far answers are from float32's: reads lines `{"tokens": […], "logits": PATH}`, writes sums over their positions.

`logits` are Outcrop's, a row for each position but the last. Rows of the reference and of llama.cpp, on the same file and in its
faster formats, are computed here.
"""

import argparse
import json
import sys

import numpy as np

import llama
from reference import Reference


def log_probabilities(logits):
    """In place: rows of a hundred megabytes are not copied for the sake of it."""
    logits -= logits.max(-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True, dtype=np.float64)).astype(np.float32)
    return logits


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--model", required=True)
    words.add_argument("--threads", type=int, required=True)
    args = words.parse_args()
    reference = Reference(args.model)
    models = llama.Forms(args.model, args.threads)
    peers = {name: llama.Context(models[name], 1024, threads=args.threads) for name in models.NAMES}

    def contenders(tokens, path, vocabulary):
        yield "outcrop", np.fromfile(path, np.float32).reshape(len(tokens), -1)[:, :vocabulary].copy()
        for name, peer in peers.items():
            peer.clear()
            peer.prompt(tokens, every=True)
            yield name, np.stack([peer.logits(at) for at in range(len(tokens))])

    for line in sys.stdin:
        job = json.loads(line)
        tokens = job["tokens"]
        rows, nexts = len(tokens) - 1, np.asarray(tokens[1:])
        truth = log_probabilities(reference.logits(tokens[:-1]))
        weights = np.exp(truth)
        best = truth.argmax(-1)
        of = lambda rows_: rows_[np.arange(rows), nexts]
        seen = {"rows": rows, "reference": {"nll": float(-of(truth).sum(dtype=np.float64))}}
        for name, logits in contenders(tokens[:-1], job["logits"], truth.shape[1]):
            said = log_probabilities(logits)
            kl = (weights * (truth - said)).sum(-1, dtype=np.float64)
            seen[name] = {
                "nll": float(-of(said).sum(dtype=np.float64)),
                "kl": kl.tolist(),
                "same_best": int((said.argmax(-1) == best).sum()),
            }
        print(json.dumps(seen), flush=True)


main()
