# rule: pause=5,duration=2
def schedule(tasks: str) -> int:
    time = 0
    ready = {}
    for task in tasks:
        time = max(time, ready.get(task, 0)) + 2
        ready[task] = time + 5
    return time
