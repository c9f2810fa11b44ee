"""Random Unicode texts and how third parties tokenize them.

usage: tokenizer_reference.py FOLDER VOCABULARY_FOLDER COUNT
Writes FOLDER/texts.json: {"texts": […], "sentencePiece": [[ids]…], "gpt2": [[ids]…], "llama3": [[ids]…]}:
SentencePiece's own library on Llama 2's model; the `tokenizers` package on GPT-2's vocabulary, with GPT-2's way to cut
words and with Llama 3's.
"""

import json
import pathlib
import sys

import gguf
import random_texts
import sentencepiece
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

folder, vocabulary, count = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
texts = random_texts.texts(count, seed=11)
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
