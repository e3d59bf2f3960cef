def encode_runs(s: str) -> str:
    return s
