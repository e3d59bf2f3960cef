#!/usr/bin/env python3
"""Speed of these programs beside transformers and peft: the same machine, model, inputs and threads, run by turns. Needs torch, transformers
and peft (as for peft_agrees.py) and an otherwise idle machine; run on demand, one workload at a time:

    compare_speed.py greedy|sampled|train --gguf FILE --model DIR --bin target/debug [--runs 3] [--batch 64] [--threads 2]

FILE is what these programs load, DIR the same weights in the Hugging Face layout; the inputs are crates/model/examples/data.
greedy   64 prompts, 64 new tokens each, end tokens ignored, prefill counted
sampled  64 prompts with 4 samples, temperature 0.8, top-p 0.95, up to 128 new tokens; tokens up to and with the end token count
train    8 examples a step, rank 16, AdamW, from one fresh adapter; the first step is not counted
Prints a JSON line for every run and one with medians and ratios. Loading is not counted. The peer sorts prompts by length and gets the batch
size given, which should be its best.
"""
import argparse, json, os, pathlib, statistics, subprocess, sys, tempfile, time

DATA = pathlib.Path(__file__).resolve().parents[2] / "crates/model/examples/data"
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
STEPS, EXAMPLES, RATE = 8, 8, 2e-4


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def peak_memory_mb():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) // 1024


def prompt_text(tok, prompt):
    return tok.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)


