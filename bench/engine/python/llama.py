"""llama.cpp by its C API, through llama-cpp-python's low-level binding: contexts and batches without anything in between.

A batch is filled by numpy on the library's own memory, so that Python's part of a step is some microseconds.
"""

import ctypes
import os
import time

import llama_cpp as lib
import numpy as np

QUIET = lib.llama_log_callback(lambda level, text, data: None)


class Model:
    def __init__(self, path):
        lib.llama_log_set(QUIET, None)
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise SystemExit(f"llama.cpp does not load {path}")
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.vocabulary = lib.llama_vocab_n_tokens(self.vocab)

    def ends(self, token):
        """Whether an answer is at its end with this token."""
        return lib.llama_vocab_is_eog(self.vocab, int(token))


class Context:
    """`flash`: 1 on, 0 off; `ubatch`: rows computed at once; `unified`: one buffer of keys and values for all sequences."""

    def __init__(self, model, tokens, sequences=1, threads=1, ubatch=512, flash=1, unified=True):
        params = lib.llama_context_default_params()
        params.n_ctx, params.n_seq_max = tokens * sequences, sequences
        params.n_batch, params.n_ubatch = max(2048, ubatch), ubatch
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type, params.kv_unified, params.no_perf = flash, unified, True
        self.vocabulary = model.vocabulary
        self.context = lib.llama_init_from_model(model.model, params)
        if not self.context:
            raise SystemExit("llama.cpp makes no such context")
        self.memory = lib.llama_get_memory(self.context)
        self.sampler = lib.llama_sampler_init_greedy()
        self.size = params.n_batch
        self.batch = lib.llama_batch_init(self.size, 0, 1)
        view = lambda field: np.ctypeslib.as_array(field, (self.size,))
        self.token, self.pos = view(self.batch.token), view(self.batch.pos)
        self.wanted = view(self.batch.logits)
        view(self.batch.n_seq_id)[:] = 1
        # `seq_id` is an array of pointers to one number each.
        places = ctypes.cast(self.batch.seq_id, ctypes.POINTER(ctypes.c_void_p))
        self.places = [ctypes.cast(places[at], ctypes.POINTER(ctypes.c_int32)) for at in range(self.size)]

    def fill(self, tokens, positions, sequences, wanted):
        n = len(tokens)
        self.token[:n], self.pos[:n], self.wanted[:n] = tokens, positions, wanted
        for at, sequence in enumerate(sequences):
            self.places[at][0] = sequence
        self.batch.n_tokens = n

    def decode(self):
        """Computes the batch; gives the seconds that it took, until the logits lie in memory."""
        start = time.perf_counter()
        code = lib.llama_decode(self.context, self.batch)
        lib.llama_synchronize(self.context)
        if code != 0:
            raise SystemExit(f"llama_decode: {code}")
        return time.perf_counter() - start

    def likeliest(self, at):
        """The token that the library's greedy sampler chooses by a row's logits, and the seconds that it took."""
        start = time.perf_counter()
        token = lib.llama_sampler_sample(self.sampler, self.context, at)
        return token, time.perf_counter() - start

    def choose(self, rows):
        """Has the library's greedy sampler choose a token by each row's logits; gives the seconds that it took."""
        return sum(self.likeliest(at)[1] for at in range(rows))

    def logits(self, at):
        row = lib.llama_get_logits_ith(self.context, at)
        return np.ctypeslib.as_array(row, (self.vocabulary,))

    def clear(self):
        lib.llama_memory_clear(self.memory, False)

    def forget(self, sequence, start=-1):
        """Takes back what a sequence has from a position on, or all of it."""
        lib.llama_memory_seq_rm(self.memory, sequence, start, -1)

    def prompt(self, tokens, sequence=0, every=False):
        """Computes a prompt whole."""
        n = len(tokens)
        wanted = np.ones(n, np.int8) if every else np.arange(n) == n - 1
        self.fill(tokens, np.arange(n), [sequence] * n, wanted)
        return self.decode()

    def close(self):
        lib.llama_sampler_free(self.sampler)
        lib.llama_batch_free(self.batch)
        lib.llama_free(self.context)


def requantised(source, pure, threads):
    """The path of the model in Q4_0, llama.cpp's fastest format on CPUs, written from the values of the file unless it is there.

    llama.cpp's quantiser keeps the output matrix in 8 bits (`pure`: that one in Q4_0 too).
    """
    suffix = ".Q4_0-pure.gguf" if pure else ".Q4_0-mostly.gguf"
    target = os.path.join(os.environ["OUTCROP_BENCH_CACHE"], os.path.basename(source) + suffix)
    if os.path.exists(target):
        return target
    lib.llama_log_set(QUIET, None)
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize, params.pure = lib.LLAMA_FTYPE_MOSTLY_Q4_0, True, pure
    params.nthread = threads
    part = target + ".part"
    if lib.llama_model_quantize(os.fsencode(source), os.fsencode(part), ctypes.byref(params)) != 0:
        raise SystemExit(f"llama.cpp does not re-quantise {source}")
    os.replace(part, target)
    return target


class Forms(dict):
    """The model by the names that jobs give its forms, loaded when first wanted: as the file has it, and as llama.cpp is faster with it."""

    # Whether every matrix is re-quantised, where the model is.
    NAMES = {"same": None, "Q4_0": False, "Q4_0 pure": True}

    def __init__(self, path, threads):
        self.path, self.threads = path, threads

    def __missing__(self, name):
        pure = self.NAMES[name]
        self[name] = Model(self.path if pure is None else requantised(self.path, pure, self.threads))
        return self[name]
