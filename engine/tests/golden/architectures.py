"""Writes what transformers computes for a small model of each architecture, and how a GGUF file describes that model.

    python -m venv V && V/bin/pip install torch transformers gguf llama-cpp-python
    V/bin/python architectures.py > architectures.json
    V/bin/python architectures.py --llama.cpp FOLDER      # writes the files there, and holds llama.cpp to transformers

The weights come of a formula (`numbers`) that the test `every_architecture_is_that_of_transformers` has too, so none are
kept. They are made in the shape that GGUF gives them; `unconverted` undoes for transformers what llama.cpp's
`conversion/*.py` does to a tensor. Metadata is what those converters write. Sequences are long enough to leave windows and
the context before scaling behind.

llama.cpp (of llama-cpp-python 0.3.36) agrees to 1e-5 of the logits' spread, but for four things: its GELU is a table of
16-bit floats (Gemma, 1.5e-3), its activations are rounded to eight bits (Q8_0), it has no windows for Mistral and Phi-3,
which their authors' code has, and it reads YaRN's betas for none of these architectures.
"""

import json
import math
import sys

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType, Keys

TOKENS = 72
# Positions whose logits are kept: within every window and scaled context, and beyond.
POSITIONS = [0, 13, 40, 71]
VOCABULARY = 48
MASK = (1 << 64) - 1


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
    """Numbers of a tensor: norms around one, everything else around zero."""
    unit = (bits(name, math.prod(shape)) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    unit = unit.reshape(shape)
    return np.float32(1) + unit / np.float32(2) if "norm" in name else unit / np.float32(4)


def blocks(name, shape):
    """Blocks of Q8_0: a 16-bit scale and 32 bytes each."""
    noise = bits(name, math.prod(shape)).reshape(-1, 32)
    scales = ((noise[:, :1] >> np.uint64(60)).astype(np.float32) + 16) / np.float32(16384)
    quants = (noise >> np.uint64(48)).astype(np.uint8)
    return np.concatenate([scales.astype(np.float16).view(np.uint8), quants], axis=1).reshape(*shape[:-1], -1)


def sequence():
    return [(at * at * 7 + at * 31 + 5) % VOCABULARY for at in range(TOKENS)]


def permute(weights, heads):
    """conversion/llama.py: halves of a head become neighbours."""
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


class Case:
    def __init__(self, name, arch, config, also=(), given=(), quantised=False):
        self.name, self.arch, self.config, self.quantised = name, arch, config, quantised
        self.given = {name: np.array(values, np.float32) for name, values in dict(given).items()}
        self.keys = {Keys.General.ARCHITECTURE: arch}
        self.add(self.described() | dict(also))

    def add(self, keys):
        self.keys |= {key.format(arch=self.arch): value for key, value in keys.items()}

    def described(self):
        """conversion/base.py, `TextModel.set_gguf_parameters`."""
        c = self.config
        rope = c.rope_parameters.get("full_attention", c.rope_parameters)
        keys = {
            Keys.LLM.BLOCK_COUNT: c.num_hidden_layers,
            Keys.LLM.CONTEXT_LENGTH: c.max_position_embeddings,
            Keys.LLM.EMBEDDING_LENGTH: c.hidden_size,
            Keys.LLM.FEED_FORWARD_LENGTH: c.intermediate_size,
            Keys.Attention.HEAD_COUNT: c.num_attention_heads,
            Keys.Attention.HEAD_COUNT_KV: c.num_key_value_heads,
            Keys.Attention.LAYERNORM_RMS_EPS: c.rms_norm_eps,
        }
        if self.arch != "gemma2":  # whose own converter leaves it out
            keys[Keys.Rope.FREQ_BASE] = float(rope["rope_theta"])
        if (head := getattr(c, "head_dim", None)) is not None:
            keys |= {Keys.Attention.KEY_LENGTH: head, Keys.Attention.VALUE_LENGTH: head}
        if rope["rope_type"] in ("linear", "yarn"):
            keys |= {Keys.Rope.SCALING_TYPE: rope["rope_type"], Keys.Rope.SCALING_FACTOR: rope["factor"]}
        if rope["rope_type"] == "yarn":
            keys[Keys.Rope.SCALING_ORIG_CTX_LEN] = rope["original_max_position_embeddings"]
            for name, key in [("beta_fast", Keys.Rope.SCALING_YARN_BETA_FAST), ("beta_slow", Keys.Rope.SCALING_YARN_BETA_SLOW)]:
                keys |= {key: float(rope[name])} if name in rope else {}
        return keys

    def unconverted(self, name, weights):
        if self.arch in ("llama", "smollm3") and (".attn_q." in name or ".attn_k." in name):
            heads = self.config.num_attention_heads if ".attn_q." in name else self.config.num_key_value_heads
            there = permute(np.arange(weights.shape[0]), heads)
            back = np.empty_like(weights)
            back[there] = weights
            return back
        return weights - np.float32(1) if self.arch.startswith("gemma") and "norm" in name else weights

    def run(self):
        """The model's tensors as in GGUF, and the logits."""
        torch.manual_seed(0)
        self.config._attn_implementation = "eager"
        model = transformers.AutoModelForCausalLM.from_config(self.config).float().eval()
        arch = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == self.arch)
        names = gguf.get_tensor_name_map(arch, self.config.num_hidden_layers)
        tensors, state = {}, model.state_dict()
        for theirs, tensor in state.items():
            if theirs == "lm_head.weight" and self.config.tie_word_embeddings:
                continue
            name = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
            name = name + theirs[theirs.rindex(".") :] if not name.endswith((".weight", ".bias")) else name
            if self.quantised and tensor.ndim == 2:
                tensors[name] = blocks(name, tuple(tensor.shape))
                weights = gguf.quants.dequantize(tensors[name], GGMLQuantizationType.Q8_0)
            else:
                tensors[name] = weights = numbers(name, tuple(tensor.shape))
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(self.unconverted(name, weights))))
        model.tie_weights()
        with torch.no_grad():
            logits = model(torch.tensor([sequence()]), use_cache=False).logits[0].numpy()
        return tensors | self.given, logits


