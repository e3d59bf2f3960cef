#!/usr/bin/env python3
"""Asks a real Prometheus every expression of the dashboard and of the rules, after real processes have worked.

    live.py FOLDER BINARIES     (needs prometheus; a minute or two)

FOLDER is where everything goes and must be new or empty; BINARIES holds coordinator, worker-gen, worker-train, worker-verify and grokctl.
An experiment runs on the tests' tiny model; before its end one worker is killed, one experiment pauses, one call has a wrong token. Then every
query must return data, and so must every selector of every alert, except those in event-only.tsv.
"""
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent.parent / "tests/fixtures/tiny-coder"
# A name, perhaps with matchers, that is no function and no label.
SELECTOR = re.compile(r"\b((?:groklab|process)_[a-z_]+|up)\b(\{[^}]*\})?")
SCRAPE_SECONDS = 2


class Failed(Exception):
    """What keeps this from going on."""


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def experiment(name, model, epochs):
    return f"""name = "{name}"
iterations = 1
[model]
source = "{model}"
[problems]
families = ["digits/digits=all"]
holdout = "case"
difficulty = [1, 2]
train = 16
val = 4
test = 8
[generate]
max_new_tokens = 48
[train]
method = "rft"
learning_rate = 5e-3
epochs = {epochs}
batch_tokens = 256
"""


