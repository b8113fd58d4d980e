#!/usr/bin/env python3
"""make_model_golden.py - golden values of Hugging Face transformers' DeepseekV3ForCausalLM.

Run by hand, outside the test run, in a virtual environment with torch, transformers, safetensors:

    python3 tests/golden/make_model_golden.py [NAME...]

Writes model_NAME.safetensors beside itself: metadata `config` (the text of a config.json),
`versions`; tensors `ids`, `targets` [sequences, length], `logits` [tokens, vocab], `loss` (mean
over tokens), `weight.X` and `gradient.X` for every parameter X by its name on disk.

Weights are drawn as float32 values and widened, so that a reader in float32 or float64 begins with
the same numbers.  Gradients are rounded to float32 (2^-25 relative) to keep the files small.

Everything is computed in float64.  transformers casts to float32 in RMSNorm, the router, the rotary
angles, YaRN's frequencies and the attention softmax; all of them say so through the names
`torch.float32` and `torch.float`, so the two modules are given a `torch` whose names mean float64.

Correction biases are >= 0: older ports of the router fill masked groups with 0 instead of -inf, and
the two can differ only where affinity + bias <= 0.  Seeds are searched until every choice of the
router is clear by MINIMUM_GAP, so that float32 makes the same choices.
"""
import json
import pathlib
import sys

import safetensors.torch
import torch
import transformers
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM, modeling_rope_utils
from transformers.models.deepseek_v3 import modeling_deepseek_v3

MINIMUM_GAP = 2e-4
SEQUENCES, LENGTH = 2, 12


class TorchInDouble:
    """The torch module, but float32 is float64."""

    float = torch.float64
    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


modeling_deepseek_v3.torch = TorchInDouble()
modeling_rope_utils.torch = TorchInDouble()

COMMON = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "vocab_size": 40,
    "hidden_size": 24,
    "intermediate_size": 36,
    "moe_intermediate_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "n_shared_experts": 1,
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 1.0,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "q_lora_rank": 20,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "attention_bias": False,
    "tie_word_embeddings": False,
    "num_nextn_predict_layers": 0,
}
# The text of config.json is ours (transformers 4 spelling) or, for `spelling: 5`, transformers' own.
CONFIGS = {
    # No groups, low-rank queries; a block eps that is not the latent norms' 1e-6.
    "plain": {"rms_norm_eps": 1e-5, "spelling": 5},
    # Direct queries, group-limited routing, half-split rope, odd sizes.
    "groups": {"q_lora_rank": None, "n_routed_experts": 16, "n_group": 4, "topk_group": 2,
               "num_experts_per_tok": 4, "moe_intermediate_size": 7, "rope_interleave": False,
               "num_hidden_layers": 2, "routed_scaling_factor": 2.5, "qk_nope_head_dim": 10,
               "v_head_dim": 14, "num_attention_heads": 3, "num_key_value_heads": 3},
    # YaRN with both mscales (cos and sin scaled as well), groups, wide shared expert, weights not
    # renormalised, two dense layers.
    "yarn": {"first_k_dense_replace": 2, "n_group": 2, "num_experts_per_tok": 2,
             "n_shared_experts": 3, "norm_topk_prob": False, "max_position_embeddings": 256,
             "rope_scaling": {"type": "yarn", "factor": 8, "original_max_position_embeddings": 32,
                              "beta_fast": 4, "beta_slow": 1, "mscale": 1.0,
                              "mscale_all_dim": 0.7}},
    # No dense layer, scaled routed experts, one matrix for embedding and head.
    "tied": {"first_k_dense_replace": 0, "routed_scaling_factor": 2.5, "num_hidden_layers": 2,
             "tie_word_embeddings": True, "spelling": 5},
}


