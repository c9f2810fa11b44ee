"""The work `compare` of bench.py: the whole comparison anchor / ICL / IT / IT+ICL, 8 demonstrations, 50 queries, 3
repetitions, on the 160M shape. The engine computes with the Q8_0 file as it is, transformers and PEFT with the same
weights dequantized, in F32 and in bf16; both do what the engine exported, baselines included.

    python Benchmarks/engine/compare_work.py PLACE      the two side by side once, and by how much their figures differ
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ENGINE = pathlib.Path(os.environ.get("ICL_KERNEL_EXECUTABLE", HERE.parents[1] / ".build/release/icl-kernel"))
CHOICE = ["--task", "sentiment", "--demonstrations", "8", "--queries", "50", "--repetitions", "3"]


def engine(*arguments):
    return subprocess.run([ENGINE, *map(str, arguments)], check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def prepared(place, model):
    """The exported comparison and the weights as F32, made once."""
    script, weights = place / "compare-script", place / "compare-weights"
    if not (script / "comparison.json").exists():
        engine("compare", "--model", model, *CHOICE, "--export", script)
    if not (weights / "config.json").exists():
        engine("quantize", "--model", model, "--hugging-face", "--type", "F32", "--output", weights)
    return script, weights


def peer(python, place, model, threads, dtype, *more):
    script, weights = prepared(place, model)
    command = [python, HERE / "peer_comparison.py", script, weights, "--threads", threads, "--dtype", dtype, *more]
    done = subprocess.run([str(part) for part in command], check=True, text=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def works(shop):
    """As bench.py has them: name, contestants, what to reach. In F32 their figures agree; with bf16 each side uses what is
    fastest on it."""
    def model():
        return shop.model("160m", "Q8_0")

    def theirs(dtype):
        report = peer(shop.python, shop.place, model(), shop.threads, dtype)
        return report["seconds"], report["peakResidentBytes"]

    yield ("compare", "anchor/ICL/IT/IT+ICL, 8 shown, 50 queries, 3 times, 160M Q8_0, F32", {
        "engine": lambda: shop.engine("compare", model(), "f32"),
        "transformers + PEFT, F32": lambda: theirs("float32"),
    }, {"transformers + PEFT, F32": 3}, {"transformers + PEFT, F32": 1 / 4})
    yield ("compare", "the same, fastest precision of each", {
        "engine": lambda: shop.engine("compare", model(), "bf16"),
        "transformers + PEFT, bf16": lambda: theirs("bfloat16"),
    }, {"transformers + PEFT, bf16": 3}, {"transformers + PEFT, bf16": 1 / 4})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, help="another model than the 160M shape, which is made")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.place.mkdir(parents=True, exist_ok=True)
    model = arguments.model or arguments.place / "160m-Q8_0.gguf"
    if not model.exists():
        subprocess.run([sys.executable, HERE / "random_model.py", "160m", "Q8_0", model], check=True)
    result = arguments.place / "compare-engine.json"
    result.write_text(engine("compare", "--model", model, *CHOICE, "--json"))
    report = peer(sys.executable, arguments.place, model, arguments.threads, "float32", "--against", result)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
