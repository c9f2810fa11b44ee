"""The whole comparison anchor / ICL / IT / IT+ICL by transformers and PEFT, on what the engine exported.

    icl-kernel compare --model M --export FOLDER             prompts, token ids, the adapters that tuning begins with
    icl-kernel quantize --model M --hugging-face --type F32 --output WEIGHTS
    python peer_comparison.py FOLDER WEIGHTS [--dtype bfloat16] [--against RESULT.json]

RESULT.json is what `icl-kernel compare --json` wrote for the same specification; with it the script says by how much
similarities, accuracies and all else differ, and ends with status 1 beyond --tolerance.

Written as someone would who cares for speed: no gradients where none are needed; tokens that all prompts of a pass share
go through the model once, their keys and values are repeated for the rows of a batch; states are taken at the last token
by hooks instead of being kept everywhere; logits are computed there alone; the demonstrations are one padded batch in
each step of tuning. `seconds` is the comparison alone, without loading.
"""

import argparse
import json
import pathlib
import resource
import sys
import time

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, DynamicCache

PAIRS = [
    ("ICL", "IT"), ("anchor", "ICL"), ("anchor", "IT"), ("anchor", "IT+ICL"), ("ICL", "IT+ICL"), ("IT", "IT+ICL")]
BATCH = 50


def padded(rows):
    """Ids `[rows, longest]` with zeros behind, and the mask of those that count."""
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def shared_length(prompts):
    """Tokens at the beginning that all prompts have, the last token of each left out."""
    length = min(map(len, prompts)) - 1
    for prompt in prompts:
        length = next((i for i in range(length) if prompt[i] != prompts[0][i]), length)
    return length


class Reader:
    """Passes over prompts: what each leaves at its last token."""

    def __init__(self, model):
        self.model = model
        self.at = None
        self.kept = []
        body = model.model
        places = [body.embed_tokens, *body.layers, body.norm]
        self.hooks = [place.register_forward_hook(self.take) for place in places]

    def take(self, module, inputs, output):
        if self.at is not None:
            rows = output[0] if isinstance(output, tuple) else output
            self.kept.append(rows[torch.arange(len(rows)), self.at].float())

    @torch.inference_mode()
    def prefix(self, prompts):
        """How many tokens the prompts share, and their keys and values; 0 where it isn't worth it."""
        length = shared_length(prompts)
        if length < 8:
            return 0, None
        return length, self.model.model(torch.tensor([prompts[0][:length]]), use_cache=True).past_key_values

    def behind(self, length, known, rows):
        """Final states of all positions of the rows, which stand behind `length` tokens that are known."""
        ids, mask = padded(rows)
        cache = None
        if known is not None:
            cache = DynamicCache()
            for index, layer in enumerate(known.layers):
                cache.update(
                    layer.keys.expand(len(rows), -1, -1, -1), layer.values.expand(len(rows), -1, -1, -1), index)
            mask = torch.cat([torch.ones(len(rows), length, dtype=mask.dtype), mask], 1)
        return self.model.model(ids, attention_mask=mask, past_key_values=cache, use_cache=cache is not None)[0]

    @torch.inference_mode()
    def last(self, prompts):
        """States `[layer][prompt, width]`: embeddings, after each block, after the final norm; logits."""
        length, known = self.prefix(prompts)
        parts, logits = [], []
        for first in range(0, len(prompts), BATCH):
            rows = [prompt[length:] for prompt in prompts[first : first + BATCH]]
            self.at, self.kept = torch.tensor([len(row) - 1 for row in rows]), []
            self.behind(length, known, rows)
            self.at = None
            parts.append(self.kept)
            logits.append(self.model.lm_head(self.kept[-1].to(self.model.dtype)).float())
        return [torch.cat(layer).numpy().astype(np.float64) for layer in zip(*parts)], torch.cat(logits).numpy()

    @torch.inference_mode()
    def likelihoods(self, prompts, answers):
        """Log-likelihood of each answer of several tokens behind its prompt."""
        sums = []
        wholes = [prompt[: answer["start"]] + answer["tokens"] for prompt, answer in zip(prompts, answers)]
        length, known = self.prefix([whole[: answer["start"]] for whole, answer in zip(wholes, answers)])
        for first in range(0, len(wholes), BATCH):
            rows = [whole[length:] for whole in wholes[first : first + BATCH]]
            states = self.behind(length, known, rows)
            for state, row, answer in zip(states, rows, answers[first : first + BATCH]):
                start = max(answer["start"] - length, 1)
                logits = self.model.lm_head(state[start - 1 : len(row) - 1]).float()
                chosen = torch.log_softmax(logits.double(), -1)[torch.arange(len(logits)), torch.tensor(row[start:])]
                sums.append(chosen.sum().item())
        return sums

    def answers(self, queries, condition, logits):
        """For each query whether the label of the greatest probability is the right one."""
        asked = [query["prompts"][condition] for query in queries]
        if all(a["start"] == len(p["tokens"]) and len(a["tokens"]) == 1 for p in asked for a in p["answers"]):
            scores = np.array([[row[a["tokens"][0]] for a in p["answers"]] for p, row in zip(asked, logits)])
        else:
            labels = range(len(asked[0]["answers"]))
            scores = np.array([
                self.likelihoods([p["tokens"] for p in asked], [p["answers"][label] for p in asked])
                for label in labels]).T
        return [bool(best == query["label"]) for best, query in zip(scores.argmax(1), queries)]

    def close(self):
        for hook in self.hooks:
            hook.remove()


