#!/usr/bin/env python3
"""Writes a chart's README.md from the comments in its values.yaml: `readme.py CHART...`; with `--check` only says whether it is current.

Needs PyYAML. A comment that begins with `# --` belongs to the key below it.
"""
import sys
from pathlib import Path

import yaml


def comment_above(lines, number):
    """The comment that ends right above a line, from its last `# --`."""
    found = []
    while number > 0 and lines[number - 1].lstrip().startswith("#"):
        number -= 1
        text = lines[number].lstrip()[1:].strip()
        if text.startswith("--"):
            return " ".join([text[2:].strip(), *found])
        found.insert(0, text)
    return ""


def shown(node):
    value = yaml.safe_load(yaml.serialize(node))
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()
    return f"`{text}`"


def rows(node, path, lines):
    for key, value in node.value:
        name = f"{path}.{key.value}" if path else key.value
        comment = comment_above(lines, key.start_mark.line)
        block = isinstance(value, yaml.MappingNode) and value.value and not value.flow_style
        if comment or not block:
            yield f"| `{name}` | {'' if block else shown(value)} | {comment} |".replace("|  |", "| |")
        if block:
            yield from rows(value, name, lines)


def text_of(chart):
    source = (chart / "values.yaml").read_text()
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    table = list(rows(yaml.compose(source), "", source.splitlines()))
    return "\n".join([
        f"# {about['name']}", "",
        f"{about['description']} Version {about['version']}, Kubernetes {about['kubeVersion'].removesuffix('-0')}.", "",
        "`docs/kubernetes.md` says how to install it and which values matter. This page is written by `deploy/charts/readme.py` from `values.yaml`.", "",
        "| value | default | |", "|---|---|---|", *table, ""])


def main():
    check = "--check" in sys.argv[1:]
    stale = []
    for name in sys.argv[1:]:
        if name == "--check":
            continue
        chart = Path(name)
        readme, text = chart / "README.md", text_of(chart)
        if not check:
            readme.write_text(text)
        elif not readme.exists() or readme.read_text() != text:
            stale.append(str(readme))
    if stale:
        sys.exit(f"not current: {', '.join(stale)}; run deploy/charts/readme.py")


if __name__ == "__main__":
    main()
