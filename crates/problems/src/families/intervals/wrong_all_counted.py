# only: RESULT = 'count'
def merge(intervals):
    return len(intervals)
