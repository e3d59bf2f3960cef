"""What transformers and peft do with the work of gpu_check.py, at their usual best: one JSON line for each figure.

    peers.py WORK DEVICE NEW_TOKENS      WORK has the models, `prompts.jsonl` and `examples.jsonl`
"""

import json
import pathlib
import sys
import time

import torch
import transformers
from peft import PeftModel

work, device, new = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
cuda = device == "cuda"
kind = torch.bfloat16 if cuda else torch.float32
transformers.logging.set_verbosity_error()


def rows(name):
    return [json.loads(line) for line in open(work / name)]


def load(dtype, adapter=None, trained=False):
    model = transformers.AutoModelForCausalLM.from_pretrained(work / "model", dtype=dtype, attn_implementation="sdpa").to(device)
    if adapter:
        model = PeftModel.from_pretrained(model, work / adapter, is_trainable=trained)
    return model.train() if trained else model.eval()


def wait():
    if cuda:
        torch.cuda.synchronize()


def free():
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def memory():
    return torch.cuda.max_memory_allocated() >> 20 if cuda else 0


def say(what, **figures):
    print(json.dumps(dict(what=what, **figures)), flush=True)


def generation(prompts):
    for name, adapter, batch in [("base", None, len(prompts)), ("base", None, 4 * len(prompts)), ("adapter", "adapter", 4 * len(prompts))]:
        model = load(kind, adapter)
        ids = [prompts[i % len(prompts)]["input_ids"] for i in range(batch)]
        width = max(map(len, ids))
        inputs = torch.tensor([[0] * (width - len(row)) + row for row in ids], device=device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=device)
        how = dict(do_sample=True, temperature=0.8, top_k=0, top_p=1.0, pad_token_id=0)
        with torch.inference_mode():
            model.generate(input_ids=inputs[:, -8:], attention_mask=mask[:, -8:], max_new_tokens=4, min_new_tokens=4, **how)
            wait()
            began = time.perf_counter()
            model.generate(input_ids=inputs, attention_mask=mask, max_new_tokens=new, min_new_tokens=new, **how)
            wait()
        seconds = time.perf_counter() - began
        say(f"transformers, {batch} rows, {name}", tokens_per_second=batch * new / seconds, seconds=seconds, gpu_mb=memory())
        del model
        free()


def training(examples):
    for batch in (8, 32) if cuda else (8,):
        try:
            say(f"peft, {batch} examples a step", **trained(examples, batch))
        except torch.cuda.OutOfMemoryError:
            say(f"peft, {batch} examples a step", out_of_memory=True)
        free()


def trained(examples, batch):
    model = load(kind, "fresh", trained=True)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4, weight_decay=0.01, fused=cuda)
    losses, tokens, began = [], 0, 0.0
    for step in range(8 if cuda else 3):
        if step == 2:
            # The first two steps warm up.
            wait()
            tokens, began = 0, time.perf_counter()
        part = [examples[(step * batch + i) % len(examples)] for i in range(batch)]
        width = max(len(row["input_ids"]) for row in part)
        ids, mask = torch.zeros(batch, width, dtype=torch.long), torch.zeros(batch, width, dtype=torch.long)
        labels = torch.full((batch, width), -100)
        for i, row in enumerate(part):
            own = torch.tensor(row["input_ids"])
            ids[i, :len(own)], mask[i, :len(own)] = own, 1
            labels[i, row["prompt_length"]:len(own)] = own[row["prompt_length"]:]
            tokens += len(own)
        loss = model(input_ids=ids.to(device), attention_mask=mask.to(device), labels=labels.to(device)).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(round(loss.item(), 4))
    wait()
    return dict(tokens_per_second=tokens / (time.perf_counter() - began), gpu_mb=memory(), losses=losses)


say("versions", torch=torch.__version__, transformers=transformers.__version__)
generation(rows("prompts.jsonl"))
training(rows("examples.jsonl"))
