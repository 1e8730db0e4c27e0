"""The page of all events for people, made from the catalogue: one page, so that the browser's search finds everything.

It needs nothing from elsewhere, runs no script, and reads well aloud, on a phone, on paper and in the dark.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from html import escape
from typing import Any

from events import provinces
from events.catalogue import EVENTS, TOPICS, EventType, Topic, examples, schema
from events.compatibility import ALLOWED
from events.docs import kind_of

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#57606a;--line:#d0d7de;--tint:#f6f8fa;--link:#0a58ca}
@media(prefers-color-scheme:dark){
:root{--ink:#e6edf3;--paper:#0d1117;--soft:#9da7b1;--line:#30363d;--tint:#161b22;--link:#6cb2ff}}
body{margin:0 auto;padding:1rem;max-width:70rem;color:var(--ink);background:var(--paper)}
body{font:1rem/1.5 system-ui,sans-serif}
a{color:var(--link)}
a:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
code,pre{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
pre,.wide{overflow-x:auto;background:var(--tint);border:1px solid var(--line);border-radius:.4rem}
pre{padding:.75rem}
table{border-collapse:collapse;width:100%}
caption{text-align:left;padding:.5rem .75rem;color:var(--soft)}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem;border-top:1px solid var(--line)}
h2{margin-top:3rem;border-bottom:2px solid var(--line)}h3{margin-top:2.5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}dt{color:var(--soft)}dd{margin:0}
nav ul{columns:16rem;padding-left:1.2rem}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# Whatever a description may hold one day: nothing on the page runs, and nothing is fetched.
POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'"

_PROVINCE = 61


@functools.cache
def page() -> str:
    """The whole page."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Events of Cakupan</title>
<style>{STYLE}</style>
</head>
<body>
<a class="skip" href="#events">Skip to the events</a>
<header>
<h1>Events of Cakupan</h1>
<p>Every event type, from the schemas that records are written with. For programs:
<a href="/asyncapi.yaml">AsyncAPI (YAML)</a>, <a href="/asyncapi.json">AsyncAPI (JSON)</a>,
<a href="/subjects">schema registry</a>. For questions: <a href="/docs">the API</a>.</p>
</header>
<nav aria-label="Events">
{"".join(map(_contents, TOPICS.values()))}
</nav>
<main id="events">
<section aria-labelledby="reading">
<h2 id="reading">How to read them</h2>
<p>A record's value is Avro in Confluent framing: a zero byte, the schema id (4 bytes, big-endian), the body. Schemas
are at <code>/schemas/ids/</code> and the id. Ids never change. A newer version reads what older ones wrote
(BACKWARD_TRANSITIVE); {escape(ALLOWED)}.</p>
<p>Region codes travel as numbers, the Kemendagri code without dots: <code>61.01.01.2001</code> is 6101012001, and 0 is
the nation. Ids of events and people are 16 bytes. Times are UTC, in milliseconds. The examples are in the form that
<code>cakupan publish</code> and <code>cakupan import</code> take: dotted codes, UUIDs, ISO times.</p>
<p>No event holds a NIK, a name, a contact or a birth date.</p>
</section>
{"".join(map(_topic, TOPICS.values()))}
</main>
</body>
</html>
"""


def _of(topic: Topic) -> list[EventType]:
    return [event for event in EVENTS.values() if event.topic == topic.name]


def _contents(topic: Topic) -> str:
    items = "".join(f'<li><a href="#{event.name}">{event.name}</a></li>' for event in _of(topic))
    inner = f"<ul>{items}</ul>" if items else ""
    return f'<p><a href="#{topic.name}">{topic.name}</a></p>{inner}\n'


def _topic(topic: Topic) -> str:
    own = provinces.name_of(topic.name, _PROVINCE)
    apart = own in {each.name for each in provinces.topics_of(_PROVINCE)}
    facts = {
        "Key": escape(topic.key),
        "Partitions": str(topic.partitions),
        "Of one province": f"<code>{own}</code> for province {_PROVINCE}, and so on" if apart else "",
        "Settings": ", ".join(f"<code>{escape(f'{name}={value}')}</code>" for name, value in topic.config.items()),
    }
    return (
        f'<section aria-labelledby="{topic.name}">\n<h2 id="{topic.name}">{topic.name}</h2>\n'
        f"<p>{escape(topic.doc)}</p>\n{_facts(facts)}\n{''.join(map(_event, _of(topic)))}</section>\n"
    )


def _event(event: EventType) -> str:
    newest = schema(event.newest.schema_id)
    facts = {
        "Topic": f'<a href="#{event.topic}">{event.topic}</a>',
        "Key": escape(TOPICS[event.topic].key),
        "Subject": f"<code>{event.subject}</code>",
        "Versions": _versions(event),
    }
    shown = [json.dumps(each, indent=2, ensure_ascii=False) for each in examples(event, event.newest)]
    example = escape(shown[0], quote=False)
    return (
        f'<article aria-labelledby="{event.name}">\n<h3 id="{event.name}">{event.name}</h3>\n'
        f"<p>{escape(newest['doc'])}</p>\n{_facts(facts)}\n{_fields(event, newest['fields'])}\n"
        f'<h4>Example</h4>\n<pre tabindex="0" role="region" aria-label="Example of {event.name}">'
        f"<code>{example}</code></pre>\n</article>\n"
    )


def _versions(event: EventType) -> str:
    told = []
    for each in event.versions:
        filled = "".join(f", read with {name} = {value}" for name, value in each.filled.items())
        link = f'<a href="/schemas/ids/{each.schema_id}/schema">schema id {each.schema_id}</a>'
        told.append(f"{each.number} ({link}{escape(filled)})")
    return ", ".join(told)


def _fields(event: EventType, fields: list[dict[str, Any]]) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{each["name"]}</code></th><td>{escape(kind_of(each["type"]))}</td>'
        f"<td>{_since(event, each['name'])}</td><td>{escape(each['doc'])}</td></tr>\n"
        for each in fields
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="Fields of {event.name}">\n<table>\n'
        f"<caption>Fields of {event.name}, version {event.newest.number}</caption>\n"
        '<thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Since version</th>'
        f'<th scope="col">What</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>'
    )


def _since(event: EventType, name: str) -> int:
    """The first version that has the field."""
    return next(
        each.number for each in event.versions if name in {field["name"] for field in schema(each.schema_id)["fields"]}
    )


def _facts(facts: dict[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items() if value) + "</dl>"
