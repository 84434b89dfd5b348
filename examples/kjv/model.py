"""The Mixture-of-Depths Llama that train.py trains, and its files.

Every second layer computes only the tokens that its router scores highest: y = x + g(r) f(x_selected).
"""
import json
import math
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

GATES = {"raw": lambda r: r, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "none": torch.ones_like}
ROUTER_LOSS = 0.01      # weight of the cross-entropy that lets r > 0 stand for membership


class RMSNorm(torch.autograd.Function):
    """x / rms(x) * weight with its gradient written out: the composed form keeps and rereads twice the memory."""

    @staticmethod
    def forward(ctx, x, weight):
        inverse = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(1e-5).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return (x * inverse).mul_(weight)

    @staticmethod
    def backward(ctx, grad):
        x, weight, inverse = ctx.saved_tensors
        normal = x * inverse
        grad_weight = (grad * normal).flatten(0, -2).sum(0)
        grad = grad * weight
        return grad.sub_(normal.mul_((grad * normal).mean(-1, keepdim=True))).mul_(inverse), grad_weight


class CausalAttention(torch.autograd.Function):
    """Causal attention over [rows, tokens, width] by chunks of queries, which skips most of the masked half."""
    CHUNK = 128

    @staticmethod
    def forward(ctx, query, key, value):
        rows, tokens, width = query.shape
        out, shares = torch.empty_like(query), []
        for begin in range(0, tokens, CausalAttention.CHUNK):
            end = min(tokens, begin + CausalAttention.CHUNK)
            future = torch.full((end - begin, end), -math.inf).triu_(1 + begin).expand(rows, -1, -1)
            scores = torch.baddbmm(future, query[:, begin:end], key[:, :end].transpose(1, 2), alpha=width ** -0.5)
            shares.append(torch.softmax(scores, -1))
            out[:, begin:end] = shares[-1] @ value[:, :end]
        ctx.save_for_backward(query, key, value, *shares)
        return out

    @staticmethod
    def backward(ctx, grad):
        query, key, value, *shares = ctx.saved_tensors
        scale = query.shape[-1] ** -0.5
        grad_query, grad_key, grad_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        grad, begin = grad.contiguous(), 0
        for share in shares:
            end = begin + share.shape[1]
            grad_value[:, :end].baddbmm_(share.transpose(1, 2), grad[:, begin:end])
            grad_share = grad[:, begin:end] @ value[:, :end].transpose(1, 2)
            grad_score = torch._softmax_backward_data(grad_share, share, -1, share.dtype)
            grad_query[:, begin:end] = torch.bmm(grad_score, key[:, :end]).mul_(scale)
            grad_key[:, :end].baddbmm_(grad_score.transpose(1, 2), query[:, begin:end], alpha=scale)
            begin = end
        return grad_query, grad_key, grad_value


def rope_tables(tokens, width, theta):
    """Cosine and sine by position; rotate-half's minus sign is folded into the sine."""
    angles = torch.outer(torch.arange(tokens).float(), theta ** (-torch.arange(0, width, 2).float() / width))
    return torch.cat([angles, angles], 1).cos(), torch.cat([-angles, angles], 1).sin()


