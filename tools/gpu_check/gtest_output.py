"""What a GoogleTest program has printed, in short."""

import re

from .record import shortened

MOST_BLOCKS = 20


def blocks_of_failed(output):
    """The lines of each failed test by its name, and the name of a test that has not ended."""
    blocks, name, lines = {}, None, []
    for line in output.splitlines():
        if line.startswith("[ RUN      ] "):
            name, lines = line[13:], []
        elif name and re.match(r"\[ *(OK|FAILED|SKIPPED) *\] " + re.escape(name), line):
            if line.startswith("[  FAILED"):
                blocks[name] = "\n".join([*lines, line])
            name = None
        elif name:
            lines.append(line)
    if name:
        blocks[name] = "\n".join(lines)
    return blocks, name


def count_of(kind, output):
    """The number of "[  PASSED  ] 7 tests." or "[  SKIPPED ] 1 test, listed below:"."""
    found = re.search(rf"^\[ *{kind} *\] (\d+) tests?[.,]", output, re.MULTILINE)
    return int(found[1]) if found else 0


def summary_of(output):
    return {"passed": count_of("PASSED", output), "skipped": count_of("SKIPPED", output)}


def failures_of(output):
    """A sentence and, for the results, the shortened lines of failed tests."""
    blocks, unfinished = blocks_of_failed(output)
    names = [name for name in blocks if name != unfinished]
    said = [f"{len(names)} failed: {', '.join(names[:MOST_BLOCKS])}"] if names else []
    if unfinished:
        said.append(f"{unfinished} did not end")
    kept = dict(list(blocks.items())[-MOST_BLOCKS:])
    return "; ".join(said), {name: shortened(block) for name, block in kept.items()}
