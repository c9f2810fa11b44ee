"""Random Unicode texts and how third parties tokenize them.

usage: tokenizer_reference.py FOLDER VOCABULARY_FOLDER COUNT
Writes FOLDER/texts.json: {"texts": […], "sentencePiece": [[ids]…], "gpt2": [[ids]…], "llama3": [[ids]…]}:
SentencePiece's own library on Llama 2's model; the `tokenizers` package on GPT-2's vocabulary, with GPT-2's way to cut
words and with Llama 3's.
"""

import json
import pathlib
import random
import sys

import gguf
import sentencepiece
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

folder, vocabulary, count = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
random.seed(11)
WORDS = "the of and Once upon ICL don't I'LL we've 1234567 3.14 naïve Führer für größe 日本語 中文 привет мир שלום".split()
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCDEF", "0123456789", " ", "  ", "\n", "\t", "\r\n", ".,;:!?'\"-()[]{}<>/\\@#$%^&*_+=~`|",
    "áéíóúñçøåß", "абвгд", "αβγδ", "日本語中文字", "한국어", "🙂🚀👩‍👩‍👧‍👦🇨🇿", "½¾²③Ⅷ", "\u00a0\u2003\u3000\u200b\u200d\ufeff", "़ािी́̈",
    "'s", "'RE", "'ll",
]


def text():
    parts = []
    for _ in range(random.randrange(0, 12)):
        kind = random.random()
        if kind < 0.4:
            parts.append(random.choice(WORDS))
        elif kind < 0.5:
            parts.append(" ")
        elif kind < 0.9:
            parts.append("".join(random.choice(random.choice(ALPHABETS)) for _ in range(random.randrange(1, 8))))
        else:
            point = random.choice([random.randrange(1, 0xD800), random.randrange(0xE000, 0x110000)])
            parts.append(chr(point))
        if random.random() < 0.5:
            parts.append(" ")
    return "".join(parts)


texts = [text() for _ in range(count)]
pieces = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary / "tokenizer-llama32k.model"))
reader = gguf.GGUFReader(vocabulary / "ggml-vocab-gpt-2.gguf")
tokens = reader.fields["tokenizer.ggml.tokens"].contents()
merges = [tuple(m.split(" ")) for m in reader.fields["tokenizer.ggml.merges"].contents()]
ids = {token: i for i, token in enumerate(tokens)}

gpt2 = Tokenizer(models.BPE(vocab=ids, merges=merges))
gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
llama3 = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=True))
pattern = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
llama3.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
])
(folder / "texts.json").write_text(json.dumps({
    "texts": texts,
    "sentencePiece": [pieces.encode(t) for t in texts],
    "gpt2": [gpt2.encode(t).ids for t in texts],
    "llama3": [llama3.encode(t).ids for t in texts],
}))
