#!/usr/bin/env python3
"""make_training_golden.py - golden values of what transformers does not have: MTP, balance, training.

Run by hand after make_model_golden.py, with torch and safetensors:

    python3 tests/golden/make_training_golden.py

First holds reference_v3.py against every model_*.safetensors that transformers made; then writes

training_mtp.safetensors    two MTP depths and the sequence-wise balance loss: losses, gradients, loads
training_curve.safetensors  20 steps of AdamW with clipping, warm-up, MTP and the bias update

Metadata holds `config` (a config.json) and `recipe` (JSON).  `weight.X` are float32 values; the
arithmetic is float64.  Seeds are searched until no choice of a router is closer than its minimum
gap, so that float32 makes the same choices.
"""
import json
import math
import pathlib

import safetensors.torch
import torch
from safetensors import safe_open

from make_model_golden import COMMON
from reference_v3 import Reference

FOLDER = pathlib.Path(__file__).parent


def verify_reference():
    for path in sorted(FOLDER.glob("model_*.safetensors")):
        file = safe_open(path, "pt")
        weights = {name[len("weight."):]: file.get_tensor(name).double().requires_grad_()
                   for name in file.keys() if name.startswith("weight.")}
        model = Reference(json.loads(file.metadata()["config"]), weights)
        total, tape = model.losses(file.get_tensor("ids").long(), file.get_tensor("targets").long())
        total.backward()
        error = (tape["logits"].flatten(0, 1) - file.get_tensor("logits")).abs().max().item()
        assert error < 1e-12 and abs(total.item() - file.get_tensor("loss").item()) < 1e-12, path
        for name in (n for n in file.keys() if n.startswith("gradient.")):
            expected, got = file.get_tensor(name).double(), weights[name[len("gradient."):]].grad
            assert (got - expected).norm() <= 1e-7 * expected.norm(), (path, name)
        print(f"{path.name}: reference agrees, logits within {error:.1e}")


def shapes_of(c):
    """Name on disk -> shape of every tensor of the model."""
    d, heads = c["hidden_size"], c["num_attention_heads"]
    qk, v, rank = c["qk_nope_head_dim"] + c["qk_rope_head_dim"], c["v_head_dim"], c["kv_lora_rank"]
    shapes = {"model.embed_tokens.weight": (c["vocab_size"], d), "model.norm.weight": (d,),
              "lm_head.weight": (c["vocab_size"], d)}
    for layer in range(c["num_hidden_layers"] + c["num_nextn_predict_layers"]):
        at = f"model.layers.{layer}."
        def mlp(stem, width):
            shapes[f"{at}{stem}.gate_proj.weight"] = shapes[f"{at}{stem}.up_proj.weight"] = (width, d)
            shapes[f"{at}{stem}.down_proj.weight"] = (d, width)
        for name, shape in {
                "input_layernorm": (d,), "post_attention_layernorm": (d,),
                "self_attn.q_a_proj": (c["q_lora_rank"], d),
                "self_attn.q_a_layernorm": (c["q_lora_rank"],),
                "self_attn.q_b_proj": (heads * qk, c["q_lora_rank"]),
                "self_attn.kv_a_proj_with_mqa": (rank + c["qk_rope_head_dim"], d),
                "self_attn.kv_a_layernorm": (rank,),
                "self_attn.kv_b_proj": (heads * (c["qk_nope_head_dim"] + v), rank),
                "self_attn.o_proj": (d, heads * v)}.items():
            shapes[f"{at}{name}.weight"] = shape
        if layer < c["first_k_dense_replace"]:
            mlp("mlp", c["intermediate_size"])
        else:
            shapes[f"{at}mlp.gate.weight"] = (c["n_routed_experts"], d)
            shapes[f"{at}mlp.gate.e_score_correction_bias"] = (c["n_routed_experts"],)
            mlp("mlp.shared_experts", c["moe_intermediate_size"] * c["n_shared_experts"])
            for expert in range(c["n_routed_experts"]):
                mlp(f"mlp.experts.{expert}", c["moe_intermediate_size"])
        if layer >= c["num_hidden_layers"]:
            for name, shape in {"enorm": (d,), "hnorm": (d,), "eh_proj": (d, 2 * d),
                                "shared_head.norm": (d,)}.items():
                shapes[f"{at}{name}.weight"] = shape
    return shapes


def draw_weights(config, generator, bias_width):
    weights = {}
    for name, shape in shapes_of(config).items():
        value = torch.randn(shape, generator=generator, dtype=torch.float32)
        if name.endswith("bias"):
            value = bias_width * torch.rand(shape, generator=generator, dtype=torch.float32)
        elif "norm" in name:
            value = 1 + 0.1 * value
        else:
            value = (0.3 if "embed" in name or ".gate.weight" in name else 0.18) * value
        weights[name] = value.double().requires_grad_(not name.endswith("bias"))
    return weights


def stored(prefix, tensors):
    return {prefix + name: value.detach().float().contiguous() for name, value in tensors.items()}


def write(name, tensors, config, recipe, seed):
    metadata = {"format": "pt", "config": json.dumps(config), "recipe": json.dumps(recipe),
                "seed": str(seed), "versions": f"torch {torch.__version__}"}
    path = FOLDER / name
    safetensors.torch.save_file(tensors, path, metadata)
    print(f"{name}: seed {seed}, {path.stat().st_size} bytes")


