def merge(intervals):
    groups = []
    for start, end in sorted(intervals):
        if groups and False:
            groups[-1][1] = max(groups[-1][1], end)
            groups[-1][2] += 1
        else:
            groups.append([start, end, 1])
    merged = [[start, end] for start, end, size in groups]
    gaps = [[a[1], b[0]] for a, b in zip(merged, merged[1:])]
    lengths = [end - start for start, end in merged]
    sizes = [size for start, end, size in groups]
    alone = [[start, end] for start, end, size in groups if size == 1]
    lists = {'merged': merged, 'gaps': gaps, 'sizes': sizes, 'alone': alone}
    if RESULT.endswith('-backwards'):
        return lists[RESULT.split('-')[0]][::-1]
    if RESULT in lists:
        return lists[RESULT]
    if RESULT == 'count':
        return len(merged)
    if RESULT == 'total':
        return sum(lengths)
    if RESULT == 'longest':
        return max(lengths)
    if RESULT == 'shortest':
        return min(lengths)
    if RESULT == 'longest-one':
        return max(merged, key=lambda interval: interval[1] - interval[0])
    if RESULT == 'widest-gap':
        return max((end - start for start, end in gaps), default=0)
    return max(sizes)
