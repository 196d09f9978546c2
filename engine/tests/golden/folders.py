"""Writes small folders as transformers saves them, with random weights, and what transformers computes with them.

    python -m venv V && V/bin/pip install torch transformers
    V/bin/python folders.py > folders.json

The tests in `src/hub` read the result. Weights are not kept: both sides make them of each tensor's name.
"""

import json
import math
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

MASK = (1 << 64) - 1
TOKENS = 40
POSITIONS = [11, 39]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEXT = """The quick brown fox jumps over the lazy dog. It's the year 2024, and they've all seen what the others have seen.
Der schnelle braune Fuchs springt über den faulen Hund; çà et là, où l'été s'achève. 12345 67 8.
  for (int i = 0; i < 10; i++) {\n    the_sum += i;\n  }\n\nThe end, then the other end of the other thing."""
TEXTS = ["The fox", "they've seen 2024 things!", "  two  spaces\n\n\tand more ", "über été 漢字 🙂", "x = 12345;\r\n}", "a <tool> b",
         "THE END'S", " the", "a<|im_end|>b", "…—", ""]
TEMPLATE = "{% for message in messages %}<s>{{ message['content'] }}</s>{% endfor %}"
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
         "max_position_embeddings": 128}
DEFAULT = {"rope_type": "default", "rope_theta": 10000.0}