def make_mtp():
    config = dict(COMMON, num_hidden_layers=2, num_nextn_predict_layers=2, n_group=2,
                  vocab_size=32, hidden_size=16, intermediate_size=20, moe_intermediate_size=10,
                  routed_scaling_factor=2.5, num_experts_per_tok=2)
    recipe = {"mtp_loss_weight": 0.3, "sequence_loss_weight": 0.05}
    for seed in range(1, 1000):
        generator = torch.Generator().manual_seed(seed)
        weights = draw_weights(config, generator, 0.2)
        rows = torch.randint(0, config["vocab_size"], (3, 11), generator=generator)
        ids, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
        total, tape = Reference(config, weights).losses(ids, targets, *recipe.values())
        if tape["gap"] > 2e-4:
            break
    total.backward()
    tensors = {"ids": ids.int(), "targets": targets.int(),
               "logits": tape["logits"].detach().flatten(0, 1), "loss": total.detach().reshape(1),
               "main": tape["main"].detach().reshape(1), "mtp": torch.stack(tape["mtp"]).detach(),
               "balance": tape["balance"].detach().reshape(1) * recipe["sequence_loss_weight"]}
    for layer, load in tape["load"].items():
        tensors[f"load.{layer}"] = load.int()
    tensors |= stored("weight.", weights)
    tensors |= stored("gradient.", {n: w.grad for n, w in weights.items() if w.grad is not None})
    write("training_mtp.safetensors", tensors, config, recipe, seed)


def learning_rate(recipe, step):
    """Linear warm-up: step 0 already moves."""
    return recipe["learning_rate"] * min(1.0, (step + 1) / recipe["warmup_steps"])


def adamw_step(weights, moments, recipe, step):
    """Decoupled decay on matrices, bias-corrected moments, global-norm clipping; returns the norm."""
    trained = {name: weight for name, weight in weights.items() if weight.requires_grad}
    norm = math.sqrt(sum(w.grad.square().sum().item() for w in trained.values()))
    clip = min(1.0, recipe["clip_norm"] / norm)
    lr, (beta1, beta2) = learning_rate(recipe, step), (recipe["beta1"], recipe["beta2"])
    with torch.no_grad():
        for name, w in trained.items():
            g = w.grad * clip
            m, v = moments.setdefault(name, [torch.zeros_like(w), torch.zeros_like(w)])
            m.mul_(beta1).add_(g, alpha=1 - beta1)
            v.mul_(beta2).add_(g * g, alpha=1 - beta2)
            if w.dim() == 2:
                w.mul_(1 - lr * recipe["weight_decay"])
            m_hat, v_hat = m / (1 - beta1 ** (step + 1)), v / (1 - beta2 ** (step + 1))
            w.sub_(lr * m_hat / (v_hat.sqrt() + recipe["epsilon"]))
            w.grad = None
    return norm


def update_bias(weights, loads, speed):
    for layer, load in loads.items():
        load = load.double()
        bias = weights[f"model.layers.{layer}.mlp.gate.e_score_correction_bias"]
        bias += speed * torch.sign(load.mean() - load)


def train(config, recipe, seed):
    """The 20 steps, or None as soon as a choice is too close to call."""
    generator = torch.Generator().manual_seed(seed)
    weights = draw_weights(config, generator, 0.0)
    first = stored("weight.", weights)
    # Text with something to learn: a random successor for every token, followed 3 times in 4.
    successor = torch.randperm(config["vocab_size"], generator=generator)
    rows = torch.randint(0, config["vocab_size"], (recipe["steps"], 4, 13), generator=generator)
    follow = torch.rand(rows.shape, generator=generator) < 0.75
    for i in range(1, rows.shape[2]):
        rows[:, :, i] = torch.where(follow[:, :, i], successor[rows[:, :, i - 1]], rows[:, :, i])
    moments, series = {}, {"loss": [], "main": [], "mtp": [], "balance": [], "gradient_norm": []}
    for step in range(recipe["steps"]):
        total, tape = Reference(config, weights).losses(
            rows[step, :, :-1], rows[step, :, 1:], recipe["mtp_loss_weight"],
            recipe["sequence_loss_weight"])
        if tape["gap"] < 1e-5:
            return None
        total.backward()
        series["loss"].append(total.item())
        series["main"].append(tape["main"].item())
        series["mtp"].append(tape["mtp"][0].item())
        series["balance"].append(tape["balance"].item() * recipe["sequence_loss_weight"])
        series["gradient_norm"].append(adamw_step(weights, moments, recipe, step))
        update_bias(weights, tape["load"], recipe["bias_update_speed"])
    last = {n: w for n, w in weights.items() if n.endswith("bias") or n.endswith("eh_proj.weight")}
    tensors = {"rows": rows.int(), **first, **stored("last.", last)}
    for name, values in series.items():
        tensors[name] = torch.tensor(values, dtype=torch.float64)
    return tensors


def make_curve():
    config = dict(COMMON, num_hidden_layers=2, num_nextn_predict_layers=1, vocab_size=32,
                  hidden_size=16, intermediate_size=20, moe_intermediate_size=10,
                  num_experts_per_tok=2)
    recipe = {"steps": 20, "learning_rate": 4e-3, "warmup_steps": 5, "beta1": 0.9, "beta2": 0.95,
              "epsilon": 1e-8, "weight_decay": 0.1, "clip_norm": 1.0, "mtp_loss_weight": 0.3,
              "sequence_loss_weight": 1e-3, "bias_update_speed": 1e-3}
    for seed in range(1, 10000):
        tensors = train(config, recipe, seed)
        if tensors:
            break
    print("loss", " ".join(f"{x:.4f}" for x in tensors["loss"].tolist()))
    write("training_curve.safetensors", tensors, config, recipe, seed)


if __name__ == "__main__":
    torch.set_num_threads(1)
    verify_reference()
    make_mtp()
    make_curve()
