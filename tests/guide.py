"""Pages of examples, run from top to bottom as a reader would."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1:8000"

_BLOCK = re.compile(
    r"^```(?P<kind>sh|python)\n(?P<code>.*?)^```\n"
    r"(?:\n```(?P<reply_kind>json|text)\n(?P<reply>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_PROBLEM = '"urn:maskd:problem:'
_PROBLEM_STATUS = 22  # curl's own, with `fail-with-body`


@dataclass(frozen=True)
class Example:
    """A block of a page.

    Attributes:
        kind: sh or python.
        code: that it holds.
        reply: the block right behind it, which shows what it says.
        reply_kind: json or text.
    """

    kind: str
    code: str
    reply: str | None
    reply_kind: str | None


def examples(text: str) -> list[Example]:
    """Return the blocks of a page, or of a part of one."""
    return [Example(**found.groupdict()) for found in _BLOCK.finditer(text)]


def run(page: Sequence[Example], url: str, folder: Path, **variables: str) -> list[str | None]:
    """Return what each example says on standard output; None: it failed, or one before it did.

    Args:
        page: examples; commands share one shell, each piece of Python has its own process.
        url: of the service, instead of the address that pages name.
        folder: where it runs, empty.
        variables: of the environment.
    """
    for name in ("docs", "service"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    (folder / "run").mkdir()
    lines = ["set -eu"]
    for number, example in enumerate(page):
        script = folder / "run" / f"{number}.{example.kind}"
        script.write_text(example.code.replace(HOST, url.removeprefix("http://")))
        runner = "." if example.kind == "sh" else f"'{sys.executable}' -W error"
        may_fail = f" || [ $? = {_PROBLEM_STATUS} ]" if _PROBLEM in (example.reply or "") else ""
        lines.append(f"{runner} '{script}' > '{folder}/run/says'{may_fail}")
        lines.append(f"mv '{folder}/run/says' '{folder}/run/{number}.said'")
    ours = {"CURL_HOME": str(folder), "PYTHONPATH": str(ROOT), **variables}
    subprocess.run(  # noqa: S603 (the pages' own commands)
        ["/bin/bash", "-c", "\n".join(lines)], cwd=folder, env={**os.environ, **ours}, check=False
    )
    said = [folder / "run" / f"{number}.said" for number in range(len(page))]
    return [path.read_text() if path.exists() else None for path in said]
