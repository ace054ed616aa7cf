"""A scenario as a person likes to read it."""

import json


def collapsed(told):
    """An object of which nothing is supported is not supported."""
    if not isinstance(told, dict):
        return told
    told = {key: collapsed(value) for key, value in told.items()}
    return told if not told or any(value is not None for value in told.values()) else None


def pretty(value, indent=""):
    """What fits into a line stands in a line."""
    line = json.dumps(value)
    if len(indent) + len(line) <= 100 or not isinstance(value, (dict, list)):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {pretty(part, deeper)}" for key, part in value.items()]
    else:
        parts = [pretty(part, deeper) for part in value]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{end}"
