#!/usr/bin/python3
"""Train, evaluate and sample a byte-level Mixture-of-Depths Llama on the King James text, on a CPU.

    train.py train --out DIR [--steps N] [--resume]     write DIR/config.json and DIR/model.safetensors
    train.py evaluate DIR                               bits per byte of the held-out text, by way of routing
    train.py sample DIR --prompt 'In the beginning'     decode with the causal predictor

Every second layer computes only the 12.5 % of the tokens that its router scores highest: y = x + g(r) f(x_selected).
Debian packages: python3-torch python3-numpy libopenblas0-openmp bible-kjv bible-kjv-text
"""
import argparse
import math
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from model import GATES, Model, load, replace_file, save, training_flops

HELD_OUT = 0.05         # share of the text, at its end, that training never sees
PREDICTOR_RATE = 3.0    # the predictors are small and chase a moving target: they learn faster
WARMUP, FLOOR = 80, 0.04  # steps of linear warm-up; share of the rate at which the cosine ends


def load_text():
    """The training and the held-out bytes, asked from the Debian program so that no corpus has to be shipped."""
    if not shutil.which("bible"):
        sys.exit("train.py: no program 'bible': install the Debian packages bible-kjv and bible-kjv-text")
    run = subprocess.run(["bible", "-f", "Gen1:1-Rev22:21"], stdout=subprocess.PIPE)
    if run.returncode or len(run.stdout) < 4_000_000:
        sys.exit("train.py: 'bible' printed no complete text: is the Debian package bible-kjv-text installed?")
    text = torch.from_numpy(np.frombuffer(run.stdout, np.uint8).astype(np.int64))
    cut = int(len(text) * (1 - HELD_OUT))
    return text[:cut], text[cut:]


@torch.no_grad()
def bits_per_byte(model, data, window, route, limit=None, record=None):
    """Mean bits per byte over the consecutive windows of the data (the first `limit` of them)."""
    count, total = min((len(data) - 1) // window, limit or len(data)), 0.0
    for first in range(0, count, 4):
        rows = torch.stack([data[i * window:(i + 1) * window + 1] for i in range(first, min(count, first + 4))])
        logits = model(rows[:, :-1], route, record)[0]
        total += F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="sum").item()
    return total / (count * window) / math.log(2)


def agreement(record, which):
    """By layer, how well logits (1: predictor, 2: router) tell top-k membership; never selecting is 87.5 % accurate."""
    table = {}
    for index, batches in record.items():
        top, said = torch.cat([b[0] for b in batches]) > 0, torch.cat([b[which] for b in batches]) > 0
        both = (top & said).sum().item()
        table[index] = {"accuracy": (top == said).float().mean().item(),
                        "F1": 2 * both / max(1, (top.sum() + said.sum()).item()),
                        "share": said.float().mean().item(),
                        "most per window": said.sum(1).max().item()}
    return table


def evaluate(arguments):
    """Print what the model costs on the held-out text under each way of routing, and how causal routing agrees."""
    model, held_out = load(arguments.model), load_text()[1]
    window = arguments.window or model.config["max_position_embeddings"]
    routes = ["top_k", "predictor", "router", "always", "never", "random"] if model.mod else ["top_k"]
    print(f"held-out windows of {window} bytes: {min((len(held_out) - 1) // window, arguments.limit or len(held_out))}")
    for route in arguments.routes or routes:
        record = {}
        bits = bits_per_byte(model, held_out, window, route, arguments.limit, record)
        print(f"{route:10} {bits:.4f} bits per byte", flush=True)
        for which, name in ((1, "predictor"), (2, "router")):
            if route not in ("top_k", name):
                continue
            for index, row in agreement(record, which).items():
                print(f"  layer {index} {name:9}", ", ".join(f"{key} {value:.4g}" for key, value in row.items()))


