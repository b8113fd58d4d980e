"""reference_v3.py - DeepSeek-V3 in plain PyTorch, written from the report, for golden values.

An implementation that shares nothing with farthing or transformers: float64, autograd, no speed.
Source   DeepSeek-V3 report (arXiv:2412.19437), sections 2.1 and 2.2; YaRN, arXiv:2309.00071.
Shapes   h [sequences, length, hidden]; ids [sequences, length].

Multi-token prediction, with document mask off and rows t0 .. tT (inputs t0 .. tT-1): depth k at
position i embeds t_{i+k} and predicts t_{i+k+1}.  Positions i + k >= T embed a row of zeros and have
no label; like every position they count in expert loads and in the balance loss.  (Being the last of
a causal row they cannot change any other position.)
"""
import math

import torch
import torch.nn.functional as F

LATENT_EPS = 1e-6


def rms_norm(x, gain, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain


def rope_tables(config, length):
    """cos, sin [length, rope / 2] in float64, YaRN's scaling included."""
    rope, theta = config["qk_rope_head_dim"], config.get("rope_theta", 10000.0)
    yarn = config.get("rope_scaling") or config.get("rope_parameters") or {}
    theta = yarn.get("rope_theta", theta)
    frequency = [theta ** (-2 * i / rope) for i in range(rope // 2)]
    multiplier = 1.0
    if yarn.get("type", yarn.get("rope_type", "default")) == "yarn":
        factor, first = yarn["factor"], yarn["original_max_position_embeddings"]
        corner = lambda turns: rope * math.log(first / (2 * math.pi * turns)) / (2 * math.log(theta))
        low = max(math.floor(corner(yarn.get("beta_fast", 32))), 0)
        high = min(math.ceil(corner(yarn.get("beta_slow", 1))), rope - 1)
        high += 0.001 if low == high else 0
        for i in range(rope // 2):
            ramp = min(max((i - low) / (high - low), 0.0), 1.0)
            frequency[i] = frequency[i] * (1 - ramp) + frequency[i] / factor * ramp
        multiplier = mscale(factor, yarn.get("mscale", 1))
        if yarn.get("mscale") and yarn.get("mscale_all_dim"):
            multiplier /= mscale(factor, yarn["mscale_all_dim"])
    positions = torch.arange(length, dtype=torch.float64)
    angle = positions[:, None] * torch.tensor(frequency, dtype=torch.float64)
    return angle.cos() * multiplier, angle.sin() * multiplier


def mscale(factor, m):
    return 1.0 if factor <= 1 else 0.1 * m * math.log(factor) + 1.0


def softmax_scale(config):
    scale = (config["qk_nope_head_dim"] + config["qk_rope_head_dim"]) ** -0.5
    yarn = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if yarn.get("type", yarn.get("rope_type", "default")) == "yarn" and yarn.get("mscale_all_dim"):
        scale *= mscale(yarn["factor"], yarn["mscale_all_dim"]) ** 2
    return scale


def rotate(x, cos, sin, interleave):
    """x [..., length, rope]: pairs (2i, 2i+1), or (i, i + rope / 2), times exp(j angle)."""
    if interleave:
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


def note_gap(tape, scores, k):
    """Keeps the smallest distance between a taken and a left score: float32 must choose the same."""
    if k < scores.shape[-1]:
        top = scores.topk(k + 1, -1)[0]
        tape["gap"] = min(tape["gap"], (top[..., k - 1] - top[..., k]).min().item())


class Reference:
    """config: the fields of config.json.  weights: name on disk -> tensor."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = weights

    def weight(self, layer, name):
        return self.weights[f"model.layers.{layer}.{name}.weight"]

    def attention(self, layer, x):
        c = self.config
        heads, nope, rope, vdim = (c["num_attention_heads"], c["qk_nope_head_dim"],
                                   c["qk_rope_head_dim"], c["v_head_dim"])
        w = lambda name: self.weight(layer, "self_attn." + name)
        batch, length, _ = x.shape
        if c.get("q_lora_rank"):
            q = rms_norm(x @ w("q_a_proj").T, w("q_a_layernorm"), LATENT_EPS) @ w("q_b_proj").T
        else:
            q = x @ w("q_proj").T
        q = q.view(batch, length, heads, nope + rope).transpose(1, 2)
        u = x @ w("kv_a_proj_with_mqa").T
        latent, k_rope = u.split([c["kv_lora_rank"], rope], -1)
        kv = rms_norm(latent, w("kv_a_layernorm"), LATENT_EPS) @ w("kv_b_proj").T
        k_nope, v = kv.view(batch, length, heads, nope + vdim).transpose(1, 2).split([nope, vdim], -1)
        cos, sin = (t.to(x.dtype) for t in rope_tables(c, length))
        interleave = c.get("rope_interleave", True)
        q_rope = rotate(q[..., nope:], cos, sin, interleave)
        k_rope = rotate(k_rope, cos, sin, interleave)
        scores = q[..., :nope] @ k_nope.transpose(2, 3) + q_rope @ k_rope[:, None].transpose(2, 3)
        mask = torch.full((length, length), float("-inf"), dtype=x.dtype).triu(1)
        probability = (scores * softmax_scale(c) + mask).softmax(-1)
        return (probability @ v).transpose(1, 2).flatten(2) @ w("o_proj").T

    def swiglu(self, layer, stem, x):
        gate, up, down = (self.weight(layer, f"{stem}.{p}_proj") for p in ("gate", "up", "down"))
        return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T

    def choose(self, scores, bias, tape):
        """The experts of each token [n, k]: affinity + bias, group-limited."""
        c = self.config
        choice = (scores + bias).detach()
        groups, kept = c.get("n_group") or 1, c.get("topk_group") or 1
        if groups > 1:
            by_group = choice.view(len(choice), groups, -1)
            group_scores = by_group.topk(2, -1)[0].sum(-1)
            note_gap(tape, group_scores, kept)
            best = group_scores.topk(kept, -1)[1]
            allowed = torch.zeros(len(choice), groups, dtype=torch.bool).scatter_(1, best, True)
            choice = by_group.masked_fill(~allowed[..., None], float("-inf")).flatten(1)
        note_gap(tape, choice, c["num_experts_per_tok"])
        return choice.topk(c["num_experts_per_tok"], -1)[1]

    def moe(self, layer, x, tape):
        c = self.config
        flat = x.flatten(0, 1)
        scores = (flat @ self.weight(layer, "mlp.gate").T).sigmoid()
        bias = self.weights[f"model.layers.{layer}.mlp.gate.e_score_correction_bias"]
        chosen = self.choose(scores, bias, tape)
        weight = scores.gather(1, chosen)
        if c.get("norm_topk_prob", True):
            weight = weight / (weight.sum(-1, keepdim=True) + 1e-20)
        weight = weight * c.get("routed_scaling_factor", 1.0)
        y = self.swiglu(layer, "mlp.shared_experts", flat) if c["n_shared_experts"] else 0 * flat
        for expert in range(c["n_routed_experts"]):
            token, slot = (chosen == expert).nonzero(as_tuple=True)
            out = self.swiglu(layer, f"mlp.experts.{expert}", flat[token])
            y = y.index_add(0, token, out * weight[token, slot, None])
        self.record(layer, x, scores, chosen, tape)
        return y.view_as(x)

    def record(self, layer, x, scores, chosen, tape):
        """Adds this layer's expert loads and its sequence-wise balance term (without alpha)."""
        experts, k = self.config["n_routed_experts"], self.config["num_experts_per_tok"]
        tape["load"][layer] = torch.bincount(chosen.flatten(), minlength=experts)
        s = scores.view(x.shape[0], x.shape[1], experts)
        note_gap(tape, s.detach(), k)
        raw = s.detach().topk(k, -1)[1].flatten(1)
        f = F.one_hot(raw, experts).sum(1).double() * (experts / (k * x.shape[1]))
        mean = (s / s.sum(-1, keepdim=True)).mean(1)
        tape["balance"] = tape["balance"] + (f * mean).sum(-1).mean()

    def block(self, layer, h, moe, tape):
        eps = self.config["rms_norm_eps"]
        h = h + self.attention(layer, rms_norm(h, self.weight(layer, "input_layernorm"), eps))
        x = rms_norm(h, self.weight(layer, "post_attention_layernorm"), eps)
        return h + (self.moe(layer, x, tape) if moe else self.swiglu(layer, "mlp", x))

    def head(self, h, gain):
        tied = self.config.get("tie_word_embeddings", False)
        matrix = self.weights["model.embed_tokens.weight" if tied else "lm_head.weight"]
        return rms_norm(h, gain, self.config["rms_norm_eps"]) @ matrix.T

    def losses(self, ids, targets, mtp_weight=0.0, balance_weight=0.0):
        """Returns the total and a tape: logits, main, mtp (list), balance, load, gap."""
        c, eps = self.config, self.config["rms_norm_eps"]
        length, depth = ids.shape[1], c.get("num_nextn_predict_layers", 0)
        tape = {"load": {}, "balance": torch.zeros((), dtype=torch.float64), "mtp": [],
                "gap": 1.0}
        embedding = self.weights["model.embed_tokens.weight"]
        h = embedding[ids]
        for layer in range(c["num_hidden_layers"]):
            h = self.block(layer, h, layer >= c["first_k_dense_replace"], tape)
        tape["logits"] = self.head(h, self.weights["model.norm.weight"])
        tape["main"] = F.cross_entropy(tape["logits"].flatten(0, 1), targets.flatten())
        if c.get("mtp_input") == "post_norm":
            h = rms_norm(h, self.weights["model.norm.weight"], eps)
        for k in range(1, depth + 1):
            layer = c["num_hidden_layers"] + k - 1
            ahead = F.pad(embedding[ids[:, k:]], (0, 0, 0, k))
            e = rms_norm(ahead, self.weight(layer, "enorm"), eps)
            g = rms_norm(h, self.weight(layer, "hnorm"), eps)
            m = torch.cat((e, g), -1) @ self.weight(layer, "eh_proj").T
            h = self.block(layer, m, True, tape)
            logits = self.head(h, self.weight(layer, "shared_head.norm"))[:, : length - k]
            total = F.cross_entropy(logits.flatten(0, 1), targets[:, k:].flatten(), reduction="sum")
            tape["mtp"].append(total / ids.numel())
        total = tape["main"] + balance_weight * tape["balance"]
        if depth:
            total = total + mtp_weight / depth * sum(tape["mtp"])
        tape["total"] = total
        return total, tape
