"""The probes: what each does, and what is concluded from what the sinks saw. A cell is (verdict, detail).

Verdicts: "safe", or what happened. A cell that could not be measured says "not measured" and why; nothing is concluded from silence
unless an ordinary call of the same peer went through (`control`).
"""

import json
import os
import re
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sinks import CHAT, MESSAGES, TEXT, Sink, cuts, shows, stream

HERE = Path(__file__).resolve().parent
PROMPT = "what-the-probe-asks-7f3a"
LIMITS = (1, 2, 4)
TIMEOUT = 180
NOT_MEASURED = "not measured"

PROBES = {
    "environment_key": "the environment's key goes to a base URL that the caller gives",
    "redirect": "a cross-origin 307 is followed with the key or the body",
    "proxy": "`HTTP_PROXY` of the environment receives the key (plain-http target)",
    "control_characters": "a key with CR/LF is shown in the traceback or the debug log",
    "environment_url": "`*_BASE_URL` of the environment redirects the key",
    "attempts": "requests on the wire for one call against 429",
    "cut_streams": "streams that were cut short and raise an error",
}


@dataclass(frozen=True)
class Peer:
    """Who is probed, and the variables that it reads."""

    name: str
    adapter: str
    distribution: str
    wire: str = CHAT
    key: str = "OPENAI_API_KEY"
    urls: tuple = ("OPENAI_BASE_URL", "OPENAI_API_BASE")


PEERS = (
    Peer("saferoute", "saferoute_here.py", "saferoute-sdk"),
    Peer("openai", "openai_sdk.py", "openai"),
    Peer("anthropic", "anthropic_sdk.py", "anthropic", MESSAGES, "ANTHROPIC_API_KEY", ("ANTHROPIC_BASE_URL",)),
    Peer("any-llm", "any_llm_sdk.py", "any-llm-sdk"),
    Peer("aisuite", "aisuite_sdk.py", "aisuite"),
    Peer("pydantic-ai", "pydantic_ai_sdk.py", "pydantic-ai-slim"),
    Peer("mirascope", "mirascope_sdk.py", "mirascope"),
    Peer("litellm", "litellm_sdk.py", "litellm"),
)


class NotMeasuredError(Exception):
    """Nothing can be concluded; the text says why."""


