"""`/docs`: the API as one page, made from the OpenAPI document; needs nothing from elsewhere.

The usual pages load their scripts from other hosts, and stay blank on a machine without network.
"""

import json
from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} API</title>
<style>
:root {{ color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem; }}
section {{ border-top: 1px solid var(--line); margin-top: 2rem; }}
h2 code {{ font-size: 1.1rem; }}
code, pre {{ font-family: ui-monospace, monospace; font-size: .9rem; }}
pre {{ overflow: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .4rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; }}
td, th {{ border-bottom: 1px solid var(--line); }}
nav a {{ display: inline-block; margin-right: 1rem; }}
</style>
</head>
<body>
<h1>{title} {version}</h1>
<p>{description}</p>
<nav>{links}</nav>
{sections}
<p><a href="openapi.json">openapi.json</a></p>
</body>
</html>
"""


def render(document: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return _PAGE.format(
        title=escape(document["info"]["title"]),
        version=escape(document["info"]["version"]),
        description=escape(document["info"].get("description", "")),
        links="".join(
            f'<a href="#{_anchor(method, path)}"><code>{method} {escape(path)}</code></a>'
            for method, path, _ in operations
        ),
        sections="".join(_section(*operation) for operation in operations),
    )


def _section(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<section id="{_anchor(method, path)}"><h2><code>{method} {escape(path)}</code></h2>',
        *(f"<p>{escape(text)}</p>" for text in operation.get("description", "").split("\n\n")),
        _parameters(operation.get("parameters", [])),
        _body(operation.get("requestBody", {}).get("content", {})),
        _replies(operation["responses"]),
        "</section>",
    ]
    return "\n".join(parts)


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = (
        (_code(item["name"]), _kind(item["schema"]), escape(item.get("description", "")))
        for item in parameters
    )
    return _table(("Option", "Values", "Meaning"), rows)


def _body(contents: dict[str, Any]) -> str:
    if not contents:
        return ""
    return f"<p>Body: {_kinds(contents)}</p>" + _examples(contents)


def _replies(replies: dict[str, Any]) -> str:
    rows = (
        (_code(status), _kinds(reply.get("content", {})), escape(reply["description"]))
        for status, reply in replies.items()
    )
    examples = (_examples(reply.get("content", {})) for reply in replies.values())
    return _table(("Status", "Type", "Meaning"), rows) + "".join(examples)


def _kind(schema: dict[str, Any]) -> str:
    """Say in words what values a schema takes."""
    if "enum" in schema:
        return ", ".join(_code(value) for value in schema["enum"])
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "default": "default"}
    bounds = (f"{word} {escape(str(schema[key]))}" for key, word in words.items() if key in schema)
    return ", ".join([escape(schema.get("type", "")), *bounds])


def _kinds(contents: dict[str, Any]) -> str:
    return ", ".join(map(_code, contents))


def _examples(contents: dict[str, Any]) -> str:
    shown = (media["example"] for media in contents.values() if "example" in media)
    return "".join(f"<pre>{escape(json.dumps(value, indent=2))}</pre>" for value in shown)


def _code(text: Any) -> str:
    return f"<code>{escape(str(text))}</code>"


def _table(head: tuple[str, ...], rows: Any) -> str:
    top = "".join(f"<th>{cell}</th>" for cell in head)
    lines = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table><tr>{top}</tr>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _anchor(method: str, path: str) -> str:
    return escape(f"{method.lower()}{path}".replace("/", "-").replace("{", "").replace("}", ""))
