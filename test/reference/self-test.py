# The reference against itself and against numbers worked out by hand.
#
# RUN: %python %s

import itertools
import math
import sys
import unittest

import numpy as np

import stepwise
from model import SELECTED, Model, forward, noise, update

MLP = 2 / (1 + math.exp(-1))  # silu(1) * 2


def tiny_config(**changes):
    config = dict(vocab_size=2, hidden_size=2, num_attention_heads=1)
    config |= dict(num_hidden_layers=1, rms_norm_eps=0.0, intermediate_size=1)
    return config | dict(tie_word_embeddings=True) | changes


def tiny_tensors():
    """Two tokens, (1, 1) and (1, -1); all projections the identity."""
    layer = "model.layers.0."
    identity, ones = np.eye(2), np.ones(2)
    tensors = {f"{layer}self_attn.{name}_proj.weight": identity for name in "qkvo"}
    return tensors | {
        "model.embed_tokens.weight": np.array([[1.0, 1.0], [1.0, -1.0]]),
        "model.norm.weight": ones,
        layer + "input_layernorm.weight": ones,
        layer + "post_attention_layernorm.weight": ones,
        layer + "mlp.gate_proj.weight": np.array([[0.5, 0.5]]),
        layer + "mlp.up_proj.weight": np.array([[1.0, 1.0]]),
        layer + "mlp.down_proj.weight": np.array([[1.0], [0.0]]),
        layer + "router.weight": np.array([[0.0, 3.0]]),
    }


def head_of(x):
    """The tiny model's logits of one hidden state, by hand."""
    rms = math.sqrt((x[0] ** 2 + x[1] ** 2) / 2)
    return [(x[0] + x[1]) / rms, (x[0] - x[1]) / rms]


