"""What PEFT computes with small random adapters over two of the folders that `folders.py` makes.

    python -m venv V && V/bin/pip install torch transformers peft
    V/bin/python adapters.py > adapters.json

The tests in `src/adapter` read the result. Weights are not kept: both sides make them of each tensor's name.
"""

import json
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from folders import POSITIONS, TOKENS, cases, dump, numbers

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = [
    ("attention", {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}),
    ("everything", {"r": 8, "lora_alpha": 4, "use_rslora": True, "target_modules": ALL}),
    ("feed-forward", {"r": 2, "lora_alpha": 3, "target_modules": ["gate_proj", "down_proj"], "layers_to_transform": [1]}),
]


def base(tokenizer, config):
    """The model of `folders.py`."""
    config.vocab_size = len(tokenizer) + 3
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    for theirs, tensor in model.state_dict().items():
        if theirs != "lm_head.weight" or not config.tie_word_embeddings:
            tensor.copy_(torch.from_numpy(numbers(theirs, tuple(tensor.shape))))
    model.tie_weights()
    return model


def run(folder, tokenizer, config, name, more):
    adapted = peft.get_peft_model(base(tokenizer, config), peft.LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **more)).eval()
    shapes = {}
    for theirs, tensor in adapted.state_dict().items():
        if "lora_" in theirs:
            # The name in a file, without the adapter's own.
            theirs = theirs.replace(".default.", ".")
            shapes[theirs] = list(tensor.shape)
            tensor.copy_(torch.from_numpy(numbers(f"{name} {theirs}", tuple(tensor.shape))))
    tokens = [(at * at * 7 + at * 31 + 5) % config.vocab_size for at in range(TOKENS)]
    with torch.no_grad():
        logits = adapted(torch.tensor([tokens]), use_cache=False).logits[0]
    with tempfile.TemporaryDirectory() as saved:
        adapted.save_pretrained(saved)
        said = json.loads((Path(saved) / "adapter_config.json").read_text("utf8"))
        import safetensors.torch

        assert set(safetensors.torch.load_file(Path(saved) / "adapter_model.safetensors")) == set(shapes)
    said["target_modules"] = sorted(said["target_modules"])
    return {"folder": folder, "name": name, "config": said, "shapes": shapes,
            "logits": [[float(f"{x:.6g}") for x in logits[at].tolist()] for at in POSITIONS]}


entries = []
for folder, tokenizer, config, _ in cases():
    if folder in ("llama 2", "qwen 2"):
        entries += [run(folder, tokenizer, config, name, more) for name, more in ADAPTERS]
print("[\n" + ",\n".join(map(dump, entries)) + "\n]")
