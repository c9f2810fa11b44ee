"""Random Unicode texts that tokenizers trip over; the same seed, the same texts."""

import random as randomness

WORDS = (
    "the of and Once upon ICL don't I'LL we've it'S 1234567 3.14 naïve Führer für größe 日本語 中文 привет мир שלום "
    "नमस्ते สวัสดี ﷽ ǆ ǅ Ǆ ﬁ ß ẞ İ ı ſ 'ſ 'K it'ſ x² ⅷ ٣٤٥ １２３４ 𝟘𝟙𝟚 Ⅷ").split()
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEF", "0123456789", " ", "  ", "\n", "\t", "\r\n",
    ".,;:!?'\"-()[]{}<>/\\@#$%^&*_+=~`|", "áéíóúñçøåß", "абвгд", "αβγδ", "日本語中文字", "한국어", "½¾²③Ⅷ𐄇",
    # Combining marks of several scripts, and marks that stand before their base.
    "़ािी́̈̃҉⃝̴゙𝅥︠", "เแโ",
    # Emoji joined, with skins, keycaps, flags and tags.
    "🙂🚀👩\u200d👩\u200d👧\u200d👦🇨🇿👍🏽#\ufe0f\u20e3🏴\U000e0067\U000e0062\U000e007f",
    # Every kind of space and of nothing.
    "\u00a0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u0085\u000b\u000c\u001c\u001d\u001e\u001f",
    "\u200b\u200c\u200d\u2060\ufeff\u180e\u00ad\u034f\u061c\u200e\u200f\u202a\u202e\u2066\u2069",
    # Digits and numbers of other scripts.
    "٠١٢३४५๓๔༣𝟎𝟗①Ⅻ㊿𒐀৴",
    "\x01\x02\x07\x08\x0e\x1b\x7f\x80\x9f",
    # Beside the surrogates, non-characters, private use, the last of all.
    "\ud7ff\ue000\uf8ff\ufdd0\ufffe\uffff\U0001fffe\U000f0000\U0010ffff\ufffd",
]
LOOK_ALIKES = [
    "<s>", "</s>", "<unk>", "<0x41>", "<0x0A>", "▁", "▁▁", "Ġ", "Ċ", "<|endoftext|>", "<|begin_of_text|>",
    "<|eot_id|>", "[INST]", "[/INST]", "<<SYS>>", "<|im_start|>", "<|im_end|>", "< s>", "</ s>", "<|", "|>",
]


def text(random):
    parts = []
    for _ in range(random.randrange(0, 12)):
        kind = random.random()
        if kind < 0.3:
            parts.append(random.choice(WORDS))
        elif kind < 0.4:
            parts.append(" " * random.randrange(1, 5))
        elif kind < 0.75:
            parts.append("".join(random.choice(random.choice(ALPHABETS)) for _ in range(random.randrange(1, 8))))
        elif kind < 0.85:
            parts.append("".join(random.choice(random.choice(ALPHABETS[-9:])) for _ in range(random.randrange(1, 6))))
        elif kind < 0.9:
            parts.append(random.choice(LOOK_ALIKES))
        else:
            # Any scalar of any plane, most of them unassigned.
            parts.append(chr(random.choice([
                random.randrange(1, 0xD800), random.randrange(0xE000, 0x10000), random.randrange(0x10000, 0x20000),
                random.randrange(0x20000, 0x110000)])))
        if random.random() < 0.4:
            parts.append(" ")
    if random.random() < 0.01:
        parts.append(random.choice(random.choice(ALPHABETS)) * random.randrange(100, 2000))
    return "".join(parts)


def texts(count, seed):
    random = randomness.Random(seed)
    return [text(random) for _ in range(count)]