def make_model(config, seed):
    """The model with float32-representable random weights, held in float64."""
    model = DeepseekV3ForCausalLM._from_config(config, attn_implementation="eager").double()
    model.config._experts_implementation = "eager"
    generator = torch.Generator().manual_seed(seed)
    draw = lambda shape: torch.randn(shape, generator=generator, dtype=torch.float32).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_((1 + 0.1 * draw(parameter.shape)).float())
            elif "embed_tokens" in name:
                parameter.copy_((0.3 * draw(parameter.shape)).float())
            elif ".mlp.gate." in name:
                parameter.copy_((0.3 * draw(parameter.shape)).float())
            else:
                parameter.copy_((0.18 * draw(parameter.shape)).float())
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                bias = 0.2 * torch.rand(buffer.shape, generator=generator, dtype=torch.float32)
                buffer.copy_(bias)
                assert buffer.dtype == torch.float64
    return model, generator


def router_gap(model):
    """A list that collects, per router call, the smallest distance between taken and left."""
    gaps = []

    def watch(gate, inputs, outputs):
        with torch.no_grad():
            choice = outputs[0].sigmoid() + gate.e_score_correction_bias
            groups = choice.view(-1, gate.num_group, gate.num_experts // gate.num_group)
            scores = groups.topk(2, dim=-1)[0].sum(-1).sort(descending=True)[0]
            if gate.topk_group < gate.num_group:
                gaps.append((scores[:, gate.topk_group - 1] - scores[:, gate.topk_group]).min())
            order = groups.topk(2, dim=-1)[0].sum(-1).topk(gate.topk_group)[1]
            mask = torch.full(groups.shape[:2], float("-inf"), dtype=choice.dtype)
            mask.scatter_(1, order, 0.0)
            kept = (groups + mask[..., None]).flatten(1).sort(descending=True)[0]
            gaps.append((kept[:, gate.top_k - 1] - kept[:, gate.top_k]).min())

    for module in model.modules():
        if isinstance(module, modeling_deepseek_v3.DeepseekV3TopkRouter):
            module.register_forward_hook(watch)
    return gaps


def on_disk(name, tensor):
    """(name, tensor) pairs as files hold them: experts apart, gate and up apart."""
    if name.endswith("experts.gate_up_proj"):
        stem, width = name[: -len("gate_up_proj")], tensor.shape[1] // 2
        for expert in range(tensor.shape[0]):
            yield f"{stem}{expert}.gate_proj.weight", tensor[expert, :width]
            yield f"{stem}{expert}.up_proj.weight", tensor[expert, width:]
    elif name.endswith("experts.down_proj"):
        stem = name[: -len("down_proj")]
        for expert in range(tensor.shape[0]):
            yield f"{stem}{expert}.down_proj.weight", tensor[expert]
    else:
        yield name, tensor


def run(fields, seed):
    fields = dict(COMMON, **fields)
    spelling = fields.pop("spelling", 4)
    text = json.dumps(fields)  # before transformers adds to the nested tables
    config = DeepseekV3Config.from_dict(fields)
    model, generator = make_model(config, seed)
    gaps = router_gap(model)
    rows = torch.randint(0, config.vocab_size, (SEQUENCES, LENGTH + 1), generator=generator)
    ids, targets = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
    logits = model(input_ids=ids, use_cache=False).logits
    assert logits.dtype == torch.float64
    if min(gaps) < MINIMUM_GAP:
        return None
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    loss.backward()
    tensors = {"ids": ids.int(), "targets": targets.int(), "logits": logits.detach().flatten(0, 1),
               "loss": loss.detach().reshape(1)}
    for name, parameter in model.named_parameters():
        for part, value in on_disk(name, parameter.detach()):
            tensors["weight." + part] = value.float()
        for part, value in on_disk(name, parameter.grad):
            tensors["gradient." + part] = value.float()
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            tensors["weight." + name] = buffer.float()
    if spelling == 5:
        text = config.to_json_string()
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    metadata = {"format": "pt", "config": text, "seed": str(seed), "versions": versions}
    return {name: value.contiguous() for name, value in tensors.items()}, metadata, loss.item()


def main():
    torch.set_num_threads(1)
    folder = pathlib.Path(__file__).parent
    for name in sys.argv[1:] or CONFIGS:
        for seed in range(1, 1000):
            result = run(CONFIGS[name], seed)
            if result:
                break
        tensors, metadata, loss = result
        path = folder / f"model_{name}.safetensors"
        safetensors.torch.save_file(tensors, path, metadata)
        print(f"{path.name}: seed {seed}, loss {loss:.9f}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
