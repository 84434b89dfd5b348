"""Compares `trace --out X.json` of random models with NumPy's selections.

    check-trace.py FILE --work DIR     FILE names models: MODEL: flags | lengths
"""

import json
import sys

import numpy as np

from logits_check import ROOT, run
from model_lines import check_models, make_model

sys.path.insert(0, str(ROOT / "test/reference"))

from model import Model, forward  # noqa: E402


def watch(routing):
    """Keeps what one routed layer was asked to choose from, and its choice."""
    select = routing.select

    def watched(x, tokens, positions, kind):
        routing.scores = routing.score(x)
        tests = {"predictor": routing.predict, "router": routing.score}
        routing.tested = tests[routing.causal](x)
        routing.chosen = select(x, tokens, positions, kind)
        return routing.chosen

    routing.select = watched


def expect(model, tokens, kind):
    forward(model, tokens, kind)
    return [(r.scores, r.tested, r.chosen) for r in model.routed.values()]


def check_layer(found, expected, top_k, causal):
    scores, tested, _ = expected
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
    }
    for key, value in wanted.items():
        if not np.allclose(found[key], value, atol=1e-12) or worst > 1e-4:
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
    for layer, (_, tested, chosen), expected in zip(found["layers"], top_k, traced):
        causal = np.flatnonzero(tested > 0) if kind == "top_k" else expected[2]
        worst = max(worst, check_layer(layer, expected, chosen, causal))
    return worst


def check_model(line, number, work):
    flags, _, lengths = line.partition("|")
    directory, choose = make_model(flags.split(), number, work)
    exe = work / f"model-{number}.exe"
    run(["modc", directory, "-o", exe])
    model = Model.load(directory)
    for routing in model.routed.values():
        watch(routing)
    return max(
        check_trace(exe, model, choose(int(length))[0].tolist(), kind)
        for length in lengths.split()
        for kind in ("top_k", "causal")
    )


if __name__ == "__main__":
    sys.exit(check_models(__doc__, check_model))
