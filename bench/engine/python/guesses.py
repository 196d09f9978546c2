"""llama.cpp's turns with one answer at a time: a line `{"do": "turn", "file": …, "system": …, "questions": […], "tokens": …}` is answered
with tokens a second, `{"do": "tune", …}` with the best options of those that are tried, with which such turns are run from then on.

It takes the likeliest tokens, and may guess what follows by llama-cpp-python's own prompt lookup: guessed tokens are computed in the
batch of the token before them, and those that the sampler would not have chosen are taken back. What is timed is `llama_decode` and
the library's sampler, from the first token of each answer on; looking up is left out, since here it is Python's.
"""

import argparse
import ctypes
import json
import sys

import llama_cpp as lib
import numpy as np
from llama_cpp.llama_speculative import LlamaPromptLookupDecoding

import llama

# How many tokens are guessed at most, of which the last is llama-cpp-python's own default.
GUESSES = (0, 2, 4, 10)
# How many questions are asked while options are tried.
TRIED = 4


def prompt(model, system, question):
    """The tokens of a question in the model's own template."""
    messages = (lib.llama_chat_message * 2)()
    for message, role, text in zip(messages, ("system", "user"), (system, question)):
        message.role, message.content = role.encode(), text.encode()
    template = lib.llama_model_chat_template(model.model, None)
    room = 4 * sum(len(message.content) for message in messages) + 1024
    buffer = ctypes.create_string_buffer(room)
    length = lib.llama_chat_apply_template(template, messages, 2, True, buffer, room)
    if not 0 <= length <= room:
        raise SystemExit("llama.cpp does not know the model's template")
    text = buffer.raw[:length]
    tokens = (lib.llama_token * (length + 8))()
    count = lib.llama_tokenize(model.vocab, text, length, tokens, len(tokens), False, True)
    return np.array(tokens[:count], np.intc)


def answer(context, model, tokens, most, guesses):
    """Writes an answer; gives how many tokens follow its first, and the seconds that they took."""
    look_up = LlamaPromptLookupDecoding(num_pred_tokens=guesses)
    context.clear()
    context.prompt(tokens)
    text = np.append(tokens, context.likeliest(-1)[0])
    seconds, written = 0, 1
    while written < most and not model.ends(text[-1]):
        guessed = look_up(text)[: most - written - 1] if guesses else []
        rows = [text[-1], *guessed]
        context.fill(rows, np.arange(len(rows)) + len(text) - 1, [0] * len(rows), np.ones(len(rows), np.int8))
        seconds += context.decode()
        for at in range(len(rows)):
            token, took = context.likeliest(at)
            seconds += took
            text = np.append(text, token)
            written += 1
            if model.ends(token) or at == len(guessed) or token != guessed[at]:
                break
        context.forget(0, len(text) - 1)
    return written - 1, seconds


def turn(model, job, questions, chosen):
    options = {key: value for key, value in chosen.items() if key != "guesses"}
    prompts = [prompt(model, job["system"], question) for question in questions]
    longest = max(map(len, prompts)) + job["tokens"]
    context = llama.Context(model, -(-longest // 256) * 256, **options)
    turns = [answer(context, model, tokens, job["tokens"], chosen["guesses"]) for tokens in prompts]
    context.close()
    return sum(count for count, _ in turns) / sum(seconds for _, seconds in turns)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--model", required=True)
    words.add_argument("--threads", type=int, required=True)
    args = words.parse_args()
    models, best = llama.Forms(args.model, args.threads), {}
    for line in sys.stdin:
        job = json.loads(line)
        model, questions = models[job["file"]], job["questions"]
        if job["do"] == "tune":
            speed = lambda chosen: turn(model, job, questions[:TRIED], chosen)
            every = [{"flash": flash, "threads": args.threads, "guesses": count} for flash in (1, 0) for count in GUESSES]
            best[job["file"]] = max(every, key=speed)
            print(json.dumps(best[job["file"]]), flush=True)
        else:
            print(json.dumps({"tokens_per_s": turn(model, job, questions, best[job["file"]])}), flush=True)


main()
