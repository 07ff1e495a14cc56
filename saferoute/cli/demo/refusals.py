"""The demo's second part: what is refused, each before a byte has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.cli.demo.stage import Step, expect, routes, tell
from saferoute.errors import CapabilityForbidden, NoRoute, OriginMismatch, UntrustedTable

if TYPE_CHECKING:
    from saferoute.cli.demo.stage import Stage

__all__ = ["REFUSALS"]


def _unknown_route(stage: Stage) -> None:
    message = stage.refused(NoRoute, lambda: stage.client.chat("cheap-model-from-the-web", "Hello"))
    tell('client.chat("cheap-model-from-the-web", "Hello")', f"NoRoute: {message}")
    tell("No call has a parameter for an address either: where calls go is signed.")


def _tampered_table(stage: Stage) -> None:
    project, _ = stage.main
    changed = bytearray(project.bundle)
    place = len(changed) * 3 // 4  # within the table's base64
    changed[place] = ord("B") if changed[place] == ord("A") else ord("A")
    stage.write("tampered", project.root, bytes(changed))
    message = stage.refused(UntrustedTable, lambda: stage.open("tampered", project.sha256))
    tell(f"One of the {len(changed)} bytes of routes.json is changed, and the table is opened again.", f"UntrustedTable: {message}")


def _other_origin(stage: Stage) -> None:
    # The worst case: the table that points the key elsewhere is signed, and its signature is good.
    project = stage.publish("redirected", routes(stage.elsewhere.origin))
    client = stage.open("redirected", project.sha256)
    message = stage.refused(OriginMismatch, lambda: client.chat("gpt", "Hello"))
    expect(not stage.elsewhere.saw_key(stage.key), "the other server saw the key")
    tell(f"A table, signed with the right key, sends the same key to {stage.elsewhere.origin} (a second server that listens).")
    tell(f"OriginMismatch: {message}", "The second server got no request, and has not seen the key.")


def _no_grant(stage: Stage) -> None:
    project = stage.publish("bare", routes(stage.provider.origin, grant=False))
    client = stage.open("bare", project.sha256)
    message = stage.refused(CapabilityForbidden, lambda: client.chat("gpt", "Hello"))
    tell("A signed table without [grant]: routes alone allow nothing.", f"CapabilityForbidden: {message}")


REFUSALS = (
    Step("A route that is not in the table", _unknown_route, part="WHAT IS REFUSED, before anything is sent"),
    Step("A table with one byte changed", _tampered_table),
    Step("A key that is asked to go somewhere else", _other_origin),
    Step("A call that nothing allows", _no_grant),
)
