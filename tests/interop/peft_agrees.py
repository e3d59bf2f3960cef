#!/usr/bin/env python3
"""Whether peft and these programs agree on adapters, both ways. Needs torch, transformers and peft; run on demand:

    peft_agrees.py --model DIR --data sft.jsonl --bin target/debug [--steps 3] [--targets PATTERN]

DIR is a model in the Hugging Face layout, sft.jsonl has lines {"prompt", "completion"}, PATTERN is a regular expression for target_modules, such as
'model\\.layers\\.[0-9]\\.(self_attn\\.[qv]_proj|mlp\\.\\w+_proj)'; without it all seven linears of every layer. It checks that
1. a fresh adapter of peft's, trained from the same start on the same batches by both, has the same losses (to 1e-3),
2. the adapter that `worker-train fit` wrote loads in peft and gives the logits that `worker-gen score` gives (to 1e-3),
3. the adapter that peft trained loads in `worker-gen` and gives peft's logits (to 1e-3).
Prints one JSON line and ends with 1 where one of them fails.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RATE = 2e-4


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line]


def example(tok, row):
    chat = [{"role": "user", "content": row["prompt"]}]
    prompt = tok(tok.apply_chat_template(chat, tokenize=False, add_generation_prompt=True), add_special_tokens=False).input_ids
    return prompt, tok(row["completion"] + tok.eos_token, add_special_tokens=False).input_ids


def peft_losses(model, data, batch, steps):
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE)
    losses = []
    model.train()
    for step in range(steps):
        part = [data[(step * batch + at) % len(data)] for at in range(batch)]
        width = max(len(p) + len(c) for p, c in part)
        ids, labels = torch.zeros(batch, width, dtype=torch.long), torch.full((batch, width), -100)
        mask = torch.zeros(batch, width, dtype=torch.long)
        for row, (p, c) in enumerate(part):
            end = len(p) + len(c)
            ids[row, :end], labels[row, len(p):end], mask[row, :end] = torch.tensor(p + c), torch.tensor(c), 1
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    return losses


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr}")
    return lines(done.stdout)


def logits(model, sequences):
    with torch.no_grad():
        return [model(input_ids=torch.tensor([ids])).logits[0, -1].tolist() for ids in sequences]


def distance(ours, theirs):
    return max(abs(a - b) for row, other in zip(ours, theirs) for a, b in zip(row, other))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--model", required=True)
    a.add_argument("--data", required=True)
    a.add_argument("--bin", type=pathlib.Path, required=True)
    a.add_argument("--steps", type=int, default=3)
    a.add_argument("--batch", type=int, default=8)
    a.add_argument("--targets", default=LINEARS)
    o = a.parse_args()
    torch.manual_seed(0)
    tok = AutoTokenizer.from_pretrained(o.model)
    data = [example(tok, row) for row in lines(pathlib.Path(o.data).read_text())]
    base = AutoModelForCausalLM.from_pretrained(o.model, dtype=torch.float32)
    peft = get_peft_model(base, LoraConfig(r=16, lora_alpha=32, task_type="CAUSAL_LM", target_modules=o.targets))
    sequences = [p + c for p, c in data[:4]]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        peft.save_pretrained(folder / "init")
        theirs = peft_losses(peft, data, o.batch, o.steps)
        peft.save_pretrained(folder / "theirs")
        config = f"learning_rate = {RATE}\nweight_decay = 0.01\nmax_grad_norm = 1e9\nbatch_size = {o.batch}\nsteps = {o.steps}\n"
        (folder / "train.toml").write_text(config)
        fit = [o.bin / "worker-train", "fit", "--model", o.model, "--data", o.data, "--out", folder / "ours"]
        ours = run(fit + ["--init-adapter", folder / "init", "--config", folder / "train.toml"])
        asked = "".join(json.dumps({"id": at, "input_ids": ids}) + "\n" for at, ids in enumerate(sequences))
        score = [o.bin / "worker-gen", "score", "--logits", "--model", o.model, "--adapter"]
        ours_here = [line["last_logits"] for line in run(score + [folder / "ours"], asked)]
        theirs_here = [line["last_logits"] for line in run(score + [folder / "theirs"], asked)]
        there = logits(peft, sequences)
        fresh = AutoModelForCausalLM.from_pretrained(o.model, dtype=torch.float32)
        ours_there = logits(PeftModel.from_pretrained(fresh, folder / "ours").eval(), sequences)
    found = {
        "losses": max(abs(a["loss"] - b) for a, b in zip(ours, theirs)),
        "ours_in_peft": distance(ours_here, ours_there),
        "peft_in_ours": distance(theirs_here, there),
    }
    print(json.dumps({**found, "our_losses": [line["loss"] for line in ours], "peft_losses": theirs}))
    sys.exit(0 if all(value < 1e-3 for value in found.values()) else 1)


if __name__ == "__main__":
    main()