def bits(name, count):
    """64 bits for each place of a tensor: splitmix64, seeded by the FNV-1a hash of the tensor's name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & MASK
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def numbers(name, shape):
    """Numbers of seven bits, so that every type holds them: norms around one, everything else around zero."""
    unit = (bits(name, math.prod(shape)) >> np.uint64(57)).astype(np.float32) / np.float32(64) - np.float32(1)
    return (np.float32(1) + unit / np.float32(2) if "norm" in name else unit / np.float32(4)).reshape(shape)


def trained(tokenizer, size, **more):
    """The tokens and merges that a text teaches."""
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, **more)
    tokenizer.train_from_iterator(TEXT.split("\n"), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [tuple(merge) for merge in model["merges"]]


def with_controls(tokenizer, begins):
    control = ["<s>", "</s>"]
    tokenizer.add_special_tokens(control)
    # One that is looked for before the text is changed, as in the folders of most models.
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False)])
    if begins:
        ids = [(token, tokenizer.token_to_id(token)) for token in control]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=ids)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE)


def byte_level(pre, begins=False, **more):
    tokenizer = Tokenizer(models.BPE(**more))
    tokenizer.pre_tokenizer = pre
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokens, merges = trained(tokenizer, 300, initial_alphabet=alphabet)
    tokenizer = Tokenizer(models.BPE({token: at for at, token in enumerate(tokens)}, merges, **more))
    tokenizer.pre_tokenizer = pre
    return with_controls(tokenizer, begins)


def cut(expression):
    split = pre_tokenizers.Split(Regex(expression), "isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def sentence_piece(prefix):
    """As transformers writes Llama 2's (with a space before the first word) and Gemma's (without)."""
    spaces = [normalizers.Replace(" ", "▁")]
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *spaces]) if prefix else spaces[0]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizer
    tokens, merges = trained(tokenizer, 150, max_token_length=8)
    tokens = ["<unk>", "<s>", "</s>", *BYTES, *tokens]
    ids = {token: at for at, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(ids, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizer
    if not prefix:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_special_tokens(["<unk>"])
    return with_controls(tokenizer, True)


def cases():
    t = transformers
    llama2, gemma = sentence_piece(True), sentence_piece(False)
    llama3 = byte_level(cut(LLAMA3), True, ignore_merges=True)
    qwen = byte_level(cut(LLAMA3.replace("{1,3}", "")))
    qwen.backend_tokenizer.normalizer = normalizers.NFC()
    smollm = byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)]))
    yield "llama 2", llama2, t.LlamaConfig(**SIZES, rope_parameters=DEFAULT), "F16"
    scaled = DEFAULT | {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                        "original_max_position_embeddings": 64}
    yield "llama 3", llama3, t.LlamaConfig(**SIZES, rope_parameters=scaled, tie_word_embeddings=True, attention_bias=True), "BF16"
    linear = DEFAULT | {"rope_type": "linear", "factor": 2.0}
    yield "smollm 2", smollm, t.LlamaConfig(**SIZES, rope_parameters=linear, tie_word_embeddings=True), "F32"
    yield "mistral", llama2, t.MistralConfig(**SIZES, head_dim=32, sliding_window=16, rope_parameters=DEFAULT), "BF16"
    yield "smollm 3", llama3, t.SmolLM3Config(**SIZES | {"num_hidden_layers": 5}, rope_parameters=DEFAULT, pad_token_id=0), "F32"
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 500.0}
    yield "qwen 2", qwen, t.Qwen2Config(**SIZES, rope_parameters=yarn, tie_word_embeddings=True), "BF16"
    yield "qwen 3", qwen, t.Qwen3Config(**SIZES, head_dim=32, rope_parameters=DEFAULT), "F32"
    yield "gemma 2", gemma, t.Gemma2Config(**SIZES, head_dim=32, sliding_window=16, query_pre_attn_scalar=24, rope_parameters=DEFAULT,
                                           attn_logit_softcapping=3.0, final_logit_softcapping=5.0), "F32"
    ropes = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}, "sliding_attention": DEFAULT}
    yield "gemma 3", gemma, t.Gemma3TextConfig(**SIZES | {"num_hidden_layers": 7}, head_dim=32, sliding_window=16,
                                               query_pre_attn_scalar=32, rope_parameters=ropes), "BF16"
    long = DEFAULT | {"rope_type": "longrope", "partial_rotary_factor": 0.5, "original_max_position_embeddings": 32,
                      "long_factor": [1.0 + at for at in range(8)], "short_factor": [1.0 + at / 8 for at in range(8)]}
    config = t.Phi3Config(**SIZES | {"num_attention_heads": 2, "num_key_value_heads": 2}, rope_parameters=long, pad_token_id=0,
                          original_max_position_embeddings=32, sliding_window=None)
    yield "phi 3", llama2, config, "F32"


def run(name, tokenizer, config, dtype):
    config.vocab_size = len(tokenizer) + 3
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    shapes = {}
    for theirs, tensor in model.state_dict().items():
        if theirs == "lm_head.weight" and config.tie_word_embeddings:
            continue
        shapes[theirs] = list(tensor.shape)
        tensor.copy_(torch.from_numpy(numbers(theirs, tuple(tensor.shape))))
    model.tie_weights()
    tokens = [(at * at * 7 + at * 31 + 5) % config.vocab_size for at in range(TOKENS)]
    with torch.no_grad():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0]
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for file in sorted(Path(folder).glob("*.json")):
            files[file.name] = json.loads(file.read_text("utf8"))
        files |= {file.name: file.read_text("utf8") for file in Path(folder).glob("*.jinja")}
    words = files.pop("tokenizer.json")
    return {"name": name, "files": files, "dtype": dtype, "shapes": shapes, "tokens": tokens, "positions": POSITIONS,
            "logits": [[float(f"{x:.6g}") for x in logits[at].tolist()] for at in POSITIONS]}, words


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_grad_enabled(False)


def main():
    vocabularies, entries = [], []
    for name, tokenizer, config, dtype in cases():
        entry, words = run(name, tokenizer, config, dtype)
        if all(words != other["file"] for other in vocabularies):
            texts = [{"text": text, "tokens": tokenizer.encode(text, add_special_tokens=False)} for text in TEXTS]
            vocabularies.append({"file": words, "texts": texts})
        entry["vocabulary"] = next(at for at, other in enumerate(vocabularies) if other["file"] == words)
        entries.append(entry)
    print('{"vocabularies":[\n' + ",\n".join(map(dump, vocabularies)) + '\n],"folders":[\n' + ",\n".join(map(dump, entries)) + "\n]}")


if __name__ == "__main__":
    main()