class HandComputed(unittest.TestCase):
    def test_one_token(self):
        # Attention to itself gives (2, 2), whose norm is (1, 1) again.
        logits = forward(Model(tiny_config(), tiny_tensors()), [0], "top_k")
        np.testing.assert_allclose(logits[0], head_of((2 + MLP, 2)), rtol=1e-14)

    def test_rope_and_softmax(self):
        # The second query, (1, -1) turned by 1 rad, meets keys (1, 1) and itself.
        score = 2 * math.sin(1) / math.sqrt(2)
        share = math.exp(score) / (math.exp(score) + math.exp(2 / math.sqrt(2)))
        h = np.array([2.0, -1 + share - (1 - share)])
        normal = h / math.sqrt((h * h).mean())
        gate = normal.sum() / 2
        mlp = gate / (1 + math.exp(-gate)) * normal.sum()
        logits = forward(Model(tiny_config(), tiny_tensors()), [0, 1], "top_k")
        np.testing.assert_allclose(logits[1], head_of((h[0] + mlp, h[1])), rtol=1e-14)

    def test_routed(self):
        # r = (-3, 3): only the second token takes part, and sees only itself.
        config = tiny_config(mod={"routed_layers": [0], "capacity": 1})
        for routing in ("top_k", "causal"):
            logits = forward(Model(config, tiny_tensors()), [1, 0], routing)
            np.testing.assert_allclose(logits[0], head_of((1, -1)), rtol=1e-14)
            expected = head_of((1 + 3 * (1 + MLP), 1 + 3))
            np.testing.assert_allclose(logits[1], expected, rtol=1e-14)

    def test_kv_dense(self):
        # The same, but it sees the first, too: keys (1, -1) and, turned, (1, 1).
        config = tiny_config(mod={"routed_layers": [0], "capacity": 1, "kv": "dense"})
        own, other = math.exp(2 / math.sqrt(2)), math.exp(-2 * math.sin(1) / math.sqrt(2))
        attention = np.array([1, (own - other) / (own + other)])
        h = attention + 1
        normal = h / math.sqrt((h * h).mean())
        gate = normal.sum() / 2
        mlp = gate / (1 + math.exp(-gate)) * normal.sum()
        for routing in ("top_k", "causal"):
            logits = forward(Model(config, tiny_tensors()), [1, 0], routing)
            np.testing.assert_allclose(logits[0], head_of((1, -1)), rtol=1e-14)
            expected = head_of((1 + 3 * (attention[0] + mlp), 1 + 3 * attention[1]))
            np.testing.assert_allclose(logits[1], expected, rtol=1e-14)

    def test_prompts(self):
        # r = (-3, 3, -3); the largest of a prompt of one is that one.
        mod = {"routed_layers": [0], "capacity": 1, "decode": "router", "prefill": "top_k", "gate": "softmax"}
        routing = Model(tiny_config(mod=mod), tiny_tensors()).layers[0].routing
        x = np.array([[1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
        for routing.prompt, expected in [(0, [1]), (1, [0, 1]), (2, [1]), (3, [1])]:
            chosen = routing.select(x, np.array([1, 0, 1]), np.arange(3), "causal")
            self.assertEqual(list(chosen), expected)
        routing.prompt = 2
        shares = routing.gate(x, np.array([1, 2]), "causal")
        np.testing.assert_allclose(shares, [1 / (1 + math.exp(-6)), 1])

    def test_predictor(self):
        # silu(1) + silu(0) + bias; a logit of zero does not route, and the gate
        # is the router's all the same.
        tensors = tiny_tensors() | {
            "model.layers.0.predictor.0.weight": np.zeros((2, 2)),
            "model.layers.0.predictor.0.bias": np.array([1.0, 0.0]),
            "model.layers.0.predictor.2.weight": np.array([[1.0, 1.0]]),
            "model.layers.0.predictor.2.bias": np.array([0.0]),
        }
        mod = {"routed_layers": "all", "predictor": {"hidden": 2}}
        routing = Model(tiny_config(mod=mod), tensors).layers[0].routing
        x = np.array([[1.0, -1.0]])
        np.testing.assert_allclose(routing.predict(x), MLP / 2)
        self.assertEqual(list(routing.select_causal(x, [0], [0])), [True])
        routing.predictor[3] = np.array([-MLP / 2])
        self.assertEqual(list(routing.select_causal(x, [0], [0])), [False])
        np.testing.assert_allclose(routing.gate(x, [0], "causal"), -3)

    def test_gates(self):
        # r = (3, -3, 0); the first two are chosen.
        x, chosen = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0]]), [0, 1]
        e = [math.exp(r) for r in (3, -3, 0)]
        sigmoid = [1 / (1 + math.exp(-3)), 1 / (1 + math.exp(3))]
        cases = [
            ({"gate": "raw", "gate_scale": 0.5, "gate_bias": 2}, [3.5, 0.5]),
            ({"gate": "sigmoid", "gate_scale": 0.1}, [0.1 * s for s in sigmoid]),
            ({"gate": "none", "gate_scale": 0.5, "gate_bias": 1}, [1.5, 1.5]),
            ({"gate": "softmax"}, [e[0] / sum(e), e[1] / sum(e)]),
            ({"gate": "softmax_topk"}, [e[0] / sum(e[:2]), e[1] / sum(e[:2])]),
        ]
        for mod, expected in cases:
            config = tiny_config(mod=mod | {"routed_layers": "all"})
            routing = Model(config, tiny_tensors()).layers[0].routing
            np.testing.assert_allclose(routing.gate(x, chosen, "top_k"), expected)
            alone = routing.gate(x, chosen, "causal")
            same = [1, 1] if "softmax" in mod["gate"] else expected
            np.testing.assert_allclose(alone, same)

    def test_selected(self):
        forms = {"x + g*f": 52, "x + g*B": 72, "g*B": 70, "x + attn + g*mlp": 34}
        for form, y in (forms | {"2*x + attn + g*mlp": 36}).items():
            config = tiny_config(mod={"routed_layers": "all", "selected": form})
            routing = Model(config, tiny_tensors()).layers[0].routing
            self.assertEqual(routing.become(2, 10, 2, 3), y)

    def test_ties_go_to_the_lowest_index(self):
        config = tiny_config(mod={"routed_layers": "all", "capacity": 0.5})
        model = Model(config, tiny_tensors())
        tokens = [1, 0, 0, 1, 0] * 8
        routing = model.layers[0].routing
        ones = [i for i in range(40) if i % 5 in (1, 2, 4)]
        for ties, expected in [("first", ones[:20]), ("all", ones), ("none", [])]:
            routing.ties = ties
            chosen = routing.select(model.embedding[tokens], tokens, range(40), "top_k")
            self.assertEqual(list(chosen), expected)
        # One of the largest would be nobody: all that equal it.
        routing.capacity = 1
        chosen = routing.select(model.embedding[tokens], tokens, range(40), "top_k")
        self.assertEqual(list(chosen), ones)

    def test_k(self):
        config = tiny_config(mod={"routed_layers": "all"})
        routing = Model(config, tiny_tensors()).layers[0].routing
        for capacity, n, k in [(0.125, 7, 1), (0.125, 17, 2), (3, 2, 2), (3, 9, 3)]:
            routing.capacity = capacity
            self.assertEqual(routing.count(n), k)
        routing.capacity = 0.125
        for rounding, k in [("ceil", 3), ("nearest", 3), ("floor", 2)]:
            routing.rounding = rounding
            self.assertEqual(routing.count(20), k)

    def test_schemes(self):
        # r of the tokens 0 and 1 is 3 and -3.
        x = np.array([[0.0, r / 3] for r in (3, 1, -1, 2, 4, -2)])
        cases = [
            (dict(capacity=4, routing="token_choice"), [0, 1, 3, 4]),
            (dict(capacity=5, routing="token_choice"), [0, 1, 3, 4]),
            (dict(capacity=2, routing="token_choice"), [0, 4]),
            (dict(routing="threshold", threshold=0.9), [0, 4]),
            (dict(routing="threshold", threshold=0.8), [0, 3, 4]),
            (dict(capacity=1, forced_tokens=2), [0, 1, 4]),
            (dict(capacity=0.5, eligible_tokens=[1, 1]), [0, 2, 3, 4]),
            (dict(capacity=3, routing="token_choice", forced_tokens=3), [0, 1, 2, 3, 4]),
        ]
        for mod, expected in cases:
            model = Model(tiny_config(mod=mod | {"routed_layers": "all"}), tiny_tensors())
            routing = model.layers[0].routing
            self.assertEqual(list(routing.select(x, [0, 1, 0, 1, 1, 1], range(6), "top_k")), expected)

    def test_argmax(self):
        layer = "model.layers.0."
        tensors = tiny_tensors() | {layer + "router.weight": np.array([[1.0, 0.0], [0.0, 1.0]])}
        model = Model(tiny_config(mod={"routed_layers": "all", "routing": "argmax"}), tensors)
        x = np.array([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0]])
        self.assertEqual(list(model.layers[0].routing.select(x, [0] * 3, range(3), "top_k")), [0, 2])

    def test_noise(self):
        many = noise(np.arange(100000), 3)
        self.assertLess(abs(many.mean()), 0.02)
        self.assertLess(abs(many.std() - 1), 0.01)
        self.assertLess(abs((many > 1.2816).mean() - 0.1), 0.005)
        self.assertFalse(np.allclose(many[:9], noise(np.arange(9), 4)))


