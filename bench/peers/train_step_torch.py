#!/usr/bin/env python3
"""train_step_torch.py - the same model and step in PyTorch, as fast as plain PyTorch gives it.

    python3 bench/peers/train_step_torch.py small --steps 3
    python3 bench/peers/train_step_torch.py small --mode compile --micro-batch 2 --set num_hidden_layers=4
    python3 bench/peers/train_step_torch.py --check     equals tests/golden's values

A step is what `farthing bench step` runs without MTP: 4096 random tokens, forward, backward,
sequence-wise balance loss, global-norm clipping, fused AdamW, bias update.  Experts are grouped by
sorting the (token, expert) pairs; attention is scaled_dot_product_attention.  The shape comes from
recipes/PRESET.toml.  --micro-batch 0 tries 1, 2, 4 and 8 sequences and keeps the fastest.
--serve measures on request: a line {"micro_batch": 2, "steps": 1} in, its seconds and the most
memory it has had resident out; what has not run yet with that micro-batch is warmed up (and compiled)
by {"micro_batch": 2, "steps": 0}.

Written from the DeepSeek-V3 report; prints one JSON object.
"""
import argparse
import json
import pathlib
import resource
import statistics
import sys
import time
import tomllib

import torch
import torch.nn.functional as F
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEP_TOKENS = 4096
DEFAULTS = {"rms_norm_eps": 1e-6, "rope_theta": 10000.0, "n_group": 1, "topk_group": 1,
            "norm_topk_prob": True, "routed_scaling_factor": 1.0, "q_lora_rank": None,
            "n_shared_experts": 1, "initializer_range": 0.006}


def norm(x, gain, eps=1e-6):
    return F.rms_norm(x, (x.shape[-1],), gain, eps)


def matrix(*shape):
    return nn.Parameter(torch.empty(*shape).normal_(0, 0.006))


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        d, heads = c["hidden_size"], c["num_attention_heads"]
        qk = c["qk_nope_head_dim"] + c["qk_rope_head_dim"]
        if c["q_lora_rank"]:
            self.q_a_proj = matrix(c["q_lora_rank"], d)
            self.q_a_layernorm = nn.Parameter(torch.ones(c["q_lora_rank"]))
            self.q_b_proj = matrix(heads * qk, c["q_lora_rank"])
        else:
            self.q_proj = matrix(heads * qk, d)
        self.kv_a_proj_with_mqa = matrix(c["kv_lora_rank"] + c["qk_rope_head_dim"], d)
        self.kv_a_layernorm = nn.Parameter(torch.ones(c["kv_lora_rank"]))
        self.kv_b_proj = matrix(heads * (c["qk_nope_head_dim"] + c["v_head_dim"]), c["kv_lora_rank"])
        self.o_proj = matrix(d, heads * c["v_head_dim"])

    def forward(self, x, cos, sin):
        c, (batch, length, _) = self.c, x.shape
        heads, nope, rope = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        v_dim = c["v_head_dim"]
        if c["q_lora_rank"]:
            q = F.linear(norm(F.linear(x, self.q_a_proj), self.q_a_layernorm), self.q_b_proj)
        else:
            q = F.linear(x, self.q_proj)
        q = q.view(batch, length, heads, nope + rope).transpose(1, 2)
        latent, k_rope = F.linear(x, self.kv_a_proj_with_mqa).split([c["kv_lora_rank"], rope], -1)
        kv = F.linear(norm(latent, self.kv_a_layernorm), self.kv_b_proj)
        kv = kv.view(batch, length, heads, nope + v_dim).transpose(1, 2)
        k_nope, v = kv.split([nope, v_dim], -1)
        q = torch.cat((q[..., :nope], rotate(q[..., nope:], cos, sin)), -1)
        k_rope = rotate(k_rope, cos, sin)[:, None].expand(-1, heads, -1, -1)
        k = torch.cat((k_nope, k_rope), -1)
        if self.training and v_dim < nope + rope:  # the flash kernel wants one width
            out = F.scaled_dot_product_attention(q, k, F.pad(v, (0, nope + rope - v_dim)),
                                                 is_causal=True)[..., :v_dim]
        else:
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return F.linear(out.transpose(1, 2).reshape(batch, length, heads * v_dim), self.o_proj)


def rotate(x, cos, sin):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Mlp(nn.Module):
    def __init__(self, d, width):
        super().__init__()
        self.gate_up = matrix(2 * width, d)
        self.down = matrix(d, width)

    def forward(self, x):
        gate, up = F.linear(x, self.gate_up).chunk(2, -1)
        return F.linear(F.silu(gate) * up, self.down)


