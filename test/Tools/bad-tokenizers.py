#!/usr/bin/python3
"""Every kind of broken tokenizer.json ends in one line that says what is wrong, exit code 1 and no output.

RUN: %python %s --work %t
"""

import argparse
import copy
import json
import pathlib
import subprocess
import sys

INPUTS = pathlib.Path(__file__).resolve().parents[1] / "Integration/Inputs"
sys.path.insert(0, str(INPUTS))
model_text = __import__("model_text")
RECORDS = {record["name"]: record["tokenizer"] for record in json.loads((INPUTS / "tokenizers.json").read_text())}


def on(name, edit):
    """The text of a tokenizer after an edit."""
    root = copy.deepcopy(RECORDS[name])
    edit(root)
    return json.dumps(root)


def member(path, value):
    """Sets the member that the keys lead to."""

    def edit(root):
        for key in path[:-1]:
            root = root[key]
        root[path[-1]] = value

    return edit


def split(pattern):
    return member(["pre_tokenizer"], {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False})


BPE = {
    "model.vocab": (["model", "vocab"], [], "'model.vocab' must be an object of tokens and their ids"),
    "id": (["model", "vocab", "a"], 1.5, "'model.vocab' has no integer for 'a'"),
    "range": (["model", "vocab", "a"], 5000, "'model.vocab' is token 5000, but the model has 400"),
    "twice": (["model", "vocab", "a"], 70, "'model.vocab' is token 70, as is "),
    "merges": (["model", "merges"], None, "'model.merges' must be a list of pairs of tokens"),
    "pair": (["model", "merges", 1], ["a"], "'model.merges[1]' must be a pair of tokens"),
    "merge": (["model", "merges", 1], ["q", "q"], "'model.merges[1]' joins 'q' and 'q', but the vocabulary has no 'qq'"),
    "unknown": (["model", "unk_token"], "nope", "'model.unk_token' is 'nope', which is not in the vocabulary"),
    "suffix": (["model", "end_of_word_suffix"], "</w>", "'model.end_of_word_suffix' is not supported"),
    "prefix": (["model", "continuing_subword_prefix"], "##", "'model.continuing_subword_prefix' is not supported"),
    "dropout": (["model", "dropout"], 0.1, "'model.dropout' is not supported"),
    "model": (["model", "type"], "WordPiece", "'model.type' is 'WordPiece', expected one of: BPE, Unigram"),
    "key": (["model", "extra"], 1, "'model' has unknown keys: extra"),
    "root": (["extra"], 1, "the file has unknown keys: extra"),
    "normalizer": (["normalizer"], {"type": "BertNormalizer"}, "'normalizer.type' is 'BertNormalizer', supported are: Sequence, NFC"),
    "splitter": (["pre_tokenizer"], {"type": "BertPreTokenizer"}, "'pre_tokenizer.type' is 'BertPreTokenizer', supported are: Sequence"),
    "behavior": (["pre_tokenizer", "pretokenizers", 0, "behavior"], "Odd", "'pre_tokenizer.pretokenizers[0].behavior' is 'Odd'"),
    "decoder": (["decoder"], {"type": "CTC"}, "'decoder.type' is 'CTC', supported are: Sequence"),
    "no decoder": (["decoder"], None, "'decoder' is missing"),
    "processor": (["post_processor"], {"type": "BertProcessing"}, "'post_processor.type' is 'BertProcessing', supported are: Sequence"),
    "added": (["added_tokens", 0, "content"], "other", "'added_tokens[0].content' is 'other', but the vocabulary has '<|endoftext|>' as token 0"),
    "added id": (["added_tokens", 0, "id"], 400, "'added_tokens[0].id' must be an integer from 0 to 399, not 400"),
    "added key": (["added_tokens", 0, "odd"], 1, "'added_tokens[0]' has unknown keys: odd"),
    "list": (["added_tokens"], {}, "'added_tokens' must be a list, not an object"),
}

PATTERNS = {
    "malformed": ("(a", "regular expression '(a' is malformed: missing closing parenthesis"),
    "escape": (r"a\Rb", r"'pre_tokenizer.pattern.Regex' has '\R', which is not supported"),
    "nested": ("[a[bc]]", "'pre_tokenizer.pattern.Regex' has a class within a class"),
    "both": ("[a&&b]", "'pre_tokenizer.pattern.Regex' has an intersection of classes"),
    "empty": ("", "'pre_tokenizer.pattern.Regex' is missing"),
    "end": ("a\\", "'pre_tokenizer.pattern.Regex' has '\\"),
}

UNIGRAM = {
    "vocabulary": (["model", "vocab"], {}, "'model.vocab' must be a list of tokens and their scores"),
    "entry": (["model", "vocab", 3], ["a"], "'model.vocab[3]' must be a pair of a token and its score"),
    "unknown": (["model", "unk_id"], None, "'model.unk_id' is missing"),
    "template": (["post_processor", "special_tokens"], {}, "'post_processor.special_tokens' has no ids for '<s>'"),
    "no text": (["post_processor", "single"], [], "'post_processor.single' has no place for the text"),
    "bytes": (["pre_tokenizer"], {"type": "ByteLevel"}, "'pre_tokenizer' 'ByteLevel' does not go with a Unigram model"),
    "last": (["pre_tokenizer"], {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]},
             "'pre_tokenizer.pretokenizers[1].type' is 'Digits' behind 'ByteLevel', which must be last"),
}


def list_cases():
    """(name, text of tokenizer.json, message)"""
    yield "syntax", "{", "the tokenizer is not JSON"
    yield "list", "[]", "the tokenizer is not a JSON object"
    yield "empty", "{}", "'decoder' is missing"
    for name, (path, value, message) in BPE.items():
        yield "bpe " + name, on("llama3", member(path, value)), message
    for name, (pattern, message) in PATTERNS.items():
        yield "pattern " + name, on("llama3", split(pattern)), message
    for name, (path, value, message) in UNIGRAM.items():
        yield "unigram " + name, on("unigram_bytes", member(path, value)), message


def check(text, message, work):
    """What is wrong, or nothing."""
    vocab = 400 if "merges" in text else 600
    model_text.write_model(work / "model", text, vocab)
    out = work / "out"
    result = subprocess.run(["modc", work / "model", "-o", out], capture_output=True, text=True)
    lines = result.stderr.splitlines()
    if result.returncode != 1 or len(lines) != 1 or message not in lines[0] or out.exists():
        return f"exit code {result.returncode}, {result.stderr!r}, expected {message!r}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    options = parser.parse_args()
    failed = 0
    for name, text, message in list_cases():
        wrong = check(text, message, options.work)
        failed += wrong is not None
        if wrong:
            print(f"{name}: {wrong}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
