"""Text to tokens and back by the library of a compiled model."""

import ctypes
import json
import pathlib
import re
import struct

HEADER = pathlib.Path(__file__).resolve().parents[3] / "runtime/modrt.h"
ABI_VERSION = int(re.search(r"MODRT_ABI_VERSION (\d+)", HEADER.read_text())[1])

# A model of one embedding row per token, its head tied: what there is to
# compile is the tokenizer.
CONFIG = {
    "model_type": "llama",
    "hidden_size": 4,
    "intermediate_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}


def write_tensors(path, shapes):
    """A safetensors file of zeros."""
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(offset))


def write_model(directory, tokenizer, vocab):
    """A model directory with this tokenizer.json, a JSON text."""
    directory.mkdir(parents=True, exist_ok=True)
    shapes = {"model.embed_tokens.weight": [vocab, 4], "model.norm.weight": [4]}
    layer = "model.layers.0."
    shapes |= {f"{layer}self_attn.{name}_proj.weight": [4, 4] for name in "qkvo"}
    shapes |= {f"{layer}mlp.{name}_proj.weight": [4, 4] for name in ("gate", "up", "down")}
    shapes |= {f"{layer}{name}_layernorm.weight": [4] for name in ("input", "post_attention")}
    write_tensors(directory / "model.safetensors", shapes)
    (directory / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": vocab}))
    (directory / "tokenizer.json").write_text(tokenizer)


class Status(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 508)]


class Library:
    """A library that modc made, and the model in it."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.mod_model.restype = ctypes.c_void_p
        self.instance = ctypes.c_void_p()
        model = ctypes.c_void_p(self.library.mod_model(ABI_VERSION))
        self.call("modrt_open", model, None, ctypes.byref(self.instance))

    def call(self, name, *arguments):
        function = getattr(self.library, name)
        function.restype = Status
        status = function(*arguments)
        if status.code:
            raise RuntimeError(f"{name}: {status.message.decode()}")


class ModelText(Library):
    """Its tokenizer."""

    def __init__(self, path):
        super().__init__(path)
        self.library.modrt_stream_close.restype = None
        self.stream = ctypes.c_void_p()
        self.call("modrt_stream_open", self.instance, ctypes.byref(self.stream))

    def encode(self, text):
        """The tokens of bytes."""
        count = ctypes.c_int64(0)
        for _ in range(2):
            tokens = (ctypes.c_int32 * count.value)()
            self.call("modrt_tokenize", self.instance, text, ctypes.c_int64(len(text)), tokens,
                      ctypes.c_int64(len(tokens)), ctypes.byref(count))
        return list(tokens)

    def take(self, name, *arguments):
        text, size = ctypes.c_void_p(), ctypes.c_int64()
        self.call(name, self.stream, *arguments, ctypes.byref(text), ctypes.byref(size))
        return ctypes.string_at(text, size.value) if size.value else b""

    def decode(self, tokens):
        """The text of tokens as it comes: each part is whole characters."""
        parts = [self.take("modrt_stream_push", ctypes.c_int32(token)) for token in tokens]
        parts.append(self.take("modrt_stream_finish"))
        return "".join(part.decode() for part in parts)