def random_model(random, mod, bias=True, tied=False):
    """A small random model with grouped queries; `mod` may be None."""
    dim, heads, kv, width, ffn, vocab, layers = 12, 4, 2, 6, 20, 31, 4
    config = dict(vocab_size=vocab, hidden_size=dim, num_attention_heads=heads)
    config |= dict(num_key_value_heads=kv, head_dim=width, intermediate_size=ffn)
    config |= dict(num_hidden_layers=layers, tie_word_embeddings=tied, mod=mod)
    shapes = {"model.embed_tokens.weight": (vocab, dim), "model.norm.weight": (dim,)}
    shapes["lm_head.weight"] = (vocab, dim)
    projections = {"q": (heads * width, dim), "k": (kv * width, dim)}
    projections |= {"v": (kv * width, dim), "o": (dim, heads * width)}
    for i in range(layers):
        layer = f"model.layers.{i}."
        for name, shape in projections.items():
            shapes[f"{layer}self_attn.{name}_proj.weight"] = shape
            if bias:
                shapes[f"{layer}self_attn.{name}_proj.bias"] = shape[:1]
        shapes[layer + "input_layernorm.weight"] = (dim,)
        shapes[layer + "post_attention_layernorm.weight"] = (dim,)
        shapes[layer + "mlp.gate_proj.weight"] = (ffn, dim)
        shapes[layer + "mlp.up_proj.weight"] = (ffn, dim)
        shapes[layer + "mlp.down_proj.weight"] = (dim, ffn)
        for router in ("router", "router.0", "router.1", "router.2"):
            shapes[f"{layer}{router}.weight"] = (1, dim)
            shapes[f"{layer}{router}.bias"] = (1,)
        shapes[layer + "predictor.0.weight"] = (5, dim)
        shapes[layer + "predictor.0.bias"] = (5,)
        shapes[layer + "predictor.2.weight"] = (1, 5)
        shapes[layer + "predictor.2.bias"] = (1,)
    tensors = {name: random.normal(size=shape) for name, shape in shapes.items()}
    return Model(config, tensors)