class Moe(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        d, width, experts = c["hidden_size"], c["moe_intermediate_size"], c["n_routed_experts"]
        self.gate = matrix(experts, d)
        self.register_buffer("bias", torch.zeros(experts))
        self.register_buffer("load", torch.zeros(experts))
        self.gate_up = nn.ParameterList([matrix(2 * width, d) for _ in range(experts)])
        self.down = nn.ParameterList([matrix(d, width) for _ in range(experts)])
        self.shared = Mlp(d, width * c["n_shared_experts"])

    def forward(self, x):
        c, flat = self.c, x.flatten(0, 1)
        with torch.autocast("cpu", enabled=False):
            scores = F.linear(flat.to(self.gate.dtype), self.gate).sigmoid()
        chosen = self.choose(scores.detach() + self.bias)
        weight = scores.gather(1, chosen)
        if c["norm_topk_prob"]:
            weight = weight / (weight.sum(-1, keepdim=True) + 1e-20)
        routed = self.experts(flat, chosen, weight * c["routed_scaling_factor"])
        return (routed + self.shared(flat)).view_as(x), self.balance(scores, x.shape)

    def choose(self, choice):
        c = self.c
        if c["n_group"] > 1:
            groups = choice.view(len(choice), c["n_group"], -1)
            best = groups.topk(2, -1)[0].sum(-1).topk(c["topk_group"], -1)[1]
            allowed = torch.zeros(groups.shape[:2], dtype=torch.bool).scatter_(1, best, True)
            choice = groups.masked_fill(~allowed[..., None], float("-inf")).flatten(1)
        return choice.topk(c["num_experts_per_tok"], -1, sorted=False)[1]

    @torch.compiler.disable
    def experts(self, x, chosen, weight):
        """Rows sorted by expert, one product after another, added back in place."""
        n_experts, k = self.c["n_routed_experts"], self.c["num_experts_per_tok"]
        order = chosen.flatten().argsort(stable=True)
        token = order // k
        counts = torch.bincount(chosen.flatten(), minlength=n_experts)
        self.load += counts
        rows = x[token].split(counts.tolist())
        out = []
        for expert, part in enumerate(rows):
            gate, up = F.linear(part, self.gate_up[expert]).chunk(2, -1)
            out.append(F.linear(F.silu(gate) * up, self.down[expert]))
        out = torch.cat(out) * weight.flatten()[order, None].to(x.dtype)
        return out.new_zeros(x.shape).index_add(0, token, out)

    def balance(self, scores, shape):
        n_experts, k = self.c["n_routed_experts"], self.c["num_experts_per_tok"]
        scores = scores.view(shape[0], shape[1], n_experts)
        raw = scores.detach().topk(k, -1, sorted=False)[1].flatten(1)
        f = torch.zeros(shape[0], n_experts, dtype=scores.dtype)
        f = f.scatter_add_(1, raw, torch.ones_like(raw, dtype=scores.dtype))
        mean = (scores / scores.sum(-1, keepdim=True)).mean(1)
        return (f * (n_experts / (k * shape[1])) * mean).sum(-1).mean()


class Block(nn.Module):
    def __init__(self, c, moe):
        super().__init__()
        self.eps = c["rms_norm_eps"]
        self.input_layernorm = nn.Parameter(torch.ones(c["hidden_size"]))
        self.post_attention_layernorm = nn.Parameter(torch.ones(c["hidden_size"]))
        self.self_attn = Attention(c)
        self.mlp = Moe(c) if moe else Mlp(c["hidden_size"], c["intermediate_size"])

    def forward(self, h, cos, sin):
        h = h + self.self_attn(norm(h, self.input_layernorm, self.eps), cos, sin)
        out = self.mlp(norm(h, self.post_attention_layernorm, self.eps))
        return (h + out[0], out[1]) if isinstance(out, tuple) else (h + out, h.new_zeros(()))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = matrix(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Block(c, layer >= c["first_k_dense_replace"])
                                    for layer in range(c["num_hidden_layers"]))
        self.norm = nn.Parameter(torch.ones(c["hidden_size"]))
        self.lm_head = matrix(c["vocab_size"], c["hidden_size"])

    def forward(self, ids, targets):
        """Returns the summed next-token loss and the balance terms."""
        c, length, rope = self.c, ids.shape[1], self.c["qk_rope_head_dim"]
        frequency = c["rope_theta"] ** (-torch.arange(0, rope, 2, dtype=torch.float64) / rope)
        angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
        cos, sin = angle.cos().to(self.norm.dtype), angle.sin().to(self.norm.dtype)
        h, balance = self.embed_tokens[ids], 0
        for layer in self.layers:
            h, term = layer(h, cos, sin)
            balance = balance + term
        logits = F.linear(norm(h, self.norm, c["rms_norm_eps"]), self.lm_head)
        loss = F.cross_entropy(logits.flatten(0, 1).to(self.norm.dtype), targets.flatten(),
                               reduction="sum")
        return loss, balance


class Step:
    def __init__(self, model, mode, autocast, length):
        self.model, self.autocast, self.length = model, autocast, length
        self.run = torch.compile(model) if mode == "compile" else model
        matrices = [p for p in model.parameters() if p.dim() == 2]
        vectors = [p for p in model.parameters() if p.dim() == 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
            lr=6e-4, betas=(0.9, 0.95), fused=True)

    def __call__(self, rows, micro_batch):
        n_tokens = rows.shape[0] * self.length
        for part in rows.split(micro_batch):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
                loss, balance = self.run(part[:, :-1], part[:, 1:])
            (loss / n_tokens + 1e-4 * balance * len(part) / len(rows)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        for layer in self.model.layers:
            if isinstance(layer.mlp, Moe):
                load = layer.mlp.load
                layer.mlp.bias += 0.001 * torch.sign(load.mean() - load)
                load.zero_()
        return loss.item() / (len(part) * self.length)


def preset(name, overrides):
    recipe = tomllib.loads((ROOT / "recipes" / f"{name}.toml").read_text())
    config = DEFAULTS | recipe["model"]
    config["num_nextn_predict_layers"] = 0
    for text in overrides:
        key, value = text.split("=")
        config[key] = json.loads(value)
    return config, recipe["data"]["sequence_length"]


def seconds_of(step, rows, micro_batch):
    begin = time.perf_counter()
    step(rows, micro_batch)
    return time.perf_counter() - begin


def peak_bytes():
    """The most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def prepare(options):
    config, length = preset(options.preset, options.set)
    torch.manual_seed(1)
    model = Model(config).train()
    step = Step(model, options.mode, options.precision == "bf16", length)
    rows = torch.randint(0, config["vocab_size"], (STEP_TOKENS // length, length + 1))
    return model, step, rows


def serve(options):
    model, step, rows = prepare(options)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(),
                      "n_parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        micro_batch = asked["micro_batch"]
        if asked["steps"] == 0:
            step(rows[:micro_batch], micro_batch)  # one micro-batch warms up and compiles
        seconds = [seconds_of(step, rows, micro_batch) for _ in range(asked["steps"])]
        print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes()}), flush=True)


def measure(options):
    model, step, rows = prepare(options)
    tried = {}
    for micro_batch in [options.micro_batch] if options.micro_batch else [1, 2, 4, 8]:
        seconds_of(step, rows, micro_batch)  # warms up, compiles
        tried[micro_batch] = seconds_of(step, rows, micro_batch)
    best = min(tried, key=tried.get)
    seconds = [seconds_of(step, rows, best) for _ in range(options.steps)]
    median = statistics.median(seconds)
    print(json.dumps({
        "tokens_per_second": STEP_TOKENS / median, "step_seconds": seconds, "micro_batch": best,
        "tried_seconds": tried, "mode": options.mode, "precision": options.precision,
        "threads": torch.get_num_threads(), "n_parameters": sum(p.numel() for p in model.parameters()),
        "torch": torch.__version__}))


def check():
    """Loss and a few gradients against the values that transformers gave."""
    from safetensors import safe_open
    file = safe_open(ROOT / "tests/golden/model_plain.safetensors", "pt")
    get = lambda name, kind="weight": file.get_tensor(f"{kind}.{name}").double()
    config = DEFAULTS | json.loads(file.metadata()["config"])
    torch.set_default_dtype(torch.float64)
    model = Model(config)
    pair = lambda stem: torch.cat((get(stem + ".gate_proj.weight"), get(stem + ".up_proj.weight")))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parts = ("model." * (name != "lm_head") + name).split(".")
            if len(parts) > 2 and parts[-2] in ("gate_up", "down") and parts[-1].isdigit():
                stem = ".".join(parts[:-2] + ["experts", parts[-1]])
                parameter.copy_(pair(stem) if parts[-2] == "gate_up" else get(stem + ".down_proj.weight"))
            elif parts[-1] in ("gate_up", "down"):
                stem = ".".join(parts[:-1]).replace("shared", "shared_experts")
                parameter.copy_(pair(stem) if parts[-1] == "gate_up" else get(stem + ".down_proj.weight"))
            else:
                parameter.copy_(get(".".join(parts) + ".weight"))
        for i, layer in enumerate(model.layers):
            if isinstance(layer.mlp, Moe):
                layer.mlp.bias.copy_(get(f"model.layers.{i}.mlp.gate.e_score_correction_bias"))
    ids, targets = file.get_tensor("ids").long(), file.get_tensor("targets").long()
    loss, _ = model(ids, targets)
    (loss / ids.numel()).backward()
    error = abs(loss.item() / ids.numel() - file.get_tensor("loss").item())
    wanted = get("model.layers.1.mlp.gate.weight", "gradient")
    difference = (model.layers[1].mlp.gate.grad - wanted).norm() / wanted.norm()
    embedding = get("model.embed_tokens.weight", "gradient")
    difference = max(difference, (model.embed_tokens.grad - embedding).norm() / embedding.norm())
    print(f"loss within {error:.1e}, gradients of router and embedding within {difference:.1e}")
    assert error < 1e-9 and difference < 1e-6


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("preset", nargs="?", default="small")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--micro-batch", type=int, default=0)
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    (check() if options.check else serve(options) if options.serve else measure(options))


if __name__ == "__main__":
    main()
