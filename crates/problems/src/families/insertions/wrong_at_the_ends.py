def insert_text(s: str) -> str:
    return INSERTED + s + INSERTED
