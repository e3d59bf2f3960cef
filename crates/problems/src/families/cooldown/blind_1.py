# rule: pause=1,duration=2,vowels=2,asked=line
def schedule(tasks: str) -> str:
    line = ""
    ready = {}
    for task in tasks:
        line += "." * (ready.get(task, 0) - len(line))
        line += task * 2
        ready[task] = len(line) + (2 if task in "ae" else 1)
    return line
