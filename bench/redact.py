"""Redaction: recall on made-up secrets, false positives on look-alikes, megabytes per CPU second, hostile text.

    python bench/redact.py [PATH…]      # PATHs: files or folders whose text is redacted for the speed figures

Secrets and look-alikes come from `tests/rights/secrets_corpus.py`, by the author of the rules: the recall is that of
a rule on its own format. CPU time, one core; the corpus for speed is Python's standard library unless PATHs are given.
"""

from __future__ import annotations

import random
import re
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from golddiff.rights import redact_text
from rights.secrets_corpus import EMBEDDINGS, GENERIC_FORMATS, LOOK_ALIKES, PROVIDER_FORMATS, secrets


def main() -> None:
    """Print every figure."""
    redact_text("compile the rules first: api_key")
    rng = random.Random(20261121)
    for embedding, embed in EMBEDDINGS.items():
        found = total = 0
        for secret, _ in secrets(seed=1, rounds=40):
            total += 1
            found += secret.rsplit("/", 1)[-1][-12:] not in redact_text(embed(secret)) and "[REDACTED:" in redact_text(
                embed(secret)
            )
        print(f"recall, {len(PROVIDER_FORMATS)} provider formats, {embedding}: {found}/{total}")
    generic = [make(rng) for make in GENERIC_FORMATS.values() for _ in range(60)]
    found = sum("[REDACTED:" in redact_text(text) for text in generic)
    print(f"recall, {len(GENERIC_FORMATS)} generic forms: {found}/{len(generic)}")
    plain = [make(rng) for make in LOOK_ALIKES.values() for _ in range(240)]
    print(f"false positives: {sum(redact_text(text) != text for text in plain)}/{len(plain)}")
    texts = list(_texts([Path(argument) for argument in sys.argv[1:]] or [Path(sysconfig.get_paths()["stdlib"])]))
    size = sum(map(len, texts)) / 1e6
    kinds: Counter[str] = Counter()
    start = time.process_time()
    for text in texts:
        kinds.update(re.findall(r"\[REDACTED:([\w-]+)\]", redact_text(text)))
    seconds = time.process_time() - start
    print(f"speed: {size:.1f} MB in {seconds:.2f} CPU s = {size / seconds:.0f} MB/s; found {dict(kinds) or 'nothing'}")
    for name, text in _hostile(rng):
        start = time.process_time()
        redact_text(text)
        print(f"hostile, {name}: {(time.process_time() - start) / (len(text) / 1e6):.2f} CPU s per MB")


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix in (".py", ".jsonl", ".json", ".md", ".go", ".ts") and "site-packages" not in file.parts:
                yield file.read_text("utf-8", "replace")


def _hostile(rng: random.Random) -> Iterator[tuple[str, str]]:
    pieces = [
        "sk-",
        "token=",
        '"',
        "'",
        "eyJ",
        "\\",
        "://",
        ":",
        "@",
        "AKIA",
        "ghp_",
        " ",
        "A" * 40,
        "password",
        "\n",
        "=",
    ]
    yield "random anchors", "".join(rng.choice(pieces) for _ in range(500_000))
    yield "keys that begin", ("-----BEGIN RSA PRIVATE " + "KEY-----\n") * 60_000
    yield "tokens that are none", "".join(f'api_key="{"ab1" * 20}" ' for _ in range(28_000))
    yield "JWT heads", "eyJaaaaaaaaaaaa." * 125_000
    yield "one long word", "a" * 2_000_000


if __name__ == "__main__":
    main()