def peer_generates(o):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    tok = AutoTokenizer.from_pretrained(o.model, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(o.model, dtype=torch.float32).eval()
    prompts = [prompt_text(tok, row["prompt"]) for row in lines((DATA / "workload.jsonl").read_text())]
    if o.what == "greedy":
        texts, how = prompts, {"do_sample": False, "max_new_tokens": 64, "min_new_tokens": 64}
    else:
        texts, how = [p for p in prompts for _ in range(4)], {"do_sample": True, "temperature": 0.8, "top_p": 0.95, "top_k": 0, "max_new_tokens": 128}
    texts.sort(key=len)
    kept, start = 0, time.perf_counter()
    for first in range(0, len(texts), o.batch):
        batch = tok(texts[first : first + o.batch], return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = model.generate(**batch, **how, pad_token_id=tok.pad_token_id)[:, batch.input_ids.shape[1] :]
        for row in out.tolist():
            ends = o.what == "sampled" and tok.eos_token_id in row
            kept += row.index(tok.eos_token_id) + 1 if ends else len(row)
    return {"tokens": kept, "seconds": time.perf_counter() - start}


def peer_trains(o):
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    tok = AutoTokenizer.from_pretrained(o.model)
    base = AutoModelForCausalLM.from_pretrained(o.model, dtype=torch.float32)
    if not (o.init / "adapter_config.json").exists():
        get_peft_model(base, LoraConfig(r=16, lora_alpha=32, task_type="CAUSAL_LM", target_modules=LINEARS)).save_pretrained(o.init)
        return {}
    model = PeftModel.from_pretrained(base, o.init, is_trainable=True)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE)
    ids = lambda text: tok(text, add_special_tokens=False).input_ids
    rows = lines((DATA / "sft.jsonl").read_text())
    data = [(ids(prompt_text(tok, row["prompt"])), ids(row["completion"] + tok.eos_token)) for row in rows]
    losses, tokens, start = [], 0, 0.0
    model.train()
    for step in range(STEPS + 1):
        if step == 1:
            tokens, start = 0, time.perf_counter()
        part = [data[(step * EXAMPLES + at) % len(data)] for at in range(EXAMPLES)]
        width = max(len(p) + len(c) for p, c in part)
        inputs, labels = torch.full((EXAMPLES, width), tok.pad_token_id), torch.full((EXAMPLES, width), -100)
        mask = torch.zeros(EXAMPLES, width, dtype=torch.long)
        for row, (p, c) in enumerate(part):
            end = len(p) + len(c)
            inputs[row, :end], labels[row, len(p) : end], mask[row, :end] = torch.tensor(p + c), torch.tensor(c), 1
            tokens += end
        loss = model(input_ids=inputs, attention_mask=mask, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return {"tokens": tokens, "seconds": time.perf_counter() - start, "losses": losses}


def run(command, stdin=None):
    env = {**os.environ, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr}")
    return lines(done.stdout), lines(done.stderr)


def peer(o, seed, folder):
    arguments = ["--peer", "--model", o.model, "--threads", o.threads, "--batch", o.batch, "--seed", seed, "--init", folder / "init"]
    return run([sys.executable, __file__, o.what, *arguments])[0][-1]


def ours(o, seed, folder):
    if o.what == "train":
        table = f"learning_rate = {RATE}\nweight_decay = 0.01\nmax_grad_norm = 1e9\nbatch_size = {EXAMPLES}\nsteps = {STEPS + 1}\n"
        (folder / "train.toml").write_text(table)
        rows = [{key: row[key] for key in ("prompt", "completion")} for row in lines((DATA / "sft.jsonl").read_text())]
        (folder / "sft.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        files = ["--data", folder / "sft.jsonl", "--out", folder / "ours", "--init-adapter", folder / "init", "--config", folder / "train.toml"]
        steps, _ = run([o.bin / "worker-train", "fit", "--model", o.gguf, "--threads", o.threads, *files])
        counted = steps[1:]
        seconds = sum(step["tokens"] / step["tokens_per_second"] for step in counted)
        figures = {"tokens": sum(step["tokens"] for step in counted), "seconds": seconds, "losses": [step["loss"] for step in steps]}
        return {**figures, "peak_memory_mb": steps[-1]["peak_memory_mb"]}
    greedy = ["--max-new-tokens", 64, "--ignore-eos"]
    sampled = ["--max-new-tokens", 128, "--samples", 4, "--temperature", 0.8, "--top-p", 0.95, "--seed", seed]
    arguments = greedy if o.what == "greedy" else sampled
    command = [o.bin / "worker-gen", "generate", "--model", o.gguf, "--threads", o.threads, *arguments]
    _, summary = run(command, (DATA / "workload.jsonl").read_text())
    return {key: summary[-1][key] for key in ("tokens", "seconds", "peak_memory_mb")}


def main():
    a = argparse.ArgumentParser()
    a.add_argument("what", choices=["greedy", "sampled", "train"])
    a.add_argument("--gguf")
    a.add_argument("--model", required=True)
    a.add_argument("--bin", type=pathlib.Path)
    a.add_argument("--runs", type=int, default=3)
    a.add_argument("--batch", type=int, default=64)
    a.add_argument("--threads", type=int, default=os.cpu_count())
    a.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    a.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    a.add_argument("--init", type=pathlib.Path, help=argparse.SUPPRESS)
    o = a.parse_args()
    if o.peer:
        figures = peer_trains(o) if o.what == "train" else peer_generates(o)
        return print(json.dumps({**figures, "peak_memory_mb": peak_memory_mb()}))
    found = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if o.what == "train":
            peer(o, 0, folder)
        for seed in range(o.runs):
            for name, side in (("ours", ours), ("peer", peer)):
                figures = side(o, seed, folder)
                figures["tokens_per_second"] = figures["tokens"] / figures["seconds"]
                found[name].append(figures)
                print(json.dumps({"side": name, "run": seed, **figures}), flush=True)
    report(o, found)


def report(o, found):
    median = lambda name, key: statistics.median(figures[key] for figures in found[name])
    speed = {name: round(median(name, "tokens_per_second"), 1) for name in found}
    memory = {name: round(median(name, "peak_memory_mb")) for name in found}
    out = {"workload": o.what, "runs": o.runs, "threads": o.threads, "tokens_per_second": speed, "peak_memory_mb": memory}
    out["times_the_peer"] = round(speed["ours"] / speed["peer"], 2)
    out["share_of_the_peers_memory"] = round(memory["ours"] / memory["peer"], 2)
    if o.what == "train":
        pairs = zip(found["ours"][0]["losses"], found["peer"][0]["losses"])
        out["largest_difference_of_losses"] = max(abs(a - b) for a, b in pairs)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