class AgainstItself(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(3)
        self.tokens = self.random.integers(0, 31, 23)

    def test_stepwise_is_causal(self):
        # Lengths without a common factor, so that all pairs occur.
        choices = zip(
            itertools.cycle(["odd", "even", "all", [1, 2]]),
            itertools.cycle(["raw", "sigmoid", "tanh", "none", "softmax"]),
            itertools.cycle(["predictor", "router", "always"]),
            itertools.cycle(["x + g*f", *SELECTED, "x + g*f"]),
        )
        for layers, gate, decode, selected in itertools.islice(choices, 30):
            mod = dict(routed_layers=layers, gate=gate, decode=decode)
            mod |= dict(gate_scale=0.3, gate_bias=0.1, selected=selected)
            model = random_model(self.random, mod | {"predictor": {"hidden": 5}})
            expected = forward(model, self.tokens, "causal")
            actual = stepwise.decode(model, self.tokens)
            np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)

    def test_stepwise_sees_all(self):
        for scope in ("block", "attention"):
            mod = dict(routed_layers="all", decode="router", kv="dense", scope=scope)
            model = random_model(self.random, mod)
            logits = forward(model, self.tokens, "causal")
            np.testing.assert_allclose(stepwise.decode(model, self.tokens), logits, rtol=1e-10, atol=1e-10)
            compact = random_model(np.random.default_rng(4), dict(mod, kv="compact"))
            dense = random_model(np.random.default_rng(4), mod)
            self.assertFalse(np.allclose(*(forward(m, self.tokens, "causal") for m in (compact, dense))))

    def test_windows(self):
        """A window is of positions, whoever was there."""
        for mod in (dict(kv="compact"), dict(kv="dense"), dict(scope="attention"), None):
            model = random_model(np.random.default_rng(4), mod and dict(mod, routed_layers="all", decode="router"))
            whole = forward(model, self.tokens, "causal")
            for window in (1, 4, 9):
                for layer in model.layers:
                    layer.window = window
                logits = forward(model, self.tokens, "causal")
                np.testing.assert_allclose(stepwise.decode(model, self.tokens), logits, rtol=1e-9, atol=1e-10)
                np.testing.assert_array_equal(logits[:window], whole[:window])
                self.assertFalse(np.allclose(logits, whole))

    def test_full_capacity_is_dense(self):
        mod = dict(routed_layers="all", capacity=1.0, gate="none", decode="always")
        routed = random_model(np.random.default_rng(4), mod)
        dense = random_model(np.random.default_rng(4), None)
        expected = forward(dense, self.tokens, "top_k")
        for routing in ("top_k", "causal"):
            np.testing.assert_array_equal(forward(routed, self.tokens, routing), expected)
        np.testing.assert_allclose(stepwise.decode(dense, self.tokens), expected, rtol=1e-9)

    def test_full_range_is_dense(self):
        mod = dict(ranges=[[1, 3]], capacity=1.0, gate="none", decode="always")
        routed = random_model(np.random.default_rng(4), mod)
        dense = random_model(np.random.default_rng(4), None)
        expected = forward(dense, self.tokens, "top_k")
        for routing in ("top_k", "causal"):
            np.testing.assert_allclose(forward(routed, self.tokens, routing), expected, rtol=1e-9)

    def test_range(self):
        """Layers of a range see the same tokens, which the first of them selects."""
        mod = dict(ranges=[[1, 2]], capacity=0.3, gate="raw")
        model = random_model(self.random, mod)
        self.assertEqual([len(layers) for layers in model.blocks], [1, 2, 1])
        logits = forward(model, self.tokens, "causal")
        self.assertEqual(list(model.routed), [1])
        np.testing.assert_allclose(stepwise.decode(model, self.tokens), logits, rtol=1e-10, atol=1e-10)
        alone = random_model(np.random.default_rng(4), dict(mod, ranges=[[1, 1]]))
        same = random_model(np.random.default_rng(4), dict(mod, ranges=None, routed_layers=[1]))
        np.testing.assert_array_equal(forward(alone, self.tokens, "top_k"), forward(same, self.tokens, "top_k"))

    def test_recursion(self):
        """Steps are nested and share their layers; k is a share of all tokens."""
        mod = dict(recursions=3, gate="sigmoid", gate_scale=0.1, selected="x + g*B")
        for changes in (dict(ranges=[[1, 2]], kv="shared"), dict(ranges=[[1, 2]]), {},
                        dict(routed_layers=[0, 3], decode="always")):
            model = random_model(self.random, mod | changes)
            logits = forward(model, self.tokens, "causal")
            np.testing.assert_allclose(stepwise.decode(model, self.tokens), logits, rtol=1e-10, atol=1e-10)
        for router in model.routings:
            router.selected = 0
        forward(model, self.tokens, "top_k")
        self.assertEqual([r.selected for r in model.routings], [23, 15, 7] * 2)

    def test_prompts_of_recursions(self):
        """A prompt that is all is the whole; one that is none is no prompt."""
        mod = dict(recursions=3, ranges=[[1, 2]], gate="softmax_topk", decode="always", prefill="top_k")
        model = random_model(self.random, mod)
        for routing, prompt in (("top_k", len(self.tokens)), ("causal", 0)):
            expected = forward(model, self.tokens, routing)
            np.testing.assert_allclose(forward(model, self.tokens, "causal", prompt), expected, rtol=1e-10)
        # Tokens behind a prompt do not change what it is, nor who takes part of it.
        for router in model.routings:
            router.selected = 0
        logits = forward(model, self.tokens, "causal", 12)
        self.assertEqual([r.selected - 11 for r in model.routings], [12, 8, 4])
        np.testing.assert_allclose(logits[:12], forward(model, self.tokens[:12], "top_k"), rtol=1e-10)

    def test_recursion_by_hand(self):
        """Two steps for everybody are two routed blocks of the same layer."""
        mod = dict(ranges=[[1, 1]], recursions=2, capacity=1.0, decode="always")
        model = random_model(self.random, mod)
        tokens = list(range(9))
        x, positions = model.embed(np.asarray(tokens)), np.arange(9)
        for layer, router in zip((0, 1, 1, 2, 3), (None, *model.layers[1].steps, None, None)):
            gate = router.score(x)[:, None] if router else 1
            x = x + gate * sum(update(model, model.layers[layer], x, positions, "causal"))
        expected = model.multiply(x, model.head, (model.norm, model.norm_factor(x)))
        for routing in ("top_k", "causal"):
            np.testing.assert_allclose(forward(model, tokens, routing), expected, rtol=1e-9)

    def test_sequence(self):
        """All tokens take part or none, as the prompt says."""
        for pooling in ("mean", "first", "last"):
            mod = dict(routing="sequence", pooling=pooling, routed_layers="all", gate="none")
            seen = set()
            for _ in range(8):
                model = random_model(self.random, mod)
                whole, one = (forward(model, self.tokens, "causal", prompt) for prompt in (None, 1))
                np.testing.assert_allclose(stepwise.decode(model, self.tokens), one, rtol=1e-10, atol=1e-10)
                np.testing.assert_array_equal(whole, forward(model, self.tokens, "top_k"))
                self.assertTrue(pooling != "first" or np.array_equal(whole, one))
                seen |= {r.selected for r in model.routings}
            self.assertTrue(seen <= set(range(0, 100, 23)) and len(seen) > 1)

    def test_top_k_is_not_causal(self):
        model = random_model(self.random, dict(routed_layers="all", capacity=0.3))
        logits = forward(model, self.tokens, "top_k")
        self.assertEqual([r.selected for r in model.routed.values()], [6] * 4)
        self.assertFalse(np.allclose(logits, forward(model, self.tokens, "causal")))

    def test_margin(self):
        model = random_model(self.random, dict(routed_layers="all", capacity=0.3))
        forward(model, self.tokens, "top_k")
        self.assertTrue(0 < model.margin < 1)
        self.assertEqual(random_model(self.random, None).margin, math.inf)


if __name__ == "__main__":
    sys.exit(unittest.main())