def tune(model, examples, settings, optimizer):
    """Tunes the active adapter on all examples in every step. Returns the losses."""
    ids, mask = padded([example["tokens"] for example in examples])
    weights = torch.zeros(ids.shape)
    for row, example in zip(weights, examples):
        row[: len(example["lossWeights"])] = torch.tensor(example["lossWeights"])
    assert set(weights.unique().tolist()) <= {0.0, 1.0}
    labels = torch.where(weights > 0, ids, -100)
    constants = optimizer["adamW"]
    tuned = [p for p in model.parameters() if p.requires_grad]
    steps = torch.optim.AdamW(
        tuned, lr=settings["learningRate"], betas=(constants["beta1"], constants["beta2"]), eps=constants["epsilon"],
        weight_decay=constants["weightDecay"])
    model.train()
    losses = []
    for _ in range(settings["steps"]):
        loss = model(ids, attention_mask=mask, labels=labels, use_cache=False).loss
        loss.backward()
        steps.step()
        steps.zero_grad(set_to_none=True)
        losses.append(loss.item())
    model.eval()
    return losses


def cosines(a, b):
    with np.errstate(invalid="ignore"):
        return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def similarity(a, b):
    return [float(cosines(x, y).mean()) for x, y in zip(a, b)]


def cka(x, y):
    """Debiased linear CKA: Song et al. 2012, equation 5, of inner products between centred states."""
    n = len(x)
    if n < 4:
        return float("nan")

    def products(states):
        states = states - states.mean(0)
        result = states @ states.T
        np.fill_diagonal(result, 0)
        return result

    def hsic(k, l):
        return (k * l).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2)) - 2 * (k.sum(0) @ l.sum(0)) / (n - 2)

    k, l = products(x), products(y)
    both, own, other = hsic(k, l), hsic(k, k), hsic(l, l)
    return float(min(1, both / np.sqrt(own * other))) if own > 0 and other > 0 else float("nan")


def divergence(a, b):
    """Mean Jensen–Shannon divergence of next-token predictions, nats."""
    def logarithms(x):
        x = x.astype(np.float64)
        x = x - x.max(1, keepdims=True)
        return x - np.log(np.exp(x).sum(1, keepdims=True))
    p, q = logarithms(a), logarithms(b)
    m = np.logaddexp(p, q) - np.log(2)
    return float((np.exp(p) * (p - m) + np.exp(q) * (q - m)).sum(1).mean() / 2)


def repetition(model, folder, script, part):
    """One repetition: passes, tuning, passes, measures."""
    states, logits, answers, losses = {}, {}, {}, []

    def keep(name, found):
        before = states.get(name)
        states[name] = [np.concatenate(x) for x in zip(before, found[0])] if before else found[0]
        logits[name] = np.concatenate([logits[name], found[1]]) if before else found[1]

    def read(reader, queries, name, condition, scored=True):
        found = reader.last([query["prompts"][condition]["tokens"] for query in queries])
        keep(name, found)
        if scored:
            answers.setdefault(name, []).extend(reader.answers(queries, condition, found[1]))

    for group in part["groups"]:
        queries = group["queries"]
        reader = Reader(model)
        read(reader, queries, "anchor", "anchor")
        read(reader, queries, "ICL", "ICL")
        for baseline in ("otherOrder", "otherDemonstrations"):
            if baseline in queries[0]["prompts"]:
                read(reader, queries, baseline, baseline, scored=False)
        reader.close()
        tuned = model
        if part.get("adapter"):
            tuned = PeftModel.from_pretrained(model, folder / part["adapter"], is_trainable=True)
            losses.append(tune(tuned, group["tuning"], script["spec"]["tuning"], script["optimizer"]))
        reader = Reader(model)
        read(reader, queries, "IT", "anchor")
        read(reader, queries, "IT+ICL", "ICL")
        reader.close()
        if tuned is not model:
            tuned.unload()

    last = len(states["anchor"]) - 2
    names = {pair: f"{pair[0]} ~ {pair[1]}" for pair in PAIRS}
    baselines = {name: similarity(states["ICL"], states[name])
                 for name in ("otherOrder", "otherDemonstrations") if name in states}
    if "otherQuery" in script["spec"]["baselines"]:
        baselines["otherQuery"] = [float(cosines(x, np.roll(x, -1, 0)).mean()) for x in states["ICL"]]
    updates = zip(states["anchor"], states["ICL"], states["IT"])
    return {
        "labelWords": part["labelWords"], "untrained": {},
        "similarity": {names[a, b]: similarity(states[a], states[b]) for a, b in PAIRS},
        "updateCosine": [float(cosines(icl - anchor, it - anchor).mean()) for anchor, icl, it in updates],
        "baselines": baselines,
        "cka": {names[a, b]: cka(states[a][last], states[b][last]) for a, b in PAIRS},
        "divergence": {names[a, b]: divergence(logits[a], logits[b]) for a, b in PAIRS},
        "answers": answers,
        "tuningLoss": [float(np.mean([run[i] for run in losses])) for i in (0, -1)] if losses else [],
    }


