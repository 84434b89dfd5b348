"""Compares `trace --out X.json` of random models with NumPy's selections.

    check-trace.py FILE --work DIR

FILE names models: MODEL: flags of make.py | prompt lengths [| flags of modc]
"""

import json
import sys

import numpy as np

from logits_check import ROOT, run
from model_lines import check_models, find_flag, make_model

sys.path.insert(0, str(ROOT / "test/reference"))

from model import Model, forward  # noqa: E402


def watch(routing):
    """Keeps what one routed layer was asked to choose from, and its choice."""
    select = routing.select

    def watched(x, tokens, positions, kind, among):
        routing.scores = routing.score(x)
        tests = {
            "predictor": routing.predict,
            "router": routing.score,
            "always": lambda x: np.ones(len(x)),
        }
        routing.tested = tests[routing.causal](x)
        routing.passing = routing.passes(routing.tested)
        routing.chosen = select(x, tokens, positions, kind, among)
        return routing.chosen

    routing.select = watched


def expect(model, tokens, kind):
    forward(model, tokens, kind)
    return [(r.scores, r.tested, np.flatnonzero(r.passing), r.chosen) for r in model.routed.values()]


def check_layer(found, expected, top_k, causal, no_room):
    scores, tested, *_ = expected
    worst = max(
        np.abs(np.array(found[key]) - values).max() / np.abs(values).max()
        for key, values in (("scores", scores), ("tested", tested))
    )
    count, both = len(scores), len(set(top_k) & set(causal))
    chosen = len(top_k) + len(causal)
    wanted = {
        "top_k": list(top_k),
        "causal": list(causal),
        "accuracy": (count - chosen + 2 * both) / count,
        "f1": 2 * both / chosen,
        "share_top_k": len(top_k) / count,
        "share_causal": len(causal) / count,
        "beyond_capacity": max(0, len(causal) - len(top_k)),
        "bypassed": len(no_room),
        "no_room": list(no_room),
        "capacity": len(top_k),
    }
    for key, value in wanted.items():
        same = np.shape(found[key]) == np.shape(value)
        if not same or not np.allclose(found[key], value, atol=1e-12) or worst > 1e-4:
            raise RuntimeError(f"{key}: {found[key]} instead of {value}, scores {worst:.1e}")
    return worst


def check_trace(exe, model, tokens, kind):
    out = exe.with_suffix(".json")
    ids = ",".join(map(str, tokens))
    run([exe, "trace", "--tokens", ids, "--routing", kind, "--out", out])
    found = json.loads(out.read_text())
    assert found["format"] == "mod-trace" and found["version"] == 1
    assert found["routing"] == kind and found["texts"] is None
    assert found["tokens"] == list(tokens)
    top_k, traced = expect(model, tokens, "top_k"), expect(model, tokens, kind)
    assert [layer["layer"] for layer in found["layers"]] == list(model.routed)
    worst = 0.0
    for layer, (_, _, causal, chosen), expected in zip(found["layers"], top_k, traced):
        no_room = []
        if kind == "causal":
            causal = expected[3]
            no_room = np.setdiff1d(expected[2], causal)
        worst = max(worst, check_layer(layer, expected, chosen, causal, no_room))
    return worst


def trace(exe, tokens):
    ids = ",".join(map(str, tokens))
    return json.loads(run([exe, "trace", "--tokens", ids, "--routing=causal", "--json"]))


def check_generated(exe, tokens, kv_tokens):
    """What found no room in a prompt and one by one is what a trace tells."""
    ids, count = ",".join(map(str, tokens[:2])), len(tokens) - 2
    flags = ["--tokens", ids, "-n", count, "--seed", 1, "--json"]
    found = json.loads(run([exe, "generate", *flags]))
    text = [*tokens[:2], *found["tokens"][:-1]]
    for layer, expected in zip(found["layers"], trace(exe, text)["layers"]):
        assert layer["bypassed"] == expected["bypassed"], (layer, expected)
        assert layer["routed"] == len(expected["causal"]), (layer, expected)
        assert layer["kv_tokens"] == expected["kv_tokens"] == kv_tokens, (layer, expected)


def check_model(line, number, work):
    flags, lengths, *modc_flags = (part.split() for part in line.split("|"))
    modc_flags = sum(modc_flags, [])
    kv_tokens = find_flag(modc_flags, "kv-tokens", int)
    directory, choose = make_model(flags, number, work, kv_tokens=kv_tokens)
    exe = work / f"model-{number}.exe"
    run(["modc", directory, "-o", exe, *modc_flags])
    model = Model.load(directory, kv_tokens=kv_tokens)
    for routing in model.routed.values():
        watch(routing)
    if kv_tokens:
        check_generated(exe, choose(int(lengths[-1]))[0].tolist(), kv_tokens)
    return max(
        check_trace(exe, model, choose(int(length))[0].tolist(), kind)
        for length in lengths
        for kind in ("top_k", "causal")
    )


if __name__ == "__main__":
    sys.exit(check_models(__doc__, check_model))