@torch.no_grad()
def sample(arguments):
    """Print a continuation, routed causally; it is a demonstration and recomputes the whole prefix for each byte."""
    model, ids = load(arguments.model), list(arguments.prompt.encode())
    torch.manual_seed(arguments.seed)
    for _ in range(arguments.bytes):
        prefix = torch.tensor([ids[-model.config["max_position_embeddings"]:]])
        logits = model(prefix, "predictor")[0][0, -1] / arguments.temperature
        ids.append(torch.multinomial(logits.softmax(-1), 1).item())
    print(bytes(ids).decode("latin1"))


def make_config(arguments):
    """The Llama configuration with the `mod` object, as the compiler reads it."""
    heads = arguments.dim // arguments.head_dim
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 256,
              "hidden_size": arguments.dim, "intermediate_size": arguments.ffn,
              "num_hidden_layers": arguments.layers, "num_attention_heads": heads,
              "num_key_value_heads": heads, "head_dim": arguments.head_dim, "hidden_act": "silu",
              "max_position_embeddings": arguments.context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "tie_word_embeddings": False, "attention_bias": False, "torch_dtype": "bfloat16"}
    if arguments.routing != "dense":
        config["mod"] = {"routed_layers": "odd", "capacity": arguments.capacity, "routing": arguments.routing,
                         "gate": arguments.gate, "predictor": {"hidden": arguments.predictor}, "decode": "predictor"}
    return config


def make_optimizer(model, rate):
    """AdamW over three groups: matrices, vectors without decay, and predictors without decay at their own rate."""
    matrices, vectors, predictors = [], [], []
    for name, parameter in model.named_parameters():
        (predictors if "predictor" in name else matrices if parameter.dim() == 2 else vectors).append(parameter)
    groups = [{"params": matrices, "weight_decay": 0.1, "scale": 1.0},
              {"params": vectors, "weight_decay": 0.0, "scale": 1.0},
              {"params": predictors, "weight_decay": 0.0, "scale": PREDICTOR_RATE}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=(0.9, 0.97), eps=1e-9, foreach=True)


