def look_and_say(s: str) -> str:
    return s
