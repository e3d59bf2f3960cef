#!/usr/bin/env python3
"""Whether these programs and huggingface_hub share a cache. Needs huggingface_hub, transformers, torch and strace; run on demand:

    hub_cache.py --bin target/debug

A small hub on loopback serves tests/fixtures/tiny-coder as org/tiny. Each of these fills a cache of its own, by a branch: `snapshot_download`,
transformers' `from_pretrained`, and `worker-gen score`. Then, with the hub's address pointing nowhere, `worker-gen score` under strace may not make a
single socket of the internet's, and transformers, told to stay offline, has to load what `worker-gen` fetched. Prints one JSON line for each and ends
with 1 where one fails.
"""
import argparse, hashlib, http.server, json, os, pathlib, subprocess, sys, tempfile, threading

MODEL = pathlib.Path(__file__).parent.parent / "fixtures" / "tiny-coder"
COMMIT = "00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee"
FILES = {path.name: path.read_bytes() for path in MODEL.iterdir() if path.is_file()}


def blob(name):
    digest = hashlib.sha256(FILES[name]).hexdigest()
    return digest if name.endswith(".safetensors") else digest[:40]


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        parts = path.strip("/").split("/")
        if parts[:4] == ["api", "models", "org", "tiny"]:
            if "tree" in parts:
                tree = [{"type": "file", "path": name, "size": len(data), "oid": blob(name)} for name, data in FILES.items()]
                return self.answer(200, json.dumps(tree).encode(), Content_Type="application/json")
            info = {"id": "org/tiny", "modelId": "org/tiny", "sha": COMMIT, "siblings": [{"rfilename": name, "size": len(data)} for name, data in FILES.items()]}
            return self.answer(200, json.dumps(info).encode(), Content_Type="application/json")
        name = parts[-1]
        if parts[:3] != ["org", "tiny", "resolve"] or name not in FILES:
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        data, given = FILES[name], self.headers.get("Range")
        common = dict(ETag=f'"{blob(name)}"', X_Repo_Commit=COMMIT, Accept_Ranges="bytes")
        if not given:
            return self.answer(200, data, **common)
        start, end = given.removeprefix("bytes=").split("-")
        end = min(int(end or len(data) - 1), len(data) - 1)
        self.answer(206, data[int(start):end + 1], Content_Range=f"bytes {start}-{end}/{len(data)}", **common)

    do_HEAD = do_GET


def run(command, **env):
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_", "HUGGING"))}
    asked = '{"id": 1, "text": "abc"}\n'
    return subprocess.run([str(word) for word in command], input=asked, capture_output=True, text=True, env={**keep, **env})


FILL = {
    "snapshot_download": [sys.executable, "-c", "from huggingface_hub import snapshot_download; snapshot_download('org/tiny')"],
    "transformers": [sys.executable, "-c", "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; M.from_pretrained('org/tiny'); T.from_pretrained('org/tiny')"],
}


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--bin", type=pathlib.Path, required=True)
    o = a.parse_args()
    score = [o.bin / "worker-gen", "score", "--model", "org/tiny"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there, nowhere, good = f"http://127.0.0.1:{server.server_port}", "http://127.0.0.1:9", True
    for name, fill in {**FILL, "worker-gen": score}.items():
        with tempfile.TemporaryDirectory() as home:
            filled = run(fill, HF_HOME=home, HF_ENDPOINT=there)
            if filled.returncode:
                sys.exit(f"{name}: {filled.stderr}")
            trace = pathlib.Path(home) / "trace"
            ours = run(["strace", "-f", "-e", "trace=network", "-o", trace, *score], HF_HOME=home, HF_ENDPOINT=nowhere)
            sockets = [line for line in trace.read_text().splitlines() if "AF_INET" in line]
            theirs = run(FILL["transformers"], HF_HOME=home, HF_ENDPOINT=nowhere, HF_HUB_OFFLINE="1")
            found = {"filled_by": name, "worker_gen": ours.returncode == 0, "sockets": len(sockets), "transformers_offline": theirs.returncode == 0}
            print(json.dumps(found), flush=True)
            if ours.returncode or theirs.returncode:
                print(ours.stderr, theirs.stderr, file=sys.stderr)
            good &= found["worker_gen"] and not sockets and found["transformers_offline"]
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
