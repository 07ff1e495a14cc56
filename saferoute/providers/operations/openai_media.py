"""Sound and pictures of OpenAI and of the servers that speak like it: transcription, speech, images.

Transcription is a form (multipart/form-data, RFC 7578). Its boundary is a parameter, random, and in none of the parts; what a caller
names the file is cut down to letters, digits, dots and dashes, so that nothing in it can end its header.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import RequestError
from saferoute.providers.operations.asking import JSON, opened, post_json
from saferoute.providers.operations.contract import Answered, Step, ask
from saferoute.providers.operations.openai import deployment_path, named
from saferoute.providers.operations.reading import number, objects, wrong
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import Notice
from saferoute.values.http import HttpRequest
from saferoute.values.json import as_mapping, as_text, decode, integer
from saferoute.values.media_types import media_type_of
from saferoute.values.messages import Image
from saferoute.values.recordings import Segment
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import ImageRequest, Plan, SpeakRequest, TranscribeRequest
    from saferoute.values.http import Head
    from saferoute.values.target import Target

__all__ = ["form", "image", "safe_filename", "speak", "transcribe"]

_MOST_MEDIA_BYTES: Final = 64 * 1024 * 1024
_BOUNDARY: Final = re.compile(r"[A-Za-z0-9-]{16,70}")
_FIELD: Final = re.compile(r"[a-z_]+(?:\[\])?")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 100
_BEGIN: Final = 64  # how much of an answer tells text from sound
_SOUNDS: Final = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_SOUND_TYPE: Final = re.compile(r"audio/[a-z0-9.+-]{1,40}")
_MIME: Final = {"m4a": "audio/mp4", "webm": "audio/webm", "ogg": "audio/ogg", "mpeg": "audio/mpeg", "mpga": "audio/mpeg", **_SOUNDS}


def transcribe(request: TranscribeRequest, target: Target, _: Codec) -> Plan:
    """Write a recording down by POST /audio/transcriptions.

    Raises:
        RequestError: if the boundary could be found in a field: make a new one.
    """
    fields: dict[str, Any] = {**named(target), "response_format": "json"}
    if request.language is not None:
        fields["language"] = request.language
    if request.prompt is not None:
        fields["prompt"] = request.prompt
    extras = opened(request, target, {*fields, "model", "file"} - {"response_format"}, {"stream": "transcripts come whole"})
    fields |= extras
    kind = request.audio.format.lower()
    filename = safe_filename(request.filename or "", "audio." + _NOT_IN_NAMES.sub("", kind))
    body = form(fields, filename, _MIME.get(kind, "application/octet-stream"), request.audio.data, request.boundary)
    http = HttpRequest(
        method="POST",
        origin=target.origin,
        path=target.path + deployment_path(target, "/audio/transcriptions"),
        headers=(("content-type", f"multipart/form-data; boundary={request.boundary}"), ("accept", JSON), *target.headers),
        body=body,
        secret=target.secret,
        auth=target.auth,
        net=target.net,
    )
    found, usage = yield from ask(Step(http, lambda _, answer: _transcript(target, answer)))
    return Answered(found, usage=usage)


def safe_filename(name: str, otherwise: str) -> str:
    """A file's name without folders and without anything that could end a header: letters, digits, ".", "_" and "-"."""
    last = re.split(r"[/\\]", name)[-1]
    kept = _NOT_IN_NAMES.sub("_", last).lstrip(".")[-_LONGEST_NAME:]
    return kept if kept.strip("._-") else otherwise


