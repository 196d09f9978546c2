"""llama.cpp's turns: reads `{"do": "tune"}` and `{"do": "turn", …}`, answers with tokens a second.

What is timed is `llama_decode` until the logits lie in memory, and nothing of Python's. Choosing tokens is left out, as
llama.cpp's own bench leaves it out; Outcrop's figures hold it. Each task runs with the best options of those that were tried.
"""

import argparse
import json
import os
import sys

import numpy as np

import llama

SHORT_PROMPT = 16
# Answers and their prompts are shorter; llama.cpp rounds up to this.
CONTEXT = 256
TASKS = ("prefill", 1, 16, 64)


def options(task, threads):
    """What is tried. Fewer threads than there are CPUs win where the machine is shared."""
    for flash in (1, 0):
        for count in sorted({threads, max(1, threads - 1)}, reverse=True):
            if task == "prefill":
                for ubatch in (512, 256, 128):
                    yield {"flash": flash, "threads": count, "ubatch": ubatch}
            elif task == 1:
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
    return prompt / seconds


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
    context.close()
    return streams * (answer - 1) / seconds


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--model", required=True)
    words.add_argument("--threads", type=int, required=True)
    args = words.parse_args()
    models = llama.forms(args.model, args.threads)
    chosen = {}

    def turn(file, task, with_options, prompt, answer, seed):
        if task == "prefill":
            return prefill(models[file], with_options, prompt, seed)
        return decode(models[file], with_options, task, answer, seed)

    seed = 0
    for line in sys.stdin:
        job = json.loads(line)
        seed += 1
        if job["do"] == "tune":
            for file in models:
                for task in TASKS:
                    tried = [(turn(file, task, o, 512, 24, seed), at, o) for at, o in enumerate(options(task, args.threads))]
                    # The two that were fastest once run once more, longer.
                    tried = [(turn(file, task, o, 512, 64, seed), at, o) for _, at, o in sorted(tried, reverse=True)[:2]]
                    chosen[f"{file}, {task}"] = max(tried)[2]
            print(json.dumps(chosen), flush=True)
        else:
            task = job["streams"] or "prefill"
            speed = turn(job["file"], task, chosen[f"{job['file']}, {task}"], job["prompt"], job["answer"], seed)
            print(json.dumps({"tokens_per_s": speed}), flush=True)


main()
