"""What a process keeps in mind between events: the newest, and no more than so many, as names come from callers."""

MOST_REMEMBERED = 1000


def remember[K, V](memory: dict[K, V], name: K, value: V) -> None:
    """Keeps a value as the newest, and of all no more than MOST_REMEMBERED: the oldest are forgotten."""
    memory.pop(name, None)
    memory[name] = value
    while len(memory) > MOST_REMEMBERED:
        del memory[next(iter(memory))]
