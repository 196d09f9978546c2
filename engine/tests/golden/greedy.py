"""Writes what llama.cpp answers to twenty prompts, always taking the likeliest token.

    python -m venv V && V/bin/pip install llama-cpp-python
    V/bin/python greedy.py SmolLM2-135M-Instruct.Q4_1.gguf > greedy.json

The test `greedy_answers_are_those_of_llama_cpp_but_for_near_ties` reads the result.
"""

import json
import sys

from llama_cpp import Llama

TOKENS_MAX = 48
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
PROMPTS = [
    "Hello! Who are you?",
    "What is the capital of France?",
    "Count from one to ten.",
    "Write a haiku about the sea.",
    "Explain photosynthesis to a child.",
    "What is 12 + 30?",
    "Translate 'good morning' into Spanish.",
    "Name three primary colours.",
    "Write a Python function that reverses a string.",
    "Why is the sky blue?",
    "Tell me a story about a fox.",
    "What are the days of the week?",
    "Summarise: The cat sat on the mat and fell asleep in the sun.",
    "List two uses of a paperclip.",
    "Was ist ein Apfel?",
    "How do I boil an egg?",
    "Give me a synonym for 'happy'.",
    "Who wrote Hamlet?",
    "What is water made of?",
    "Say something nice. 🙂",
]

model = Llama(sys.argv[1], n_ctx=1024, verbose=False)
answers = []
for prompt in PROMPTS:
    text = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    tokens = model.tokenize(text.encode(), add_bos=False, special=True)
    answer = []
    for token in model.generate(tokens, temp=0.0, top_k=1, repeat_penalty=1.0):
        answer.append(token)
        if token == model.token_eos() or len(answer) == TOKENS_MAX:
            break
    answers.append({"text": prompt, "prompt": tokens, "answer": answer})
print("[\n" + ",\n".join(json.dumps(answer, separators=(",", ":")) for answer in answers) + "\n]")