class Processes:
    """Everything that was started here, to be ended whatever happens."""

    def __init__(self, folder, binaries):
        self.folder, self.binaries, self.running = folder, binaries, []

    def start(self, log, *command, **environment):
        output = open(self.folder / f"{log}.log", "wb")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   env={**os.environ, **environment}, start_new_session=True)
        self.running.append(process)
        return process

    def stop(self):
        # Workers first: a coordinator that is gone would only make them wait.
        for process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def answer(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
        return response.read().decode()


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = check()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise Failed(f"{what}: not within {seconds} s")


class Stack:
    """A coordinator and workers that Prometheus scrapes."""

    def __init__(self, processes):
        self.processes, self.folder = processes, processes.folder
        self.targets = {}
        self.coordinator = free_address()
        for role in ("client", "worker"):
            path = self.folder / f"{role}.token"
            path.write_text(secrets.token_hex(32))
            path.chmod(0o600)
        self.start("coordinator", "coordinator", "--listen", self.coordinator, "--data", str(self.folder / "data"),
                   "--client-token-file", self.token("client"), "--worker-token-file", self.token("worker"), "--lease-seconds", "3")
        until("the coordinator to be ready", 90, lambda: answer(self.targets["coordinator"][0], "/readyz"))

    def token(self, role):
        return str(self.folder / f"{role}.token")

    def start(self, component, log, *arguments):
        admin = free_address()
        self.targets.setdefault(component, []).append(admin)
        program = str(self.processes.binaries / component)
        return self.processes.start(log, program, *arguments, "--admin-listen", admin)

    def worker(self, component, log):
        return self.start(component, log, "work", "--coordinator", f"http://{self.coordinator}", "--token-file", self.token("worker"),
                          "--cache", str(self.folder / f"cache-{log}"))

    def grokctl(self, *arguments, token=None):
        command = [str(self.processes.binaries / "grokctl"), "--coordinator", f"http://{self.coordinator}", "--token-file",
                   token or self.token("client"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def submit(self, name, model, epochs):
        path = self.folder / f"{name}.toml"
        path.write_text(experiment(name, model, epochs))
        code, text = self.grokctl("submit", str(path))
        if code != 0:
            raise Failed(f"submit {name}: {text}")

    def state(self, name):
        code, text = self.grokctl("--json", "show", name)
        if code != 0:
            raise Failed(f"show {name}: {text}")
        found = re.search(r'"state": ?"([a-z]+)"', text)
        return found and found.group(1)


class Prometheus:
    """A Prometheus with our rules that scrapes the stack."""

    def __init__(self, processes, targets):
        self.address = free_address()
        folder = processes.folder
        self.targets = folder / "targets.json"
        self.find(targets)
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
            "rule_files": [str(HERE / "rules.yml")],
            "scrape_configs": [{"job_name": "groklab", "file_sd_configs": [{"files": [str(self.targets)]}]}]}))
        processes.start("prometheus", "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb",
                        f"--web.listen-address={self.address}")
        until("Prometheus to be ready", 60, lambda: answer(self.address, "/-/ready"))

    def find(self, targets):
        """Scrapes these from now on."""
        groups = [{"targets": addresses, "labels": {"component": component}} for component, addresses in targets.items()]
        whole = self.targets.with_suffix(".new")
        whole.write_text(json.dumps(groups))
        whole.rename(self.targets)

    def api(self, path, **parameters):
        reply = json.loads(answer(self.address, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        return reply["data"]

    def has_data(self, expression):
        """Whether some sample of it is a number: NaN is what a rate of nothing looks like."""
        samples = self.api("query", query=expression)["result"]
        return any(sample["value"][1] != "NaN" for sample in samples)

    def rules(self):
        groups = self.api("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]


def do_something(stack):
    """Whatever the metrics tell of."""
    broken = stack.folder / "broken-model"
    shutil.copytree(MODEL, broken)
    (broken / "model.safetensors").unlink()
    wrong = stack.folder / "wrong.token"
    wrong.write_text(secrets.token_hex(32))
    code, _ = stack.grokctl("list", token=str(wrong))
    if code != 6:
        raise Failed(f"a wrong token was not refused: exit code {code}")
    stack.submit("complete", MODEL, 4)
    until("the experiment to complete", 300, lambda: stack.state("complete") == "completed")
    stack.submit("paused", broken, 4)
    until("the experiment without weights to pause", 120, lambda: stack.state("paused") == "paused")
    # Long enough to be in the middle of it when its worker is killed.
    stack.submit("long", MODEL, 400)


def kill_trainer(stack, trainer, prometheus):
    until("a training job to run", 300, lambda: prometheus.has_data('groklab_jobs{kind="train",state="leased"} > 0'))
    os.killpg(trainer.pid, signal.SIGKILL)
    until("the lost lease to be counted", 60, lambda: prometheus.has_data("groklab_leases_lost_total"))
    stack.worker("worker-train", "worker-train-2")
    prometheus.find(stack.targets)
    until("its successor to train", 120, lambda: prometheus.has_data("groklab_train_loss"))


def event_only():
    lines = (HERE / "event-only.tsv").read_text().splitlines()
    return dict(line.split("\t") for line in lines)


def selectors(expression):
    """What an expression reads, without the choice of namespace."""
    for match in SELECTOR.finditer(expression):
        matchers = re.sub(r'namespace=~"\.\*"(, *)?', "", match.group(2) or "")
        yield match.group(1) + ("" if matchers == "{}" else matchers)


def check(what, prometheus, expression, events, missing):
    """Whether each selector of an expression has had data. Returns those that need not, for want of their event."""
    alone = set(selectors(expression))
    excused = alone & set(events)
    for selector in sorted(alone):
        asked = selector
        if selector in excused:
            # Other values of its label must be there all the same.
            label = re.search(r"\{(\w+)", selector)
            if label is None:
                continue
            asked = f"{selector.split('{')[0]}{{{label.group(1)}!=\"\"}}"
        if not prometheus.has_data(f"count_over_time({asked}[10m])"):
            missing.append(f"{what}: no data for {asked}")
    return excused


def check_all(prometheus):
    events, missing, used = event_only(), [], set()
    dashboard = json.loads((HERE / "grafana/groklab.json").read_text())
    queries = 0
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            queries += 1
            expression = target["expr"].replace("$__rate_interval", "10m").replace("$namespace", ".*")
            excused = check(panel["title"], prometheus, expression, events, missing)
            used.update(excused)
            if not excused and not prometheus.has_data(expression):
                missing.append(f"{panel['title']}: no data for {expression}")
    rules = prometheus.rules()
    for rule in rules:
        if rule["health"] != "ok":
            missing.append(f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}")
        used.update(check(rule["name"], prometheus, rule["query"], events, missing))
    for selector in set(events) - used:
        missing.append(f"event-only.tsv: {selector} is used nowhere")
    print(f"{queries} expressions of the dashboard and {len(rules)} rules were asked")
    for selector in sorted(used):
        print(f"without data, as expected: {selector} ({events[selector]})")
    firing = sorted({alert["labels"]["alertname"] for alert in prometheus.api("alerts")["alerts"]})
    print("alerts that this run caused:", ", ".join(firing))
    # What was brought about must have been noticed.
    for name in ("ExperimentPaused", "WorkersGone"):
        if name not in firing:
            missing.append(f"{name} does not fire")
    return missing


def lint(stack):
    """Prometheus' own opinion of the text: 3 is for remarks, anything else for what cannot be read."""
    for component, addresses in stack.targets.items():
        text = answer(addresses[0], "/metrics")
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        print(f"promtool check metrics, {component}: {done.stderr.strip() or 'clean'}")
        if done.returncode not in (0, 3):
            raise Failed(f"{component}: its metrics cannot be read")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, binaries = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty")
    processes = Processes(folder, binaries)
    try:
        stack = Stack(processes)
        stack.worker("worker-gen", "worker-gen")
        stack.worker("worker-verify", "worker-verify")
        trainer = stack.worker("worker-train", "worker-train")
        prometheus = Prometheus(processes, stack.targets)
        do_something(stack)
        lint(stack)
        kill_trainer(stack, trainer, prometheus)
        time.sleep(4 * SCRAPE_SECONDS)
        missing = check_all(prometheus)
    except Failed as failure:
        sys.exit(f"FAILED: {failure}; logs are in {folder}")
    finally:
        processes.stop()
    for line in missing:
        print(f"FAILED: {line}", file=sys.stderr)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