def compare(model, folder, script):
    return [repetition(model, folder, script, part) for part in script["repetitions"]]


def defined(value):
    """Undefined numbers as the engine writes them: JSON has none."""
    if isinstance(value, dict):
        return {key: defined(part) for key, part in value.items()}
    if isinstance(value, list):
        return [defined(part) for part in value]
    return "NaN" if isinstance(value, float) and np.isnan(value) else value


def numbers(value):
    """Every number of a nested value; undefined ones are null in the engine's JSON."""
    if isinstance(value, dict):
        return [x for key in sorted(value) for x in numbers(value[key])]
    if isinstance(value, list):
        return [x for part in value for x in numbers(part)]
    return [float("nan" if value is None else value)]


def differences(found, expected):
    """The largest difference of each kind of figure; of accuracies, how many answers differ."""
    result = {}
    for kind in ("similarity", "baselines", "updateCosine", "cka", "divergence", "tuningLoss"):
        worst = 0.0
        for mine, theirs in zip(found, expected):
            mine, theirs = mine[kind], theirs[kind]
            if isinstance(mine, dict):
                assert mine.keys() <= theirs.keys() and (mine or not theirs), f"{kind}: {theirs.keys()}"
                theirs = {key: theirs[key] for key in mine}
            a, b = np.array(numbers(mine)), np.array(numbers(theirs))
            assert a.shape == b.shape and (np.isnan(a) == np.isnan(b)).all(), f"{kind}: {a} against {b}"
            # Both undefined is agreement; the last layer of an all-equal pair, for one.
            gaps = np.abs(a - b)[~np.isnan(a)]
            worst = max(worst, float(gaps.max(initial=0)))
        result[kind] = worst
    pairs = [(a, b) for mine, theirs in zip(found, expected) for name in mine["answers"]
             for a, b in zip(mine["answers"][name], theirs["answers"][name], strict=True)]
    result["answers"] = sum(a != b for a, b in pairs)
    result["answersInAll"] = len(pairs)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=pathlib.Path, help="the folder that `icl-kernel compare --export` wrote")
    parser.add_argument("weights", type=pathlib.Path, help="a Hugging Face folder")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=pathlib.Path, help="where all figures go")
    parser.add_argument("--against", type=pathlib.Path, help="the engine's result")
    parser.add_argument("--tolerance", type=float, help="largest difference of a similarity; answers must be the same")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    script = json.loads((arguments.script / "comparison.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(arguments.weights, dtype=getattr(torch, arguments.dtype)).eval()
    # A pass and a backward pass ahead, as in the engine's own benchmark.
    first = script["repetitions"][0]["groups"][0]
    warm = Reader(model)
    warm.last([query["prompts"]["anchor"]["tokens"] for query in first["queries"][:2]])
    warm.close()
    start = time.perf_counter()
    found = compare(model, arguments.script, script)
    report = {
        "seconds": time.perf_counter() - start, "dtype": arguments.dtype, "threads": torch.get_num_threads(),
        "peakResidentBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if arguments.out:
        arguments.out.write_text(json.dumps(report | {"repetitions": defined(found)}))
    if arguments.against:
        expected = json.loads(arguments.against.read_text())["repetitions"]
        assert len(expected) == len(found), f"{len(found)} repetitions against {len(expected)}"
        report["differences"] = differences(found, expected)
    print(json.dumps(report))
    if arguments.tolerance is not None:
        gaps = report["differences"]
        if not (gaps["similarity"] <= arguments.tolerance and gaps["answers"] == 0):
            sys.exit(f"the two don't agree: {gaps}")


if __name__ == "__main__":
    main()
