# unless: RESULT = 'count'
def merge(intervals):
    return intervals
