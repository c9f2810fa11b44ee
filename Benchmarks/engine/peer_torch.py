"""What transformers and PEFT take for the same work, written as well as one honestly can: bf16, no gradients where
none are needed, one warm-up. Prints one line of JSON.

    python peer_torch.py states-whole|states-cached|tune --threads 2

The model is TinyLlama's shape (1.1B) with random weights.
"""

import argparse
import json
import resource
import time

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

QUERIES, PREFIX, QUERY, TEXT = 50, 256, 32, 512


def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32, num_key_value_heads=4,
        vocab_size=32000, max_position_embeddings=2048)
    torch.set_default_dtype(torch.bfloat16)
    made = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    return made.eval()


def last_states(out):
    return torch.stack([layer[:, -1] for layer in out.hidden_states])


@torch.inference_mode()
def states_whole(made, prefix, queries):
    """Every prompt whole, ten at a time."""
    prompts = torch.cat([prefix.expand(len(queries), -1), queries], 1)
    return [last_states(made.model(part, output_hidden_states=True)) for part in prompts.split(10)]


@torch.inference_mode()
def states_cached(made, prefix, queries):
    """The prefix once; its keys and values are repeated for the rows of each batch."""
    first = made.model(prefix, use_cache=True).past_key_values
    results = []
    for part in queries.split(25):
        cache = DynamicCache()
        for index, layer in enumerate(first.layers):
            cache.update(layer.keys.expand(len(part), -1, -1, -1), layer.values.expand(len(part), -1, -1, -1), index)
        results.append(last_states(made.model(part, past_key_values=cache, output_hidden_states=True)))
    return results


def tune(made, text):
    from peft import LoraConfig, get_peft_model

    tuned = get_peft_model(made, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]))
    tuned.train()
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-4)

    def step():
        tuned(text, labels=text).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["states-whole", "states-cached", "tune"])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    made = model()
    prefix, queries = torch.randint(3, 32000, (1, PREFIX)), torch.randint(3, 32000, (QUERIES, QUERY))
    if arguments.work == "tune":
        body = tune(made, torch.randint(3, 32000, (1, TEXT)))
    else:
        work = states_whole if arguments.work == "states-whole" else states_cached
        work(made, prefix, queries[:10])

        def body():
            work(made, prefix, queries)
    if arguments.work == "tune":
        body()
    start = time.perf_counter()
    body()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"work": arguments.work, "seconds": seconds, "peakResidentBytes": peak}))


if __name__ == "__main__":
    main()
