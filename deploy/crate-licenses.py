#!/usr/bin/env python3
"""Writes the texts of the licences of crates, each text once, with the crates that carry it.

    cargo metadata --format-version 1 | deploy/crate-licenses.py crates.txt > crates-texts.txt

crates.txt: `NAME vVERSION LICENCE` a line, as deploy/binaries.sh makes it. What a crate does not carry cannot be shown: it
is named at the end with what it says of itself.
"""
import json
import re
import sys
from pathlib import Path

TEXT = re.compile(r"(un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)


def main() -> None:
    linked = {}
    for line in Path(sys.argv[1]).read_text().splitlines():
        name, version, *licence = line.split()
        linked[name, version.removeprefix("v")] = " ".join(licence)
    carriers, without = {}, []
    for package in json.load(sys.stdin)["packages"]:
        key = package["name"], package["version"]
        # Our own have the licence that stands beside this.
        if key not in linked or package["source"] is None:
            continue
        label = f"{key[0]} {key[1]}"
        folder = Path(package["manifest_path"]).parent
        files = [file for file in folder.rglob("*") if TEXT.match(file.name) and file.is_file() and file.suffix != ".rs"]
        for file in files:
            text = file.read_text(errors="replace").strip()
            carriers.setdefault(text, set()).add(label)
        if not files:
            without.append(f"{label}: {linked[key]}")
    for text, names in sorted(carriers.items(), key=lambda item: sorted(item[1])):
        print("=" * 80, ", ".join(sorted(names)), "=" * 80, text, "", sep="\n")
    print("=" * 80, "Without a text of their own:", *sorted(without), sep="\n")


main()
