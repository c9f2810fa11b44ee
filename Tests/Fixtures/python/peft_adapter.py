"""An adapter's way between the engine and PEFT.

usage: peft_adapter.py FOLDER

FOLDER as for training_reference.py, and FOLDER/saved: an adapter as the engine saves it. Writes logits.f32, what
PEFT's from_pretrained makes of it on the first sequence, and FOLDER/peft: the adapter saved again by PEFT.
"""
import numpy
import torch
from peft import PeftModel

from small_llama import folder, model, request

m = PeftModel.from_pretrained(model(torch.float32), str(folder / "saved")).eval()
with torch.no_grad():
    logits = m(torch.tensor([request["batch"][0]["tokens"]])).logits[0]
logits.float().numpy().astype(numpy.float32).tofile(folder / "logits.f32")
m.save_pretrained(str(folder / "peft"))
