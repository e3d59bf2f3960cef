def score(frames):
    return len(frames) if ASKED == 'total' else [len(frame) for frame in frames]
