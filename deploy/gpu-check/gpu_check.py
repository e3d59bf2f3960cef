#!/usr/bin/env python3
"""Is Groklab right on this machine's GPU, does it repeat itself, and how fast is it? Ends in one file to send back.

    gpu_check.py [--out FILE] [--bin DIR] [--only SECTION,…] [--seconds N] [--work DIR] [--device cuda|cpu] [--shape 1.5b|tiny]

Runs worker-gen and worker-train on a random model of exactly Qwen2.5-Coder-1.5B's shape, and on the reference models of the tests.
Where Python has torch, transformers and peft, these do the same work beside them. On a free card it takes about eight minutes;
`--device cpu --shape tiny` is a rehearsal of the check itself. With several cards it is the first that the driver names. Exit codes:
0 all checks passed, 1 one failed or had no time left, 2 wrong use.
"""

import argparse
import collections
import concurrent.futures
import importlib.util
import json
import os
import pathlib
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.dont_write_bytecode = True
import random_model  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FIXTURES = ROOT / "crates/model/tests/fixtures"
TOKENIZER = ROOT / "tests/fixtures/tiny-coder"


# The card that `nvidia-smi -i 0` speaks of.
FIRST_CARD = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "0"}


class Report:
    """A line of JSON for every finding, and a line of text for whoever waits."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file, self.counts = open(path, "w"), collections.Counter()

    def check(self, section, what, passed, **figures):
        """Something that must hold."""
        self.counts["passed" if passed else "failed"] += 1
        self.write("ok" if passed else "FAILED", section, what, dict(ok=passed, **figures))

    def figure(self, section, what, **figures):
        """Something that was measured, whatever it is."""
        self.write("", section, what, figures)

    def left_out(self, section, reason, late=False):
        self.counts["left out"] += 1
        self.counts["late"] += late
        self.write("-", section, f"left out: {reason}", dict(left_out=reason))

    def write(self, mark, section, what, figures):
        self.file.write(json.dumps(dict(section=section, what=what, **figures)) + "\n")
        self.file.flush()
        shown = ", ".join(f"{name} {brief(value)}" for name, value in figures.items() if name not in ("ok", "left_out", "output", "where"))
        print(f"{mark:<7}{section:<12}{what}{'  ' if shown else ''}{shown}", flush=True)


def brief(value):
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())[:300]


class Memory(threading.Thread):
    """The most memory in use on the card while it runs, in MB, by all processes."""

    def __init__(self, watched):
        super().__init__(daemon=True)
        self.watched, self.most, self.ended = watched, None, threading.Event()

    def run(self):
        while self.watched and not self.ended.wait(0.25):
            used = nvidia_smi("memory.used")
            # Some cards do not say.
            self.most = max(self.most or 0, int(used)) if used.isdigit() else self.most


def nvidia_smi(query):
    """What the driver's tool says of the first card; nothing where there is none."""
    try:
        command = ["nvidia-smi", "-i", "0", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        said = []
    return said[0].strip() if said else ""


class Done:
    """A program that has ended: its exit code, its lines of JSON, and what it took."""

    def __init__(self, process, seconds, gpu_mb):
        self.code, self.errors, self.seconds, self.gpu_mb = process.returncode, process.stderr, seconds, gpu_mb
        self.lines = json_lines(process.stdout)
        said = json_lines(process.stderr)
        self.summary = said[-1] if said else {}

    def steps(self):
        return [line for line in self.lines if "loss" in line]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


class Check:
    def __init__(self, options, report):
        self.options, self.report = options, report
        self.cuda, self.tiny = options.device == "cuda", options.shape == "tiny"
        self.work, self.shape = options.work, random_model.SHAPES[options.shape]
        self.model, self.adapter, self.fresh = (self.work / name for name in ("model", "adapter", "fresh"))
        self.began = time.monotonic()
        # Tokens of a completion, of prompts, and of what is learnt.
        self.new_tokens = 8 if self.tiny else 128
        source = random.Random(0)
        ids = lambda length: [source.randrange(4, self.shape.vocab) for _ in range(length)]
        self.prompts = [dict(id=i, input_ids=ids(source.randrange(100, 200))) for i in range(16 if self.tiny else 64)]
        self.examples = [dict(input_ids=ids(source.randrange(160, 320)), prompt_length=130) for _ in range(64)] * (1 if self.tiny else 8)

    def left(self):
        return self.options.seconds - (time.monotonic() - self.began)

    # ---- the programs ------------------------------------------------------------------------------------------------------------
    def run(self, program, *args, lines=(), environment=None, must=True):
        memory = Memory(self.cuda)
        memory.start()
        began = time.monotonic()
        command = [self.options.bin / program, *args, "--device", self.options.device]
        process = subprocess.run([str(word) for word in command], input=jsonl(lines), capture_output=True, text=True,
                                 timeout=max(30, self.left()), env={**os.environ, **FIRST_CARD, **(environment or {})})
        memory.ended.set()
        done = Done(process, time.monotonic() - began, memory.most)
        if must and done.code:
            raise RuntimeError(f"{program} {args[0]} ended with {done.code}: {done.errors[-1500:]}")
        return done

    def generate(self, prompts, *args, adapter=None, **more):
        extra = ["--adapter", adapter] if adapter else []
        return self.run("worker-gen", "generate", "--model", self.model, *extra, *args, lines=prompts, **more)

    def score(self, model, rows, *args, adapter=None):
        extra = ["--adapter", adapter] if adapter else []
        lines = [dict(id=i, input_ids=row) for i, row in enumerate(rows)]
        return self.run("worker-gen", "score", "--model", model, *extra, *args, lines=lines).lines

    def fit(self, settings, *args, data=None, model=None, fresh=None, out="out", **more):
        file = self.work / f"{out}.toml"
        file.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        return self.run("worker-train", "fit", "--model", model or self.model, "--data", data or self.work / "examples.jsonl",
                        "--init-adapter", fresh or self.fresh, "--config", file, "--out", self.work / out, *args, **more)

    def loads(self):
        """What is computed with: the base, and an adapter on it."""
        return [("base", None), ("adapter", self.adapter)]

    # ---- sections, in their order: each with the seconds it wants on a card ------------------------------------------------------
    def machine(self):
        self.report.figure("machine", "system", kernel=platform.release(), cores=os.cpu_count(), python=platform.python_version())
        if self.cuda:
            names = "name,driver_version,memory.total,memory.used,compute_cap"
            self.report.figure("machine", "card", **dict(zip(names.split(","), nvidia_smi(names).split(", "))))
        version = subprocess.run([str(self.options.bin / "worker-gen"), "--version"], capture_output=True, text=True, check=True)
        self.report.figure("machine", "programs", version=version.stdout.strip(), folder=str(self.options.bin))
        doctor = subprocess.run([str(self.options.bin / "worker-gen"), "doctor", "--device", self.options.device], capture_output=True, text=True,
                                env={**os.environ, **FIRST_CARD})
        self.report.check("machine", "worker-gen doctor", doctor.returncode == 0, output=doctor.stdout + doctor.stderr)
        print("".join(f"       {line}\n" for line in (doctor.stdout + doctor.stderr).splitlines()), end="", flush=True)

    def models(self):
        size = random_model.write_all(self.work, self.shape, TOKENIZER)
        (self.work / "examples.jsonl").write_text(jsonl(self.examples))
        self.report.figure("models", "written", gigabytes=size / 1e9)

    def fixtures(self):
        """The tests' models against what transformers and peft computed for them in float32: logits, and twelve steps of training."""
        kinds = [("float32", 1e-3), ("auto", 0.05)] if self.cuda else [("float32", 1e-3)]
        folders = sorted(path.parent for path in self.options.fixtures.glob("*/reference.json"))
        if not folders:
            raise RuntimeError(f"there is no reference in {self.options.fixtures}")
        for folder in folders:
            reference = json.loads((folder / "reference.json").read_text())
            for kind, limit in kinds:
                far = {key: self.logits_error(folder, reference, key, kind, adapter)
                       for key, adapter in [("logits", None), ("logits_adapter", folder / "adapter")]}
                far["losses"] = self.losses_error(folder, reference, kind)
                passed = max(far["logits"], far["logits_adapter"]) < limit and far["losses"] < 3 * limit
                self.report.check("fixtures", f"{folder.name} in {kind if kind != 'auto' else 'bfloat16'}", passed, limit=limit, **far)

    def logits_error(self, folder, reference, key, kind, adapter):
        """The largest error, relative to the largest logit."""
        rows = [ids[:length] for ids, length in zip(reference["input_ids"], reference["lengths"])]
        lines = self.score(folder, rows, "--logits", "--kind", kind, adapter=adapter)
        largest = max(abs(value) for row in reference[key] for value in row)
        pairs = [(line["last_logits"], row) for line, row in zip(lines, reference[key], strict=True)]
        return max(abs(a - b) for own, row in pairs for a, b in zip(own, row, strict=True)) / largest

    def losses_error(self, folder, reference, kind):
        train = reference["train"]
        data = self.work / "reference.jsonl"
        rows = zip(reference["input_ids"], reference["lengths"], reference["prompt_lengths"])
        data.write_text(jsonl(dict(input_ids=ids[:length], prompt_length=prompt) for ids, length, prompt in rows))
        settings = dict(learning_rate=train["lr"], weight_decay=train["weight_decay"], max_grad_norm=float(train["max_grad_norm"]),
                        betas=train["betas"], eps=train["eps"], batch_size=len(reference["lengths"]), steps=train["steps"])
        done = self.fit(settings, "--kind", kind, data=data, model=folder, fresh=folder / "adapter_init", out="reference")
        losses = [step["loss"] for step in done.steps()]
        if len(losses) != len(train["losses"]):
            raise RuntimeError(f"{folder.name}: {len(losses)} steps of {len(train['losses'])}")
        return max(abs(a - b) for a, b in zip(losses, train["losses"]))

    def greedy(self):
        """Every greedy token is the likeliest one, or nearly, where the whole text is scored in float32."""
        for name, adapter in self.loads():
            written = self.generate(self.prompts, "--max-new-tokens", self.new_tokens // 2, "--ignore-eos", adapter=adapter).lines
            rows = [self.prompts[line["id"]]["input_ids"] + line["token_ids"] for line in written]
            scored = self.score(self.model, rows, "--kind", "float32", "--best", "--logits", adapter=adapter)
            gaps, means = [], []
            if len(written) != len(self.prompts):
                raise RuntimeError(f"{len(written)} completions of {len(self.prompts)} prompts")
            for line, score in zip(written, scored, strict=True):
                own = len(line["token_ids"])
                chosen, best = score["logprobs"][-own:], score["best_logprobs"][-own:]
                gaps += [b - c for b, c in zip(best, chosen)]
                means.append(abs(sum(chosen) / own - line["mean_logprob"]))
            spread = deviation(scored[0]["last_logits"])
            limits = (0.02, 0.05) if self.cuda else (1e-3, 1e-3)
            gap, mean = sum(gaps) / len(gaps), max(means)
            self.report.check("greedy", name, gap < limits[0] * spread and mean < limits[1] * spread, mean_gap=gap, largest_gap=max(gaps),
                              largest_error_of_mean_logprob=mean, deviation_of_logits=spread, tokens=len(gaps))

    def repeats(self):
        """A row's tokens depend on its prompt and its seed alone: not on the run, the order, or how many others there are."""
        options = ["--temperature", 0.8, "--max-new-tokens", self.new_tokens, "--ignore-eos"]
        for name, adapter in self.loads():
            def ids(prompts, samples):
                lines = self.generate(prompts, "--samples", samples, *options, adapter=adapter).lines
                return {(line["id"], line["sample"]): line["token_ids"] for line in lines}
            once = ids(self.prompts, 4)
            for what, other in [("run again", ids(self.prompts, 4)), ("in another order", ids(self.prompts[::-1], 4)),
                                ("few of them alone", ids(self.prompts[3:8], 4)), ("among twice as many", ids(self.prompts, 8))]:
                compared = once.keys() & other.keys()
                same = sum(once[row] == other[row] for row in compared)
                self.report.check("repeats", f"{name}, {what}", same == len(compared) > 0, rows=len(compared), same=same)

    def generation(self):
        many, sampled = len(self.prompts) * 4, ["--temperature", 0.8]
        cases = [(f"{len(self.prompts)} rows, greedy", None, []), (f"{many} rows", None, [*sampled, "--samples", 4]),
                 (f"{many} rows, adapter", self.adapter, [*sampled, "--samples", 4]),
                 (f"{many} rows, top_p 0.95", None, [*sampled, "--samples", 4, "--top-p", 0.95]),
                 (f"{4 * many} rows", None, [*sampled, "--samples", 16]), (f"{4 * many} rows, adapter", self.adapter, [*sampled, "--samples", 16])]
        for what, adapter, args in cases:
            done = self.generate(self.prompts, "--max-new-tokens", self.new_tokens, "--ignore-eos", *args, adapter=adapter)
            said = done.summary
            self.report.figure("generation", what, tokens_per_second=said["tokens_per_second"], seconds=said["seconds"], tokens=said["tokens"],
                               load_seconds=said["load_seconds"], gpu_mb=done.gpu_mb, device=said["device"])

    def training(self):
        cases = [("8 examples a step", 8, None), ("8 examples, parts of 2,048 tokens", 8, 2048), ("32 examples, parts of 16,384", 32, 16384),
                 ("64 examples, parts of 32,768", 64, 32768)]
        for what, batch, part in cases[:1 if self.tiny else None]:
            settings = dict(learning_rate=2e-4, max_grad_norm=1e9, batch_size=batch, steps=4 if self.tiny else 8)
            done = self.fit({**settings, **({"micro_batch_tokens": part} if part else {})})
            counted = done.steps()[2:]
            seconds = sum(step["tokens"] / step["tokens_per_second"] for step in counted)
            self.report.figure("training", what, tokens_per_second=sum(step["tokens"] for step in counted) / seconds, gpu_mb=done.gpu_mb,
                               losses=[round(step["loss"], 4) for step in done.steps()])
        files = []
        for _ in range(2):
            self.fit(dict(learning_rate=2e-4, batch_size=8, steps=4), out="twice")
            files.append((self.work / "twice/adapter_model.safetensors").read_bytes())
        self.report.check("training", "the same training twice gives the same bytes", files[0] == files[1])

    def memory(self):
        """libtorch's own limit stands for a small or shared card: work is cut in halves, not lost; what cannot fit says so."""
        if not self.cuda:
            return self.report.left_out("memory", "there is no card")
        total = int(nvidia_smi("memory.total")) * 2**20

        def limited(what, gigabytes, must_fit, work):
            """`work` gives a program's end, and whether it did all of it."""
            if gigabytes * 1e9 >= total:
                return self.report.left_out("memory", f"{what} within {gigabytes} GB: the card has no more")
            setting = f"per_process_memory_fraction:{gigabytes * 1e9 / total:.4f}"
            done, complete = work({"PYTORCH_ALLOC_CONF": setting, "PYTORCH_CUDA_ALLOC_CONF": setting})
            refused = done.code == 1 and "out of memory" in done.errors
            self.report.check("memory", f"{what} within {gigabytes} GB", (done.code == 0 and complete) or (refused and not must_fit),
                              code=done.code, gpu_mb=done.gpu_mb, says=done.errors[-200:] if done.code else "")

        def generation(environment):
            done = self.generate(self.prompts, "--max-new-tokens", 400, "--ignore-eos", environment=environment, must=False)
            return done, len(done.lines) == len(self.prompts)

        def training(environment):
            done = self.fit(dict(batch_size=64, steps=2, micro_batch_tokens=32768), environment=environment, must=False)
            return done, len(done.steps()) == 2

        # The weights alone are 3.1 GB: less than that is refused, and a little more is enough for smaller steps.
        for what, work, enough, too_little in [("generation", generation, 4.2, 3.0), ("training", training, 12, 3.0)]:
            limited(what, enough, True, work)
            limited(what, too_little, False, work)

    def together(self):
        """Generation and training on the card at the same time, and the adapter that came of it in use."""
        settings = dict(batch_size=8, steps=3 if self.tiny else 40)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            training = beside.submit(self.fit, settings, out="both", must=False)
            done = self.generate(self.prompts, "--samples", 4, "--temperature", 0.8, "--max-new-tokens", self.new_tokens, "--ignore-eos",
                                 adapter=self.adapter, must=False)
            fit = training.result()
        rates = sorted(step["tokens_per_second"] for step in fit.steps())
        self.report.check("together", "generation and training at once", done.code == fit.code == 0,
                          generation=done.summary.get("tokens_per_second"), training=rates[len(rates) // 2] if rates else None,
                          generation_seconds=done.seconds, training_seconds=fit.seconds, gpu_mb=fit.gpu_mb)
        row = [self.prompts[0]["input_ids"]]
        plain, trained = (self.score(self.model, row, adapter=adapter)[0]["logprobs"] for adapter in (None, self.work / "both"))
        self.report.check("together", "the adapter just trained is used", plain != trained)

    def peers(self):
        """transformers and peft on the same work."""
        missing = [name for name in ("torch", "transformers", "peft") if importlib.util.find_spec(name) is None]
        if missing:
            return self.report.left_out("peers", f"Python has no {', '.join(missing)}")
        (self.work / "prompts.jsonl").write_text(jsonl(self.prompts))
        command = [sys.executable, str(HERE / "peers.py"), str(self.work), self.options.device, str(self.new_tokens)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(60, self.left()), env={**os.environ, **FIRST_CARD, "HF_HUB_OFFLINE": "1"})
        for line in json_lines(done.stdout):
            self.report.figure("peers", line.pop("what"), **line)
        if done.returncode:
            # It says nothing of these programs.
            self.report.left_out("peers", f"transformers or peft failed: {done.stderr.strip()[-400:]}")


SECONDS = dict(machine=10, models=30, fixtures=90, greedy=40, repeats=70, generation=60, training=60, memory=40, together=30, peers=150)


def deviation(values):
    mean = sum(values) / len(values)
    return (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("gpu-check.jsonl"))
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "target/debug")
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/dev/shm"), help="where 4 GB are written, and removed at the end")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--shape", choices=random_model.SHAPES, default="1.5b")
    parser.add_argument("--fixtures", type=pathlib.Path, default=FIXTURES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.sections = [name for name in options.only.split(",") if name] or list(SECONDS)
    unknown = [name for name in options.sections if name not in SECONDS]
    if unknown:
        parser.error(f"--only: no section is called {unknown[0]}; there are {', '.join(SECONDS)}")
    if "models" not in options.sections and set(options.sections) - {"machine", "fixtures"}:
        options.sections.insert(0, "models")
    for program in ("worker-gen", "worker-train"):
        if not (options.bin / program).exists():
            parser.error(f"--bin: there is no {program} in {options.bin}")
    return options


def main():
    options = arguments()
    try:
        report = Report(options.out)
        options.work = pathlib.Path(tempfile.mkdtemp(prefix="groklab-gpu-check-", dir=options.work))
    except OSError as error:
        print(f"gpu-check: {error}: name other places by --out and --work", file=sys.stderr)
        return 2
    check = Check(options, report)
    try:
        for name in options.sections:
            if check.left() < SECONDS[name] * 0.6 and check.cuda:
                report.left_out(name, f"{check.left():.0f} s are left, and it wants {SECONDS[name]}", late=True)
                continue
            began = time.monotonic()
            try:
                getattr(check, name)()
            # Whatever it is: the next section may well work, and the file is to say what did not.
            except Exception as error:
                report.check(name, "ran to its end", False, error=f"{type(error).__name__}: {error}"[-1800:], where=traceback.format_exc()[-600:])
            report.figure(name, "took", seconds=time.monotonic() - began)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    counts = report.counts
    print(f"{counts['passed']} checks passed, {counts['failed']} failed, {counts['left out']} left out; send back {options.out}")
    return 1 if counts["failed"] or counts["late"] else 0


if __name__ == "__main__":
    sys.exit(main())
