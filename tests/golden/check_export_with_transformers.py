"""Holds farthing's Hugging Face directories to transformers, both ways.

1. A tiny random model saved by transformers is scored by `farthing score`; every log-probability
   equals transformers' own within 1e-4.
2. `farthing export` of it (F32) loads in transformers, and gives the same logits within 1e-4.
3. `farthing export --dtype bf16` loads and gives the logits of the weights rounded to BF16.

Run by hand, outside the test run, in a virtual environment with torch and transformers:

    python tests/golden/check_export_with_transformers.py build/release/farthing

No network is used.  Exit status 0 when all hold.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, DeepseekV3Config

TOLERANCE = 1e-4

SHAPE = dict(
    vocab_size=97, hidden_size=48, intermediate_size=80, moe_intermediate_size=24,
    num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, n_shared_experts=1,
    n_routed_experts=8, num_experts_per_tok=3, first_k_dense_replace=1, n_group=1, topk_group=1,
    routed_scaling_factor=2.5, kv_lora_rank=20, qk_nope_head_dim=12, qk_rope_head_dim=8,
    v_head_dim=10, max_position_embeddings=64)

YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, beta_fast=32, beta_slow=1,
            original_max_position_embeddings=16, mscale=1.0, mscale_all_dim=1.0)

VARIANTS = {
    "plain": dict(q_lora_rank=16),
    "no_query_latent": dict(q_lora_rank=None),
    "groups": dict(q_lora_rank=16, n_group=4, topk_group=2),
    "yarn": dict(q_lora_rank=16, rope_parameters=YARN),
    "half_split_rope": dict(q_lora_rank=16, rope_interleave=False),
    "tied": dict(q_lora_rank=16, tie_word_embeddings=True),
}


def random_model(changes, seed):
    torch.manual_seed(seed)
    config = DeepseekV3Config(**{**SHAPE, **changes})
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for name, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if name.endswith("e_score_correction_bias"):  # above 0: transformers fills masked groups with 0
                tensor.copy_(torch.rand_like(tensor) * 0.3)
            elif name.endswith("norm.weight"):
                tensor.copy_(1 + 0.2 * torch.randn_like(tensor))
            elif tensor.dim() >= 2:
                tensor.copy_(0.15 * torch.randn_like(tensor))
    return model


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].double()


def load(folder):
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True).eval()


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
    return done.stdout


def worst(a, b):
    return (a - b).abs().max().item()


def check(farthing, name, changes, root):
    model = random_model(changes, seed=len(name))
    ids = torch.randint(0, SHAPE["vocab_size"], (40,)).tolist()
    expected = logits_of(model, ids)
    theirs, ours, ours_bf16 = root / "theirs", root / "ours", root / "ours-bf16"
    model.save_pretrained(theirs)
    (root / "ids.json").write_text(json.dumps(ids))

    score = json.loads(run(farthing, "score", theirs, "--ids", root / "ids.json", "--json"))
    logprob = torch.log_softmax(expected, -1)[torch.arange(39), torch.tensor(ids[1:])]
    faults = {"score": worst(torch.tensor(score["logprob"][1:], dtype=torch.float64), logprob)}
    assert score["logprob"][0] is None and score["mtp_logprob"] is None and score["ids"] == ids

    run(farthing, "export", theirs, "--to", "hf", "-o", ours)
    faults["export f32"] = worst(logits_of(load(ours), ids), expected)

    run(farthing, "export", theirs, "--to", "hf", "--dtype", "bf16", "-o", ours_bf16)
    with torch.no_grad():
        for key, tensor in list(model.named_parameters()) + list(model.named_buffers()):
            if not key.endswith("e_score_correction_bias") and tensor.is_floating_point() \
                    and "rotary" not in key:
                tensor.copy_(tensor.to(torch.bfloat16).float())
    faults["export bf16"] = worst(logits_of(load(ours_bf16), ids), logits_of(model, ids))

    held = all(fault <= TOLERANCE for fault in faults.values())
    print(f"{'ok    ' if held else 'FAILED'} {name:16}",
          ", ".join(f"{key} {fault:.1e}" for key, fault in faults.items()))
    return held


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    held = []
    for name, changes in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            held.append(check(sys.argv[1], name, changes, Path(folder)))
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