def form(fields: Mapping[str, Any], filename: str, media_type: str, data: bytes, boundary: str) -> bytes:
    """Write a form with one file, named "file".

    Args:
        fields: texts, numbers, flags, or lists of them, which are written one by one.
        filename: as `safe_filename` made it.
        media_type: of the file.
        data: the file.
        boundary: what parts the fields; random.

    Raises:
        RequestError: for a boundary that is none or could be found in a field, and for fields that a form cannot hold.
    """
    if _BOUNDARY.fullmatch(boundary) is None:
        raise RequestError("the boundary of a form is 16 to 70 letters, digits and dashes")
    values: list[tuple[str, bytes]] = []
    for name, value in fields.items():
        values += [(name, _form_text(name, item)) for item in (value if isinstance(value, list | tuple) else (value,))]
    mark = boundary.encode("ascii")
    if any(mark in value for _, value in values) or mark in data:
        raise RequestError("the form's boundary stands in one of its fields: try again, a new one is made each time")
    parts = [b'--%s\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (mark, name.encode(), value) for name, value in values]
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{filename}"\r\ncontent-type: {media_type}\r\n\r\n'
    return b"".join([*parts, head.encode("ascii"), data, b"\r\n--%s--\r\n" % mark])


def _form_text(name: str, value: object) -> bytes:
    if _FIELD.fullmatch(name) is None:
        raise RequestError(f"{name[:60]!r} is no field of a form")
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if not isinstance(value, str | int | float):
        raise RequestError(f"the field {name!r} of a form holds a text, a number, a flag, or a list of them, not {type(value).__name__}")
    try:
        return str(value).encode()
    except UnicodeEncodeError:
        raise RequestError(f"the field {name!r} has half a surrogate pair, which is no text") from None


def _transcript(target: Target, body: Mapping[str, Any]) -> tuple[dict[str, Any], Usage]:
    text = body.get("text")
    if not isinstance(text, str):
        raise wrong(target, "without a transcript")
    raw = as_mapping(body.get("usage"))
    seconds = body.get("duration", raw.get("seconds"))
    pieces = objects(target, body, "segments") if "segments" in body and body["segments"] is not None else []
    segments = tuple(
        Segment(number(target, piece.get("start"), "time"), number(target, piece.get("end"), "time"), as_text(piece.get("text")))
        for piece in pieces
    )
    found = {
        "text": text,
        "language": as_text(body.get("language")) or None,
        "seconds": None if seconds is None else number(target, _plain_seconds(seconds), "duration"),
        "segments": segments,
    }
    return found, _usage(raw)


def _plain_seconds(value: object) -> object:
    """Some servers write the duration as a text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value


def _usage(raw: Mapping[str, Any]) -> Usage:
    read, written = integer(raw.get("input_tokens")), integer(raw.get("output_tokens"))
    if read is None:
        return Usage(raw=dict(raw))
    details = as_mapping(raw.get("input_token_details"))
    return usage_from_totals(input_tokens=read, output_tokens=written, input_audio=integer(details.get("audio_tokens")) or 0, raw=dict(raw))


def speak(request: SpeakRequest, target: Target, _: Codec) -> Plan:
    """Speak a text by POST /audio/speech."""
    fields: dict[str, Any] = {**named(target), "input": request.text, "voice": request.voice, "response_format": request.format}
    if request.speed is not None:
        fields["speed"] = request.speed
    if request.instructions is not None:
        fields["instructions"] = request.instructions
    fields |= opened(request, target, {*fields, "model"}, {"stream_format": "speech comes whole"})

    def read(head: Head, data: bytes) -> dict[str, Any]:
        said = head.headers.get("content-type", "").partition(";")[0].strip().lower()
        if said == "application/octet-stream" or not said:
            _no_text(target, head, data)
            said = _SOUNDS.get(request.format, "application/octet-stream")
        elif _SOUND_TYPE.fullmatch(said) is None:
            raise wrong(target, "something that is not sound")
        if not data:
            raise wrong(target, "no sound")
        return {"data": data, "media_type": said}

    http = post_json(target, deployment_path(target, "/audio/speech"), fields, accept="audio/*")
    return Answered((yield from ask(Step(http, read, "bytes", _MOST_MEDIA_BYTES))))


def _no_text(target: Target, head: Head, data: bytes) -> None:
    """Sound that does not say to be sound may be an error in JSON, or a page.

    Raises:
        ProviderError: for an error.
        ProtocolError: for any other text.
    """
    begin = data[:_BEGIN].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if not begin.startswith((b"{", b"<")) or _NO_TEXT.search(begin):  # raw samples may begin with any byte, but hold others soon
        return
    try:
        body = as_mapping(decode(data))
    except ValueError:
        body = {}
    if body.get("error"):
        raise provider_error(head, complaint_in(body), provider_name=target.provider_name)
    raise wrong(target, "something that is not sound")


def image(request: ImageRequest, target: Target, _: Codec) -> Plan:
    """Make pictures by POST /images/generations."""
    asked = {"size": request.size, "quality": request.quality, "output_format": request.format}
    fields: dict[str, Any] = {**named(target), "prompt": request.prompt, "n": request.n}
    fields |= {name: value for name, value in asked.items() if value is not None}
    fields |= opened(request, target, {*fields, "model"}, {"stream": "pictures come whole"})
    http = post_json(target, deployment_path(target, "/images/generations"), fields)

    def read(_: Head, body: Mapping[str, Any]) -> tuple[dict[str, Any], Usage]:
        items = objects(target, body, "data")
        if not 0 < len(items) <= request.n:
            raise wrong(target, f"{len(items)} pictures for {request.n} asked for")
        said = as_text(body.get("output_format"))
        found = {
            "images": tuple(_picture(target, item, said or request.format or "") for item in items),
            "revised_prompts": tuple(as_text(item.get("revised_prompt")) for item in items),
        }
        return found, _usage(as_mapping(body.get("usage")))

    found, usage = yield from ask(Step(http, read, most=_MOST_MEDIA_BYTES))
    came = len(found["images"])
    notices = (Notice("noted", "n", f"{request.n} pictures were asked for, and {came} came"),) if came < request.n else ()
    return Answered(found, usage=usage, notices=notices)


def _picture(target: Target, item: Mapping[str, Any], said: str) -> Image:
    url = item.get("url")
    if isinstance(url, str) and url:
        if not url.startswith("https://"):
            raise wrong(target, "a picture at an address that is not https")
        return Image(url=url)
    try:
        data = b64decode(as_text(item.get("b64_json")), validate=True)
    except ValueError:
        data = b""
    if not data:
        raise wrong(target, "a picture that is neither base64 nor an address")
    media_type = media_type_of(data, f"picture.{said}") or ""
    if not media_type.startswith("image/"):
        raise wrong(target, "a picture that is of no known kind")
    return Image(data=data, media_type=media_type)
