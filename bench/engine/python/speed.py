"""llama.cpp's turns: a line `{"do": "turn", "file": …, "streams": …, "tokens": …}` is answered with tokens a second, computed, and
computed and chosen.

Without streams it reads a prompt of so many tokens, else it writes so many tokens of each answer. `{"do": "tune", …}` is answered with the
best options of those that are tried, with which such turns are run from then on.

What is timed is `llama_decode` until the logits lie in memory, and nothing of Python's. llama.cpp's own bench leaves choosing tokens
out; Outcrop's figures hold it. So it is timed apart, after the last step, and added for the second figure.
"""

import argparse
import json
import sys

import numpy as np

import llama

SHORT_PROMPT = 16
# Answers and their prompts are shorter; llama.cpp rounds up to this.
CONTEXT = 256
# How often choosing is timed: the least counts.
CHOSEN = 5
# How long answers are while options are tried, and how many options are left then.
TRIED = ((24, 2), (64, 1))


def options(streams, threads):
    """What is tried. Fewer threads than there are CPUs win where the machine is shared."""
    for flash in (1, 0):
        for count in sorted({threads, max(1, threads - 1)}, reverse=True):
            if streams == 0:
                for ubatch in (512, 256, 128):
                    yield {"flash": flash, "threads": count, "ubatch": ubatch}
            elif streams == 1:
                yield {"flash": flash, "threads": count}
            else:
                for unified in (True, False):
                    yield {"flash": flash, "threads": count, "unified": unified}


def prefill(model, chosen, prompt, seed):
    context = llama.Context(model, max(CONTEXT, -(-prompt // 256) * 256), **chosen)
    tokens = np.random.default_rng(seed).integers(10, model.vocabulary, prompt)
    context.prompt(tokens)
    context.clear()
    seconds = context.prompt(tokens)
    context.close()
    return prompt / seconds, prompt / seconds


def decode(model, chosen, streams, answer, seed):
    context = llama.Context(model, CONTEXT, sequences=streams, **chosen)
    random = np.random.default_rng(seed)
    for sequence in range(streams):
        context.prompt(random.integers(10, model.vocabulary, SHORT_PROMPT), sequence)
    sequences, wanted = list(range(streams)), np.ones(streams, np.int8)
    seconds = 0
    for step in range(answer - 1):
        tokens = random.integers(10, model.vocabulary, streams)
        context.fill(tokens, np.full(streams, SHORT_PROMPT + step), sequences, wanted)
        seconds += context.decode()
    choosing = (answer - 1) * min(context.choose(streams) for _ in range(CHOSEN))
    context.close()
    return streams * (answer - 1) / seconds, streams * (answer - 1) / (seconds + choosing)


def turn(model, streams, chosen, tokens, seed):
    if streams == 0:
        return prefill(model, chosen, tokens, seed)
    return decode(model, chosen, streams, tokens, seed)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--model", required=True)
    words.add_argument("--threads", type=int, required=True)
    args = words.parse_args()
    models = llama.Forms(args.model, args.threads)
    best = {}
    for seed, line in enumerate(sys.stdin, 1):
        job = json.loads(line)
        model, streams = models[job["file"]], job["streams"]
        task = job["file"], streams
        if job["do"] == "tune":
            left = options(streams, args.threads)
            for answer, count in TRIED:
                tokens = answer if streams else job["tokens"]
                left = sorted(left, key=lambda chosen: turn(model, streams, chosen, tokens, seed), reverse=True)[:count]
            [best[task]] = left
            print(json.dumps(best[task]), flush=True)
        else:
            computed, chosen = turn(model, streams, best[task], job["tokens"], seed)
            print(json.dumps({"tokens_per_s": computed, "chosen_per_s": chosen}), flush=True)


main()
