"""Small tokenizers of every kind that the engine reads, trained on real text, and what their own libraries make of
random texts.

usage: hugging_face_tokenizers.py FOLDER TEXT_FILE COUNT
Writes a folder FOLDER/NAME with tokenizer.json (or tokenizer.model) and settings for each kind, and FOLDER/NAME.json:
{"texts", "plain", "parsed", "special"}: ids without special tokens and none parsed, with those in the text parsed, and
with those that the tokenizer puts around.
"""

import json
import pathlib
import random
import sys

import sentencepiece
import random_texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

folder, source, count = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
lines = pathlib.Path(source).read_text(encoding="utf-8").splitlines()
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MARKS = ["<mask>", "<x>", "ICL", "we've", "[INST]", "[/INST]", "<|eot_id|>", "<|im_end|>", "</s>", "<s>", "<unk>", "\0"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]


def texts(count, seed):
    """Random texts, some with marks of these tokenizers in them."""
    chance = random.Random(seed)
    result = []
    for text in random_texts.texts(count, seed):
        for _ in range(chance.choice([0, 0, 1, 3])):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(MARKS) + text[at:]
        result.append(text)
    return result


def sentencepiece_style():
    """A BPE model over escaped text, as converters make it from Llama 2's and Mistral's vocabularies."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=1500, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    vocabulary = {piece: i for i, piece in enumerate(["<unk>", "<s>", "</s>", *BYTES])}
    for piece in sorted(model["vocab"], key=model["vocab"].get):
        vocabulary.setdefault(piece, len(vocabulary))
    # Every pair that makes a piece is a merge, the first pieces first, as in files that come from SentencePiece.
    merges = []
    for piece in vocabulary:
        if not piece.startswith("<"):
            splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
            merges += sorted(
                [s for s in splits if s[0] in vocabulary and s[1] in vocabulary], key=lambda s: (-len(s[0]), -len(s[1])))
    return models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def around(tokens, begin, end=None):
    single = f"{begin} $A" + (f" {end}" if end else "")
    return processors.TemplateProcessing(
        single=single, special_tokens=[(t, tokens[t]) for t in [begin, end] if t])


def llama2():
    t = Tokenizer(sentencepiece_style())
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.post_processor = around({"<s>": 1}, "<s>")
    return t, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def llama2_normalized():
    """The first files of Llama 2: special tokens are looked for in the normalized text."""
    t, settings = llama2()
    t.add_special_tokens([AddedToken(s, normalized=True, special=True) for s in ["<unk>", "<s>", "</s>"]])
    return t, settings | {"add_bos_token": True, "add_eos_token": True}


def mistral():
    t = Tokenizer(sentencepiece_style())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens(["<unk>", "<s>", "</s>", "[INST]", "[/INST]"])
    t.add_tokens([
        AddedToken("<mask>", lstrip=True, normalized=False), AddedToken("<x>", rstrip=True, normalized=False),
        AddedToken("ICL", single_word=True, normalized=False), AddedToken("we've", normalized=True),
    ])
    t.post_processor = around({"<s>": 1, "</s>": 2}, "<s>", "</s>")
    return t, {"bos_token": {"content": "<s>"}, "eos_token": {"content": "</s>"}}


def metaspace_split():
    t = Tokenizer(sentencepiece_style())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.add_special_tokens(["<s>", "</s>"])
    return t, {"bos_token": "<s>", "eos_token": "</s>"}


def byte_level(splitter, ignore_merges, letters, special):
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([*splitter, letters])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=1500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_special_tokens(special)
    return t


def llama3():
    t = byte_level(
        [pre_tokenizers.Split(Regex(LLAMA3), behavior="isolated")], True,
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"])
    ids = {s: t.token_to_id(s) for s in ["<|begin_of_text|>"]}
    t.post_processor = processors.Sequence([processors.ByteLevel(), around(ids, "<|begin_of_text|>")])
    return t, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}


def digits():
    t = byte_level(
        [pre_tokenizers.Digits(individual_digits=True)], False,
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), ["<|im_start|>", "<|im_end|>"])
    return t, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}


def prefix_space():
    t = byte_level([], False, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True), ["</s>"])
    return t, {"eos_token": "</s>"}


def write(name, tokenizer, settings):
    place = folder / name
    place.mkdir()
    tokenizer.save(str(place / "tokenizer.json"))
    (place / "tokenizer_config.json").write_text(json.dumps(settings))
    if "add_bos_token" in settings:
        ids = {settings[k]: tokenizer.token_to_id(settings[k]) for k in ["bos_token", "eos_token"]}
        tokenizer.post_processor = around(ids, settings["bos_token"], settings["eos_token"])
    cases = texts(count, len(name))
    result = {"texts": cases}
    result["parsed"] = [tokenizer.encode(t, add_special_tokens=False).ids for t in cases]
    result["special"] = [tokenizer.encode(t).ids for t in cases]
    tokenizer.encode_special_tokens = True
    result["plain"] = [tokenizer.encode(t, add_special_tokens=False).ids for t in cases]
    (folder / f"{name}.json").write_text(json.dumps(result))


def write_sentencepiece(name):
    place = folder / name
    place.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        input=source, model_prefix=str(place / "tokenizer"), vocab_size=1500, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.999,
        user_defined_symbols=["<x>"], num_threads=1, minloglevel=2)
    model = sentencepiece.SentencePieceProcessor(model_file=str(place / "tokenizer.model"))
    cases = [t for t in texts(count, 5) if "\0" not in t]
    ids = [model.encode(t) for t in cases]
    (folder / f"{name}.json").write_text(json.dumps({"texts": cases, "plain": ids, "special": [[1] + i for i in ids]}))


for make in [llama2, llama2_normalized, mistral, metaspace_split, llama3, digits, prefix_space]:
    write(make.__name__, *make())
write_sentencepiece("sentencepiece")
