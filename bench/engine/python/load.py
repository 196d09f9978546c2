"""llama.cpp under requests as they come: continuous batching as its server does it, and one request at a time.

The loop is that of llama.cpp's server: each step holds a token of every slot that answers, and fills up with prompts to the
size of a batch (2,048 tokens, computed 512 at a time). It stands in for the server because llama-cpp-python ships none with
slots; HTTP, templates and sampling beyond the likeliest token are left out, to its favour. With one slot, a request waits
until those before it have ended, as where a server takes one at a time.
"""

import argparse
import json
import os
import sys
import time

import numpy as np

import llama


class Slot:
    def __init__(self, number):
        self.number, self.request = number, None


def serve(model, slots, arrivals, context_tokens, threads):
    context = llama.Context(model, -(-context_tokens // 256) * 256, sequences=slots, threads=threads)
    random = np.random.default_rng(1)
    prompts = [random.integers(10, model.vocabulary, prompt) for _, prompt, _ in arrivals]
    slots = [Slot(number) for number in range(slots)]
    tokens = [[] for _ in arrivals]
    next_request, start = 0, time.perf_counter()
    while True:
        now = time.perf_counter() - start
        for slot in slots:
            if slot.request is None and next_request < len(arrivals) and arrivals[next_request][0] <= now:
                slot.request, slot.done, slot.next = next_request, 0, None
                next_request += 1
        busy = [slot for slot in slots if slot.request is not None]
        if not busy:
            if next_request == len(arrivals):
                break
            time.sleep(max(0, arrivals[next_request][0] - (time.perf_counter() - start)))
            continue
        rows = []
        for slot in busy:
            if slot.next is not None:
                rows.append((slot.next, slot.done, slot.number, 1, slot))
                slot.done += 1
        for slot in busy:
            prompt = prompts[slot.request]
            if slot.next is None:
                part = prompt[slot.done : slot.done + context.size - len(rows)]
                for token in part:
                    slot.done += 1
                    rows.append((token, slot.done - 1, slot.number, int(slot.done == len(prompt)), slot))
        context.fill([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows])
        context.decode()
        for at, (_, _, _, wanted, slot) in enumerate(rows):
            if not wanted:
                continue
            slot.next = int(context.logits(at).argmax())
            tokens[slot.request].append(time.perf_counter() - start)
            if len(tokens[slot.request]) == arrivals[slot.request][2]:
                context.forget(slot.number)
                slot.request = None
    context.close()
    first = [of[0] - arrival[0] for of, arrival in zip(tokens, arrivals)]
    gaps = [gap for of in tokens for gap in np.diff(of).tolist()]
    return {"first": first, "gaps": gaps, "seconds": time.perf_counter() - start}


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--model", required=True)
    words.add_argument("--threads", type=int, required=True)
    args = words.parse_args()
    models = llama.Forms(args.model, args.threads)
    for line in sys.stdin:
        job = json.loads(line)
        seen = serve(models[job["file"]], job["slots"], job["arrivals"], job["context"], args.threads)
        print(json.dumps(seen), flush=True)


main()
