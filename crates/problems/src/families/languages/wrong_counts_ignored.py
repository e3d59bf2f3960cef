import re


def keep(words):
    return [word for word in words if re.fullmatch('a+b+c+', word)]
