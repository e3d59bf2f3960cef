# rule: gap=1,result=most
def merge(intervals: list[list[int]]) -> int:
    joined = []
    for start, end in sorted(intervals):
        if joined and start - joined[-1][1] <= 1:
            joined[-1][1] = max(joined[-1][1], end)
            joined[-1][2] += 1
        else:
            joined.append([start, end, 1])
    return max((count for _, _, count in joined), default=0)
