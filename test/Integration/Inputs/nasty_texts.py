"""Texts that tokenizers get wrong."""

import random

TEXTS = [
    "",
    " ",
    "a",
    "Hello world",
    " leading and trailing ",
    "two  three   four    spaces",
    "tabs\tand\nnewlines\r\nand\r\n\r\n  indented\n\n\n",
    " \n \n\t \u00a0x",
    "\n",
    "   ",
    "It's I'm we'll they'd you've WE'LL IT'S 'S 's'\u017fa'ſ",
    "1234567890 12.5 1,000,000 ٣٤٥ ⅷ ½ x²",
    "don't stop--believing... (really?!) [yes]",
    "naïve café e\u0301a\u0308o\u0323\u0302 \u1e69 s\u0323\u0307 s\u0307\u0323 \u212b \u2126",
    "中文字符 日本語テキスト 한국어 \u1112\u1161\u11ab\u1100\u1161",
    "😀 😃😄 👩‍👩‍👧‍👦 🇩🇪 ❤️",
    "Привет мир, Γειά σου, שלום, مرحبا, नमस्ते",
    "\u180e\u2028\u2029\u0085\u3000\u200b\ufeff end",
    "\x00\x01\x02\x1b\x7f control",
    "▁ ▁▁ a▁b ▁a",
    "Ġ Ċ ĠA Âł",
    "<0x41> <0xE4><0xB8> <0x0A>",
    "<s> hello</s> <unk> <|endoftext|>",
    "<|endoftext|><|endoftext|> x <|endoftext|>y",
    "user<|im_start|> text <|im_end|>\n",
    "say <mask> or<mask>now <mask>",
    "ham hamster hams shamrock ham",
    "a <tool> b<tool>c",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "if (x == 1) {\n    return foo->bar[42];\n}\n",
    "https://example.com/a?b=c&d=%20e#f",
    "\U0010ffff\ufffd\U00013000",
]

INVALID = [b"\xff", b"a\xc3", b"\xe4\xb8", b"\xe4\xb8x\xad", b"\xf0\x9f\x98 ok \x80\x80", b"\xed\xa0\x80", b"\xc0\xaf\xf5"]

POOL = list("aehimnost THE.,'!0123\n\t  ▁Ġ") + [
    "é", "e\u0301", "中", "日", "한", "\u1112\u1161", "😀", "\u200d", "\u00a0", "\u3000", "ß", "ﬁ", "<s>", "</s>", "<unk>",
    "<|endoftext|>", "<mask>", "ham", "<tool>", "'s", "'ll", "  ", "\r\n", "\u0323", "\u0307", "٣", "²", "<0x0A>", "\x00",
]


def list_texts(count, seed=5):
    """All as bytes, with `count` random ones."""
    source = random.Random(seed)
    drawn = ["".join(source.choices(POOL, k=source.randrange(1, 40))) for _ in range(count)]
    return [text.encode() for text in TEXTS + drawn] + INVALID