class Trainer:
    """Data-parallel steps: one thread per share of the batch beats two threads inside every product."""

    def __init__(self, model, arguments, train_text):
        self.model, self.arguments, self.text = model, arguments, train_text
        self.optimizer = make_optimizer(model, arguments.rate)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.clipped = [p for name, p in model.named_parameters() if "predictor" not in name]
        self.route = "random" if arguments.routing == "stochastic" else "top_k"
        self.random = torch.Generator().manual_seed(arguments.seed)
        self.pool = ThreadPoolExecutor(arguments.threads, initializer=torch.set_num_threads, initargs=(1,))
        self.step = 0
        torch.set_num_threads(1)    # else each small operation of the update waits for a second thread to wake

    def learning_rate(self):
        """Warm-up, constant, then half a cosine over the final share of the steps that --decay gives."""
        steps, decay = self.arguments.steps, self.arguments.decay
        fallen = max(0.0, 1 - (steps - self.step) / (steps * decay))
        cosine = 0.5 * (1 + math.cos(math.pi * fallen))
        return self.arguments.rate * min(1.0, (self.step + 1) / WARMUP) * (FLOOR + (1 - FLOOR) * cosine)

    def gradients(self, rows):
        """Loss and gradients of one thread's share of the batch."""
        logits, routing_loss = self.model(rows[:, :-1], self.route)
        loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        return loss.item(), torch.autograd.grad(loss + routing_loss, self.parameters)

    def train_step(self):
        """Draw random windows, sum the threads' gradients, update; returns the mean loss."""
        window = self.arguments.context
        shape = (self.arguments.batch_bytes // window, 1)
        starts = torch.randint(len(self.text) - window - 1, shape, generator=self.random)
        rows = self.text[starts + torch.arange(window + 1)].chunk(self.arguments.threads)
        losses, gradients = zip(*self.pool.map(self.gradients, rows))
        for parameter, *parts in zip(self.parameters, *gradients):
            parameter.grad = sum(parts[1:], parts[0]).div_(len(rows))
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate() * group["scale"]
        nn.utils.clip_grad_norm_(self.clipped, 1.0)
        self.optimizer.step()
        self.step += 1
        return sum(losses) / len(losses)

    def save_checkpoint(self, path):
        """Everything that --resume needs to go on as if nothing had happened."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step,
                 "random": self.random.get_state()}
        replace_file(path, lambda file: torch.save(state, file))

    def load_checkpoint(self, path):
        """Take up a run where `save_checkpoint` left it."""
        state = torch.load(path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.random.set_state(state["random"])


def train(arguments):
    """Train to the given number of steps (or FLOPs), then save the model."""
    torch.manual_seed(arguments.seed)
    train_text, held_out = load_text()
    model = Model(make_config(arguments))
    if arguments.init:
        model.load_state_dict(load(arguments.init).state_dict())
    flops = training_flops(model.config, arguments.context)
    if arguments.flops:
        arguments.steps = round(arguments.flops / flops / arguments.batch_bytes)
    trainer, checkpoint = Trainer(model, arguments, train_text), f"{arguments.out}/checkpoint.pt"
    os.makedirs(arguments.out, exist_ok=True)
    if arguments.resume:
        trainer.load_checkpoint(checkpoint)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {arguments.steps} steps of "
          f"{arguments.batch_bytes} bytes, {flops:.3e} FLOPs per byte", flush=True)
    begin, first, mean = time.time(), trainer.step, None
    while trainer.step < arguments.steps:
        loss = trainer.train_step() / math.log(2)
        mean = loss if mean is None else 0.98 * mean + 0.02 * loss
        if trainer.step % 50 == 0:
            trainer.save_checkpoint(checkpoint)
            seconds = time.time() - begin
            speed = (trainer.step - first) * arguments.batch_bytes / seconds
            print(f"step {trainer.step}: {mean:.4f} bits per byte, {speed:.0f} bytes/s, {seconds:.0f} s", flush=True)
        if trainer.step % 500 == 0:
            bits = bits_per_byte(model, held_out, arguments.context, trainer.route, 64)
            print(f"  held out, 64 windows: {bits:.4f} bits per byte", flush=True)
    trainer.save_checkpoint(checkpoint)
    save(model, arguments.out)


def parse_arguments():
    """The command line; its defaults are the first stage of the model that ships."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for run in (train, evaluate, sample):
        command = commands.add_parser(run.__name__, help=run.__doc__,
                                      formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        command.set_defaults(run=run)
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--threads", type=int, default=2)
    add = commands.choices["train"].add_argument
    add("--out", required=True, help="directory for the model and its checkpoint")
    add("--resume", action="store_true", help="go on from the directory's checkpoint")
    add("--init", metavar="DIR", help="start from this model's weights, in order to lengthen its context")
    add("--steps", type=int, default=6259)
    add("--flops", type=float, help="take the number of steps from a budget of training FLOPs")
    add("--batch-bytes", type=int, default=2048, help="bytes per step")
    add("--rate", type=float, default=1.5e-3, help="learning rate")
    add("--decay", type=float, default=1.0, help="final share of the steps over which the rate falls")
    add("--routing", choices=["expert_choice", "stochastic", "dense"], default="expert_choice")
    add("--capacity", type=float, default=0.125, help="share of the tokens that a routed layer computes")
    add("--gate", choices=sorted(GATES), default="raw")
    for name, value in {"dim": 192, "ffn": 512, "layers": 8, "head-dim": 32, "context": 512, "predictor": 48}.items():
        add(f"--{name}", type=int, default=value)
    for name in ("evaluate", "sample"):
        commands.choices[name].add_argument("model", help="directory that train wrote")
    add = commands.choices["evaluate"].add_argument
    add("--window", type=int, help="bytes per window (the model's context)")
    add("--limit", type=int, help="evaluate only so many windows")
    add("--routes", nargs="+", metavar="ROUTE", help="top_k predictor router always never random (all)")
    add = commands.choices["sample"].add_argument
    add("--prompt", default="In the beginning")
    add("--bytes", type=int, default=400)
    add("--temperature", type=float, default=0.8)
    return parser.parse_args()


def main():
    """Run the command."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