@dataclass(frozen=True)
class Runner:
    """One peer in its environment."""

    peer: Peer
    python: str
    home: str

    def ask(self, action, bases, key, *, variables=None, attempts=0):
        """Run the adapter on each base; give its answers, and everything that it printed and logged."""
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
        environment = {**kept, "HOME": self.home, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **(variables or {})}
        asked = {"action": action, "bases": bases, "key": key, "prompt": PROMPT, "attempts": attempts}
        command = [self.python, "-I", "-B", str(HERE / "child.py"), str(HERE / "peers" / self.peer.adapter)]
        try:
            done = subprocess.run(
                command,
                input=json.dumps(asked),
                capture_output=True,
                text=True,
                env=environment,
                timeout=TIMEOUT,
                cwd=self.home,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotMeasuredError(f"no end after {TIMEOUT} s") from None
        found = re.search(r"^PROBE (.*)$", done.stdout, re.MULTILINE)
        if found is None:
            raise NotMeasuredError("the adapter did not run: " + (done.stderr.strip().splitlines() or ["no output"])[-1][:200])
        said = json.loads(found[1])
        return said["answers"], said["log"] + done.stdout.replace(found[0], "") + done.stderr


def _canary():
    return "sk-canary-" + secrets.token_hex(16)


def control(run):
    """An ordinary call and an ordinary stream work, and the key arrives where it belongs."""
    key = _canary()
    with Sink() as sink:
        for action in ("chat", "stream"):
            (answer,), _ = run.ask(action, [sink.base()], key)
            if answer["outcome"] != "answer" or answer["text"].strip() != TEXT:
                raise NotMeasuredError(f"an ordinary {action} does not work: {answer['text'][:100]}")
        if not sink.saw(key):
            raise NotMeasuredError("an ordinary call does not show its key")


def environment_key(run):
    key = _canary()
    with Sink() as sink:
        (answer,), _ = run.ask("chat", [sink.base()], None, variables={run.peer.key: key})
        if sink.saw(key):
            return "leak", "the sink received the key"
        if answer["outcome"] == "answer" and not sink.seen:
            raise NotMeasuredError("an answer without a request")
        return "safe", "nothing was sent" if not sink.seen else "sent without the key"


def redirect(run):
    key = _canary()
    with Sink() as first, Sink() as second:
        run.ask("chat", [first.base(f"to-{second.port}")], key)
        if not first.seen:
            raise NotMeasuredError("the first request did not arrive")
        if second.saw(key):
            return "key", "the other origin received the key"
        if any(PROMPT.encode() in body for _, body in second.seen):
            return "body", "the other origin received the prompt, without the key"
        return "safe", "refused" if not second.seen else "followed with neither key nor prompt"


def proxy(run):
    key = _canary()
    with Sink() as target, Sink() as between:
        address = f"http://127.0.0.1:{between.port}"
        run.ask("chat", [target.base()], key, variables={"HTTP_PROXY": address, "http_proxy": address, "ALL_PROXY": address})
        if between.saw(key):
            return "leak", "the proxy received the key"
        if not target.seen and not between.seen:
            raise NotMeasuredError("nothing was sent, directly or through the proxy")
        return "safe", "straight to the target" if not between.seen else "through the proxy without the key"


def control_characters(run):
    key = _canary()
    with Sink() as sink:
        (answer,), log = run.ask("chat", [sink.base()], key + "\r\nx-probe: 1")
        shown = [place for place, text in (("traceback", answer.get("traceback", "")), ("log", log)) if shows(key, text.encode())]
        if shown:
            return "leak", "shown in the " + " and the ".join(shown)
        if any(b"\nx-probe:" in head.lower() for head, _ in sink.seen):
            return "leak", "the key's second line was sent as a header"
        if answer["outcome"] == "answer":
            return "safe", "sent without the line end"
        return "safe", f"refused with {answer['text']}"


def environment_url(run):
    key = _canary()
    with Sink() as sink:
        (answer,), _ = run.ask("chat", [None], key, variables=dict.fromkeys(run.peer.urls, sink.base()))
        if sink.saw(key):
            return "leak", "the sink received the key"
        if answer["outcome"] == "answer":
            raise NotMeasuredError("an answer without the key")
        if "stays on loopback" not in answer["traceback"] and "ConnectFailed" not in answer["traceback"]:
            raise NotMeasuredError(f"no attempt to reach the provider is visible: {answer['text']}")
        return "safe", "it went for the provider's own address"


def attempts(run):
    key = _canary()
    if run.peer.name == "saferoute":
        counts = []
        for allowed in LIMITS:
            with Sink() as sink:
                run.ask("limited", [sink.base("busy")], key, attempts=allowed)
                counts.append(len(sink.seen))
        told = ", ".join(f"{count} of {allowed}" for count, allowed in zip(counts, LIMITS, strict=True))
        return "safe" if tuple(counts) == LIMITS else "not what the table says", f"sent {told} that the signed table allows"
    with Sink() as sink:
        (answer,), _ = run.ask("chat", [sink.base("busy")], key)
        if answer["outcome"] == "answer" or not sink.seen:
            raise NotMeasuredError(f"no 429 was seen: {answer['text'][:100]}")
        return str(len(sink.seen)), "with its defaults"


def cut_streams(run):
    key = _canary()
    places = cuts(run.peer.wire)
    with Sink() as sink:
        whole = len(stream(run.peer.wire))
        answers, _ = run.ask("stream", [sink.base(f"cut-{at}") for at in [*places, whole]], key)
    if answers[-1]["text"].strip() != TEXT or answers[-1]["outcome"] != "answer":
        raise NotMeasuredError("the whole stream did not come back whole")
    raised = sum(answer["outcome"] == "error" for answer in answers[:-1])
    quiet = len(places) - raised
    told = f"{raised} of {len(places)} raised" + (f", {quiet} came back as quiet partial answers" if quiet else "")
    return "safe" if quiet == 0 else f"{raised} of {len(places)}", told


def _cell(run, name):
    try:
        verdict, detail = getattr(sys.modules[__name__], name)(run)
    except NotMeasuredError as error:
        verdict, detail = NOT_MEASURED, str(error)
    return {"verdict": verdict, "detail": detail}


def measure(run):
    """Every probe of one peer, as {probe: {"verdict", "detail"}}."""
    try:
        control(run)
    except NotMeasuredError as error:
        return {name: {"verdict": NOT_MEASURED, "detail": str(error)} for name in PROBES}
    return {name: _cell(run, name) for name in PROBES}
