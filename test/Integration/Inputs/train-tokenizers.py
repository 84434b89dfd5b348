#!/usr/bin/python3
"""Compares compiled tokenizers with Hugging Face's, token by token.

Trains one of each kind with `tokenizers` on a text, compiles it, and encodes
and decodes texts by both. With --record writes what the library says of the
small ones to a file, for a test that needs no library.
"""

import argparse
import json
import pathlib
import subprocess
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from model_text import ModelText, write_model
from nasty_texts import list_texts

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def make_added(**normal):
    return [
        AddedToken("<mask>", lstrip=True, rstrip=False, special=False, normalized=False),
        AddedToken("ham", single_word=True, special=False, normalized=normal.get("normalized", True)),
        AddedToken("<tool>", rstrip=True, special=True, normalized=False),
    ]


def train_bytes(text, size, splitter, normalizer=None, **model):
    """Byte-level BPE, as GPT-2, Llama 3 and Qwen have it."""
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=BYTES, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.add_tokens(make_added())
    return tokenizer


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def gpt2(text, size):
    return train_bytes(text, size, pre_tokenizers.ByteLevel(add_prefix_space=False))


def gpt2_prefix(text, size):
    digits = pre_tokenizers.Digits(individual_digits=True)
    return train_bytes(text, size, pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=True)]))


def llama3(text, size):
    tokenizer = train_bytes(text, size, split(LLAMA3), ignore_merges=True)
    begin = processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), begin])
    return tokenizer


def qwen(text, size):
    return train_bytes(text, size, split(QWEN), normalizers.NFC())


def train_pieces(text, size, decoder):
    """BPE over characters with byte fallback, as SentencePiece trains it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.decoder = decoder
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size + 256, special_tokens=specials, show_progress=False)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator([text], trainer)
    # Tokens of bytes are the model's alone, as in files that were converted.
    root = json.loads(tokenizer.to_str())
    root["added_tokens"] = root["added_tokens"][:3]
    root["pre_tokenizer"] = None
    return root


def finish_pieces(root, added):
    tokenizer = Tokenizer.from_str(json.dumps(root))
    tokenizer.add_tokens(added)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


STRIP = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]


def llama2(text, size):
    root = train_pieces(text, size, decoders.Sequence(STRIP + [decoders.Strip(" ", 1, 0)]))
    root["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    return finish_pieces(root, make_added())


def mistral(text, size):
    root = train_pieces(text, size, decoders.Sequence(STRIP + [decoders.Strip(" ", 1, 0)]))
    root["normalizer"] = None
    root["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    return finish_pieces(root, make_added())


def gemma(text, size):
    root = train_pieces(text, size, decoders.Sequence(STRIP))
    root["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    return finish_pieces(root, make_added(normalized=False))


def unigram(text, size, fallback=False):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)] * fallback
    trainer = trainers.UnigramTrainer(
        vocab_size=size + 256 * fallback, special_tokens=specials, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(text.splitlines(), trainer)
    root = json.loads(tokenizer.to_str())
    root["added_tokens"], root["model"]["byte_fallback"] = root["added_tokens"][:3], fallback
    tokenizer = Tokenizer.from_str(json.dumps(root))
    if fallback:
        tokenizer.decoder = decoders.Sequence(STRIP + [decoders.Strip(" ", 1, 0)])
    tokenizer.add_tokens(make_added())
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def unigram_bytes(text, size):
    return unigram(text, size, fallback=True)


RECORDED = [gpt2_prefix, llama3, qwen, llama2, unigram_bytes]
KINDS = [gpt2, gpt2_prefix, llama3, qwen, llama2, mistral, gemma, unigram, unigram_bytes]


def compare(tokenizer, model, text):
    """What differs, or nothing."""
    string = text.decode(errors="replace")
    expected, actual = tokenizer.encode(string).ids, model.encode(text)
    if actual != expected:
        return f"{text!r}: tokens {actual}, expected {expected}"
    expected, actual = tokenizer.decode(expected), model.decode(actual)
    if actual != expected:
        return f"{text!r}: text {actual!r}, expected {expected!r}"
    return None


def check(kind, text, size, texts, work):
    """Prints what differs first; whether nothing does."""
    tokenizer = kind(text, size)
    directory = work / kind.__name__
    write_model(directory, tokenizer.to_str(), tokenizer.get_vocab_size())
    library = directory / "model.so"
    subprocess.run(["modc", directory, "--emit=lib", "-o", library], check=True)
    model = ModelText(library)
    wrong = [difference for difference in (compare(tokenizer, model, text) for text in texts) if difference]
    state = f"FAILED  {len(wrong)} of {len(texts)}: {wrong[0]}" if wrong else f"ok      {len(texts)} texts"
    print(f"{kind.__name__:14} {tokenizer.get_vocab_size():6} tokens: {state}", flush=True)
    return not wrong


def record(kind, text, texts):
    """A small tokenizer and what it says of texts."""
    tokenizer = kind(text, 300)
    cases = []
    for case in texts:
        tokens = tokenizer.encode(case.decode(errors="replace")).ids
        cases.append({"text": case.hex(), "tokens": tokens, "decoded": tokenizer.decode(tokens)})
    return {"name": kind.__name__, "tokenizer": json.loads(tokenizer.to_str()), "cases": cases}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=pathlib.Path, nargs="+", help="files to train on")
    parser.add_argument("--work", type=pathlib.Path, help="folder for models")
    parser.add_argument("--record", type=pathlib.Path)
    options = parser.parse_args()
    text = "\n".join(path.read_text() for path in options.text)
    if options.record:
        records = [record(kind, text, list_texts(0)) for kind in RECORDED]
        lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in records)
        options.record.write_text(f"[{lines}]\n")
        return 0
    return 0 if all([check(kind, text, 800, list_texts(1500), options.work) for kind in KINDS]) else 1


if __name__ == "__main__":
    sys.exit(main())
