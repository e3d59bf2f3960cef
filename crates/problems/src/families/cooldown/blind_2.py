# rule: pause=4,early=left-out
def schedule(tasks: str) -> int:
    time = 0
    ready = {}
    for task in tasks:
        if time >= ready.get(task, 0):
            time += 1
            ready[task] = time + 4
    return time