class Layer(nn.Module):
    """One pre-norm decoder layer; called, it gives its update f(x) without the residual, which routing adds."""

    def __init__(self, config, routed):
        super().__init__()
        dim, ffn, depth = config["hidden_size"], config["intermediate_size"], 2 * config["num_hidden_layers"]
        self.head_dim, spread = config["head_dim"], 0.6 * dim ** -0.5
        self.attention_norm, self.mlp_norm = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.qkv = nn.Parameter(torch.randn(3 * dim, dim) * spread)
        self.attention_out = nn.Parameter(torch.randn(dim, dim) * spread * depth ** -0.5)
        self.gate_up = nn.Parameter(torch.randn(2 * ffn, dim) * spread)
        self.down = nn.Parameter(torch.randn(dim, ffn) * ffn ** -0.5 * depth ** -0.5)
        if routed:
            hidden, capacity = config["mod"]["predictor"]["hidden"], config["mod"]["capacity"]
            self.router = nn.Linear(dim, 1, bias=False)
            self.predictor = nn.Sequential(nn.Linear(dim, hidden), nn.SiLU(), nn.Linear(hidden, 1))
            nn.init.normal_(self.router.weight, std=0.02)
            nn.init.normal_(self.predictor[2].weight, std=0.02)
            nn.init.constant_(self.predictor[2].bias, math.log(capacity / (1 - capacity)))

    def forward(self, x, cosine, sine):
        batch, tokens, dim = x.shape
        projected = F.linear(RMSNorm.apply(x, self.attention_norm), self.qkv).view(batch, tokens, 3, -1, self.head_dim)
        projected = projected.permute(2, 0, 3, 1, 4)
        query, key = projected[:2] * cosine + projected[:2].roll(self.head_dim // 2, -1) * sine
        heads = [part.reshape(-1, tokens, self.head_dim) for part in (query, key, projected[2])]
        mixed = CausalAttention.apply(*heads).view(batch, -1, tokens, self.head_dim).transpose(1, 2)
        update = F.linear(mixed.reshape(batch, tokens, dim), self.attention_out)
        gate, up = F.linear(RMSNorm.apply(x + update, self.mlp_norm), self.gate_up).chunk(2, -1)
        return update + F.linear(F.silu(gate) * up, self.down)


class Model(nn.Module):
    """The decoder; `mod` in the configuration says whether odd layers are routed, and how."""

    def __init__(self, config):
        super().__init__()
        self.config, self.mod = config, config.get("mod")
        dim, vocabulary = config["hidden_size"], config["vocab_size"]
        self.embedding = nn.Parameter(torch.randn(vocabulary, dim) * 0.02)
        self.layers = nn.ModuleList(Layer(config, self.is_routed(i)) for i in range(config["num_hidden_layers"]))
        self.norm = nn.Parameter(torch.ones(dim))
        self.head = nn.Parameter(torch.randn(vocabulary, dim) * 0.02)
        context = config["max_position_embeddings"]
        self.cosine, self.sine = rope_tables(context, config["head_dim"], config["rope_theta"])

    def is_routed(self, index):
        """Whether this layer computes only a selection of its tokens."""
        return bool(self.mod) and index % 2 == 1

    def forward(self, ids, route, record=None):
        """Logits and the routers' loss; `record` collects (top-k membership, predictor's logit, r) by layer."""
        x, routing_loss = F.embedding(ids, self.embedding), 0.0
        angles = self.cosine[:ids.shape[1]], self.sine[:ids.shape[1]]
        for index, layer in enumerate(self.layers):
            if not self.is_routed(index):
                x = x + layer(x, *angles)
                continue
            r, logit = layer.router(x)[..., 0], layer.predictor(x.detach())[..., 0]
            chosen = self.choose(torch.randn_like(r) if route == "random" else r)
            top = torch.zeros_like(r).scatter_(1, chosen, 1.0)
            routing_loss = routing_loss + (F.binary_cross_entropy_with_logits(logit, top)
                                           + ROUTER_LOSS * F.binary_cross_entropy_with_logits(r, top))
            if record is not None:
                record.setdefault(index, []).append((top, logit, r))
            if route in ("top_k", "random"):
                x = self.compute_chosen(layer, x, r, chosen, angles)
            else:
                keep = {"predictor": logit > 0, "router": r > 0, "always": r == r, "never": r != r}[route]
                x = self.compute_kept(layer, x, r, keep, angles)
        return F.linear(RMSNorm.apply(x, self.norm), self.head), routing_loss

    def choose(self, score):
        """Indices of the `capacity` best tokens of each row, ascending so that the causal mask stays triangular."""
        count = max(1, int(self.mod["capacity"] * score.shape[1]))
        return score.detach().topk(count, 1).indices.sort(1).values

    def compute_chosen(self, layer, x, r, chosen, angles):
        """Gather the chosen tokens, run the layer on them alone at their own positions, add the gated update."""
        index, (cosine, sine) = chosen[..., None].expand(-1, -1, x.shape[-1]), angles
        update = layer(x.gather(1, index), cosine[chosen][:, None], sine[chosen][:, None])
        return x.scatter_add(1, index, update * GATES[self.mod["gate"]](r.gather(1, chosen))[..., None])

    def compute_kept(self, layer, x, r, keep, angles):
        """The same for causal routing, where rows differ in how many tokens they keep, and may keep none."""
        rows = zip(x.split(1), r.split(1), [row.nonzero().t() for row in keep])
        return torch.cat([self.compute_chosen(layer, *row, angles) if row[2].numel() else row[0] for row in rows])


def training_flops(config, tokens):
    """FLOPs of training on one byte in windows of `tokens`: three forward passes, the masked half not counted."""
    dim, ffn, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    share = config["mod"]["capacity"] if config.get("mod") else 1.0
    dense, routed = layers - layers // 2, layers // 2
    linear = (4 * dim * dim + 3 * dim * ffn) * (dense + routed * share) + dim * config["vocab_size"]
    attention = dim * tokens * (dense + routed * share * share)
    return 3 * 2 * (linear + attention)


def hf_names(name):
    """The Hugging Face names of a parameter; fused ones have several, stacked along the first axis."""
    top = {"embedding": "model.embed_tokens.weight", "norm": "model.norm.weight", "head": "lm_head.weight"}
    parts = {"qkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], "attention_out": ["self_attn.o_proj"],
             "gate_up": ["mlp.gate_proj", "mlp.up_proj"], "down": ["mlp.down_proj"],
             "attention_norm": ["input_layernorm"], "mlp_norm": ["post_attention_layernorm"]}
    if name in top:
        return [top[name]]
    _, index, rest = name.split(".", 2)
    rest = [part + ".weight" for part in parts[rest]] if rest in parts else [rest]
    return [f"model.layers.{index}.{part}" for part in rest]


def replace_file(path, write):
    """Write a file beside its place and rename it, so that an interruption never leaves half of one."""
    with open(path + ".tmp", "wb") as file:
        write(file)
    os.replace(path + ".tmp", path)


def save(model, directory):
    """Write config.json and BF16 model.safetensors."""
    os.makedirs(directory, exist_ok=True)
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, parameter in model.named_parameters():
        names = hf_names(name)
        for tensor_name, tensor in zip(names, parameter.detach().chunk(len(names))):
            blob = tensor.bfloat16().contiguous().view(torch.int16).numpy().tobytes()
            place = [offset, offset + len(blob)]
            header[tensor_name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": place}
            blobs.append(blob)
            offset += len(blob)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    blobs[:0] = [struct.pack("<Q", len(head)), head]
    config = json.dumps(model.config, indent=1).encode() + b"\n"
    replace_file(f"{directory}/model.safetensors", lambda file: file.writelines(blobs))
    replace_file(f"{directory}/config.json", lambda file: file.write(config))


def load(directory):
    """The model that `save` wrote: BF16 weights, widened, for f32 arithmetic."""
    with open(f"{directory}/config.json") as file:
        model = Model(json.load(file))
    with open(f"{directory}/model.safetensors", "rb") as file:
        raw = file.read()
    length = struct.unpack_from("<Q", raw)[0]
    header = json.loads(raw[8:8 + length])

    def tensor(name):
        begin, end = header[name]["data_offsets"]
        words = np.frombuffer(raw, np.uint16, (end - begin) // 2, 8 + length + begin).astype(np.uint32) << 16
        return torch.from_numpy(words.view(np.float32)).view(header[name]["shape"])

    for name, parameter in model.named_parameters():
        parameter.data = torch.cat([tensor(part) for part in hf_names(name)])
    return model
