#!/usr/bin/env python3
"""Whether the Python in an adapter's card works by copy and paste. Needs torch, transformers, peft and huggingface_hub; run on demand:

    card_works.py EXPORT/checkpoints/iter_1 --bin target/debug --model SOURCE [--base FOLDER]

It reads the front matter as huggingface_hub does, runs the code block of README.md within the folder, and compares the logits behind a prompt with
those of `worker-gen score` on SOURCE. FOLDER stands for the base where the card leaves it to the reader. A base on the hub is looked for in the cache,
as HF_HUB_CACHE says, or fetched. Prints one JSON line and ends with 1 where the logits differ by more than 1e-3.
"""
import argparse, json, os, pathlib, re, subprocess, sys

from huggingface_hub import ModelCard

a = argparse.ArgumentParser()
a.add_argument("folder", type=pathlib.Path)
a.add_argument("--bin", type=pathlib.Path, required=True)
a.add_argument("--model", required=True)
a.add_argument("--base")
o = a.parse_args()
program = (o.bin / "worker-gen").resolve()
os.chdir(o.folder)
card = ModelCard.load("README.md")
assert card.data.library_name in ("peft", "transformers"), card.data
code = re.search(r"```python\n(.*?)```", card.text, re.S).group(1)
if o.base:
    code = code.replace('base = "…"', f"base = {o.base!r}")
scope = {}
exec(code, scope)
import torch

ids = scope["tokenizer"].apply_chat_template([{"role": "user", "content": "Add 2 and 3."}], add_generation_prompt=True, return_dict=True)["input_ids"]
with torch.no_grad():
    theirs = scope["model"].float().eval()(input_ids=torch.tensor([ids])).logits[0, -1].tolist()
adapter = [] if card.data.library_name == "transformers" else ["--adapter", "."]
asked = json.dumps({"id": 1, "input_ids": ids})
done = subprocess.run([program, "score", "--logits", "--model", o.model, *adapter], input=asked, capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stderr)
ours = json.loads(done.stdout)["last_logits"]
# peft leaves out rows of the vocabulary that no token of the tokenizer has.
difference = max(abs(x - y) for x, y in zip(ours, theirs))
print(json.dumps({"folder": str(o.folder), "base_model": card.data.base_model, "tokens": len(ids), "difference": difference}))
sys.exit(0 if difference < 1e-3 else 1)
