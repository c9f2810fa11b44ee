"""States, logits and greedy text of the same file by llama.cpp and by the engine.

llama.cpp multiplies quantized weights in two ways. A batch of 32 tokens or more goes through BLAS: weights dequantized,
activations in F32, as the engine does. A shorter one rounds the activations to 8 bits, which moves the logits by some
percent: more than the distance between the best two tokens now and then. So numbers, and which token is the greatest,
are compared with the first; with the second, text is equal up to a choice that was nearly a tie.
"""

import models
import numpy as np
import pytest

TYPES = [
    "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
GENERATED = ["F32", "Q8_0", "Q4_0", "Q5_1", "Q4_K", "Q6_K"]

# Both sides round some thousand F32 operations in different orders, and llama.cpp reaches the angle of a rotary pair by
# multiplying in F32 from the pair before, which it pays for with the position: measured 4e-6 after 80 tokens, 1.2e-5
# after 300. (Against transformers the engine holds 1e-5.) A wrong nibble, scale or rotation gives more than 1e-2.
TOLERANCE = 3e-5


def relative(found, expected):
    """The greatest relative error of a row; NaN when anything is not a number."""
    assert found.shape == expected.shape
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    return (np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)).max()


def agree(llama_cpp, ours, model, ids, folder):
    """Every layer, the final norm and the logits, at every position. Returns our logits."""
    theirs, found = llama_cpp.states(model, ids, folder), ours.states(model, ids)
    layers = [name for name in theirs if name.startswith("l_out-")]
    assert len(layers) == len(found) - 3, "each block, beside the embeddings, the final norm and the logits"
    pairs = [(str(int(name[6:]) + 1), name) for name in layers] + [("final", "result_norm"), ("logits", "result_output")]
    for mine, name in pairs:
        error = relative(found[mine], theirs[name])
        assert error <= TOLERANCE, f"{name}: {error:.1e}"
    return theirs["result_output"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def quantized(llama_cpp, source, type, folder, pure):
    if type == "F32":
        return source
    return llama_cpp.quantize(source, folder / f"{source.stem}-{type}.gguf", type, pure)


@pytest.mark.parametrize("type", TYPES)
def test_every_type_that_llama_cpp_writes_has_its_states(llama_cpp, ours, folder, tmp_path, type):
    plain = models.make(folder, "plain")
    model = quantized(llama_cpp, plain, type, folder, pure=True)
    agree(llama_cpp, ours, model, models.prompt(80), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"scaling": "llama3", "ropeBase": 500000}, {"scaling": "linear"}, {"scaling": "yarn"}, {"bias": True},
        {"headDim": 128, "heads": 32, "kvHeads": 4}, {"tied": True, "kvHeads": 8},
    ],
    ids=lambda changes: " ".join(f"{k}={v}" for k, v in changes.items()),
)
def test_architectures_have_llama_cpps_states(llama_cpp, ours, tmp_path, changes):
    model = models.make(tmp_path, "shape", **changes)
    agree(llama_cpp, ours, model, models.prompt(300), tmp_path)


@pytest.mark.parametrize("type", GENERATED)
def test_stories_are_written_as_llama_cpp_writes_them(llama_cpp, ours, stories, folder, tmp_path, type):
    # The mixtures that llama-quantize makes: rows too short for a K type get the one that it falls back to.
    model = quantized(llama_cpp, stories, type, folder, pure=False)
    text = ours.json("generate", "--model", model, "--tokens", 200, "--greedy")
    ids = [1] + text["tokens"]
    assert text["stop"] == "length" and len(ids) == 201 or text["stop"] == "end" and len(ids) > 100
    logits = agree(llama_cpp, ours, model, ids, tmp_path)
    # Token for token what llama.cpp takes for the most likely continuation, by its own logits.
    best = logits.argmax(axis=1)
    assert best[:-1].tolist() == ids[1:]
    if text["stop"] == "end":
        assert best[-1] in (1, 2)

    theirs, margins = llama_cpp.generate(model, len(ids) - 1, [1])
    first = next((i for i, (a, b) in enumerate(zip(theirs, ids[1:])) if a != b), None)
    if type == "F32":
        assert first is None
    elif first is not None:
        great, second, runner_up = margins[first]
        # Measured: 8-bit activations move logits of about 15 by 0.3 at most, and part company at ties below 0.15.
        assert runner_up == ids[1 + first] and great - second < 0.3, f"token {first}: {great} and {second}"
        assert first >= 15


def test_the_model_that_ships_is_one_of_llama_cpps(llama_cpp, ours, tmp_path):
    model = tmp_path / "tour.gguf"
    from conftest import ROOT

    model.symlink_to(ROOT / "Sources/ICLEngine/Resources/tour.gguf")
    agree(llama_cpp, ours, model, list(range(5, 105)), tmp_path)
