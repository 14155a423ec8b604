"""One file as a well-behaved server serves it (RFC 9110): whole, in part, or not at all."""

from __future__ import annotations

from bench.server.plan import Asked, File, Plan, Send
from bench.server.ranges import Span, Unsatisfiable, asked_span

__all__ = ["file_plan", "text_plan"]

_TEXT = ("Content-Type", "text/plain; charset=utf-8")


def file_plan(asked: Asked, file: File, *, chunked: bool = False) -> Plan:
    """What a well-behaved server answers to `asked` about that file, in chunks or with its length announced."""
    if asked.method not in ("GET", "HEAD"):
        return text_plan(asked, 405, (("Allow", "GET, HEAD"),))
    size = len(file.data)
    told = (("Accept-Ranges", "bytes"), ("ETag", file.etag)) if file.etag else ()
    coding = (("Content-Encoding", file.coding),) if file.coding else ()
    headers = (("Content-Type", file.kind), *coding, *told)
    span: Span | Unsatisfiable | None = None
    # Section 14.2: a Range means something for GET only, and If-Range (13.1.5) only lets it through when it names
    # exactly what is there; there are no dates here to compare with.
    if file.etag and asked.method == "GET" and asked.headers.get("if-range", file.etag).strip() == file.etag:
        span = asked_span(asked.headers.get("range"), size)
    if isinstance(span, Unsatisfiable):
        return text_plan(asked, 416, (("Content-Range", f"bytes */{size}"), *told), file)
    body = file.data if span is None else file.data[span.first : span.stop]
    if span is not None:
        headers = (*headers, ("Content-Range", span.content_range(size)))
    return Plan(
        status=200 if span is None else 206,
        headers=headers,
        length=None if chunked else len(body),
        chunked=chunked,
        file=file,
        body=(Send(body),) if len(body) and asked.method == "GET" else (),
    )


def text_plan(asked: Asked, status: int, headers: tuple[tuple[str, str], ...] = (), file: File | None = None) -> Plan:
    """A status with a short text, in the place of a file."""
    text = memoryview(f"{status}\n".encode())
    body = () if asked.method == "HEAD" else (Send(text),)
    return Plan(status, (_TEXT, *headers), length=len(text), file=file, body=body)