def longrope(long, short, original, context):
    """conversion/phi.py: the factor by which turned heads grow."""
    factor = math.sqrt(1 + math.log(context / original) / math.log(original))
    also = {Keys.Rope.SCALING_ORIG_CTX_LEN: original, Keys.Rope.SCALING_ATTN_FACTOR: factor}
    return also, {"rope_factors_long.weight": long, "rope_factors_short.weight": short}


def llama3(config):
    """conversion/llama.py: what each pair's rate is divided by."""
    rope, dim, divisors = config.rope_parameters, config.head_dim, []
    original = rope["original_max_position_embeddings"]
    slow, fast = original / rope["low_freq_factor"], original / rope["high_freq_factor"]
    for pair in range(dim // 2):
        length = 2 * math.pi * rope["rope_theta"] ** (2 * pair / dim)
        smooth = (original / length - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
        between = 1 / ((1 - smooth) / rope["factor"] + smooth)
        divisors.append(1.0 if length < fast else rope["factor"] if length > slow else between)
    return {"rope_freqs.weight": divisors}


def phi3(context, original, head, long, **sizes):
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": sizes.pop("part", 1.0)}
    turned = int(head * rope["partial_rotary_factor"])
    also, given = {Keys.Rope.SCALING_ORIG_CTX_LEN: original}, {}
    if long:
        long, short = [1 + at % 5 for at in range(turned // 2)], [1 + at / 8 for at in range(turned // 2)]
        rope |= {"rope_type": "longrope", "long_factor": long, "short_factor": short}
        rope["original_max_position_embeddings"] = original
        also, given = longrope(long, short, original, context)
    config = transformers.Phi3Config(**SMALL | sizes, max_position_embeddings=context, rope_parameters=rope,
                                     original_max_position_embeddings=original, pad_token_id=0)
    also |= {Keys.Rope.DIMENSION_COUNT: turned, Keys.Attention.SLIDING_WINDOW: config.sliding_window or 0}
    return config, also, given


SMALL = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 2}
DEFAULT = {"rope_type": "default", "rope_theta": 10000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 500.0}


def cases():
    t, window = transformers, {Keys.Attention.SLIDING_WINDOW: 16}

    def turned(head):
        return {Keys.Rope.DIMENSION_COUNT: head}

    yield Case("llama", "llama", t.LlamaConfig(**SMALL, rope_parameters=DEFAULT), turned(16))
    yield Case("llama in Q8_0", "llama", t.LlamaConfig(**SMALL, rope_parameters=DEFAULT), turned(16), quantised=True)
    scaled = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 64}
    config = t.LlamaConfig(**SMALL, rope_parameters=scaled, tie_word_embeddings=True, attention_bias=True, mlp_bias=True)
    yield Case("llama 3, with biases", "llama", config, turned(16), llama3(config))
    config = t.LlamaConfig(**SMALL, rope_parameters=DEFAULT | {"rope_type": "linear", "factor": 2.0})
    yield Case("llama, linear", "llama", config, turned(16))
    config = t.LlamaConfig(**SMALL, rope_parameters=YARN | {"beta_fast": 8, "beta_slow": 2})
    yield Case("llama, YaRN", "llama", config, turned(16))
    # llama.cpp's converter leaves the window of Mistral out, and computes without one.
    config = t.MistralConfig(**SMALL, head_dim=32, sliding_window=16, rope_parameters=DEFAULT)
    yield Case("mistral", "llama", config, turned(32) | window)
    # Every fourth layer does not turn.
    config = t.SmolLM3Config(**SMALL | {"num_hidden_layers": 5}, rope_parameters=DEFAULT | {"rope_theta": 500.0},
                             pad_token_id=0, bos_token_id=0, eos_token_id=0)
    yield Case("smollm3", "smollm3", config, turned(16))
    yield Case("qwen2", "qwen2", t.Qwen2Config(**SMALL, rope_parameters=DEFAULT, tie_word_embeddings=True))
    yield Case("qwen2, YaRN", "qwen2", t.Qwen2Config(**SMALL, rope_parameters=YARN))
    yield Case("qwen3", "qwen3", t.Qwen3Config(**SMALL, head_dim=32, rope_parameters=DEFAULT))
    caps = {Keys.LLM.ATTN_LOGIT_SOFTCAPPING: 3.0, Keys.LLM.FINAL_LOGIT_SOFTCAPPING: 5.0}
    config = t.Gemma2Config(**SMALL, head_dim=32, sliding_window=16, query_pre_attn_scalar=32, rope_parameters=DEFAULT,
                            attn_logit_softcapping=3.0, final_logit_softcapping=5.0)
    yield Case("gemma2", "gemma2", config, caps | window)
    ropes = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
             "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}
    config = t.Gemma3TextConfig(**SMALL | {"num_hidden_layers": 7}, head_dim=32, sliding_window=16, query_pre_attn_scalar=32,
                                rope_parameters=ropes)
    yield Case("gemma3", "gemma3", config, window | {Keys.Rope.FREQ_BASE_SWA: 10000.0})
    config, also, given = phi3(128, 128, 16, False, sliding_window=16, num_key_value_heads=4)
    yield Case("phi3", "phi3", config, also, given)
    yield Case("phi3 in Q8_0", "phi3", config, also, given, quantised=True)
    config, also, given = phi3(128, 32, 32, True, part=0.75, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True)
    yield Case("phi3, long", "phi3", config, also, given)
    # Of a context that is no longer than before it was stretched, the short factors are for all of it.
    config, also, given = phi3(4096, 2048, 16, True)
    yield Case("phi3, short", "phi3", config, also | {Keys.LLM.CONTEXT_LENGTH: 2048}, given)


def line(case):
    tensors, logits = case.run()
    rounded = [[float(f"{x:.7g}") for x in logits[at].tolist()] for at in POSITIONS]
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items() if name not in case.given}
    if case.quantised:
        shapes = {name: [*s[:-1], s[-1] // 34 * 32] if len(s) == 2 else s for name, s in shapes.items()}
    given = {name: [float(x) for x in values] for name, values in case.given.items()}
    entry = {"name": case.name, "keys": case.keys, "quantised": case.quantised, "shapes": shapes, "given": given,
             "tokens": TOKENS, "positions": POSITIONS, "logits": rounded}
    return json.dumps(entry, separators=(",", ":"))


def write(case, tensors, path):
    """The file as llama.cpp takes it: without a tokenizer."""
    writer = gguf.GGUFWriter(path, case.arch)
    for key, value in case.keys.items():
        if key != Keys.General.ARCHITECTURE:
            add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
            add[type(value)](key, value)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("none")
    for name, tensor in tensors.items():
        kind = GGMLQuantizationType.Q8_0 if case.quantised and tensor.ndim == 2 else None
        writer.add_tensor(name, tensor, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_cpp(path, context):
    """llama.cpp's logits after each token."""
    import llama_cpp as lib

    global QUIET
    QUIET = lib.llama_log_callback(lambda *_: None)

    lib.llama_backend_init()
    lib.llama_log_set(QUIET, None)
    model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
    assert model, f"llama.cpp does not read {path}"
    params = lib.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch, params.swa_full = context, 512, 512, True
    params.type_k = params.type_v = lib.GGML_TYPE_F32
    params.flash_attn_type = 0
    session = lib.llama_init_from_model(model, params)
    batch = lib.llama_batch_init(TOKENS, 0, 1)
    batch.n_tokens = TOKENS
    for at, token in enumerate(sequence()):
        batch.token[at], batch.pos[at], batch.n_seq_id[at], batch.logits[at] = token, at, 1, 1
        batch.seq_id[at][0] = 0
    assert lib.llama_decode(session, batch) == 0
    return np.array([np.ctypeslib.as_array(lib.llama_get_logits_ith(session, at), (VOCABULARY,)).copy() for at in range(TOKENS)])


def compare(case, folder):
    tensors, logits = case.run()
    path = f"{folder}/{case.name.replace(' ', '-')}.gguf"
    write(case, tensors, path)
    found = llama_cpp(path, case.keys[Keys.LLM.CONTEXT_LENGTH.format(arch=case.arch)])
    errors = np.abs(found - logits).max(axis=1) / logits.std()
    print(f"{case.name}: {errors.max():.2e} of the spread at worst; at the positions kept {errors[POSITIONS]}")


transformers.logging.set_verbosity_error()
if sys.argv[1:2] == ["--llama.cpp"]:
    for case in cases():
        compare(case, sys.argv[2])
else:
    print("[\n" + ",\n".join(line(case) for case in cases()) + "\n]")
