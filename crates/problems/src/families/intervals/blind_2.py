# rule: gap=2,result=sizes-backwards
def merge(intervals: list[list[int]]) -> list[int]:
    joined = []
    for start, end in sorted(intervals):
        if joined and start - joined[-1][1] <= 2:
            joined[-1][1] = max(joined[-1][1], end)
            joined[-1][2] += 1
        else:
            joined.append([start, end, 1])
    return [count for _, _, count in reversed(joined)]
