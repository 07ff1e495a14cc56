"""The client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from saferoute.call.flow import call_flow
from saferoute.call.guarding import judgement_flow
from saferoute.client.facade import Facade, Remaining
from saferoute.client.opening import Wishes, open_local, open_production
from saferoute.client.operations import Operations
from saferoute.drivers.background import close_all
from saferoute.drivers.blocking import BlockingRun, Stream, run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from typing_extensions import Unpack

    from saferoute.client.capability import Capability, Issuer
    from saferoute.client.core import Core
    from saferoute.drivers.accounts import Accounts
    from saferoute.drivers.exchange import Transport
    from saferoute.drivers.ledger import Ledger
    from saferoute.routing.trust import Trust
    from saferoute.secrets.sources import SecretsSpec
    from saferoute.telemetry import Telemetry
    from saferoute.values.conversation import Messages
    from saferoute.values.guarding import Guard, Stage
    from saferoute.values.judgement import Judgement
    from saferoute.values.options import CallOptions, Money
    from saferoute.values.output import JsonSchema
    from saferoute.values.receipt import Receipt
    from saferoute.values.reply import Reply
    from saferoute.values.report import Report
    from saferoute.values.request import DataLabel
    from saferoute.values.server import Server
    from saferoute.values.template import Template

__all__ = ["Client"]

T = TypeVar("T")


class Client(Facade, Operations):
    """One API for every provider in a signed routing table. Safe to share between threads.

    Where a call may go, and with which key, is the table's business: neither this class nor any call has a parameter for it.

    Example:
        >>> import warnings, saferoute
        >>> from saferoute.testing import EmbeddedProvider
        >>> with EmbeddedProvider() as provider, warnings.catch_warnings(action="ignore"):
        ...     with saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as client:
        ...         client.chat("demo/any-model", "hello").finish_reason
        'stop'
    """

    __slots__ = ()

    def __init__(
        self,
        table: str | Path,
        *,
        trust: Trust,
        secrets: SecretsSpec = None,
        capability: Capability | None = None,
        data: DataLabel | None = None,
        audience: str | None = None,
        accounts: Accounts | None = None,
        state: str | Path | None = None,
        telemetry: Telemetry = None,
        hooks: Sequence[object] = (),
        guards: Sequence[Guard] | None = (),
        ledger: Ledger | Literal["memory"] | None = "memory",
        tags: Mapping[str, str] | None = None,
        transport: Literal["own", "h11"] = "own",
    ) -> None:
        """Open a signed routing table.

        Args:
            table: path of the bundle that `saferoute table sign` wrote.
            trust: the pinned root that says whose signatures count.
            secrets: where keys are: "keyring", "vault", "env", "prompt", a `Secrets`, or several in order; None is the keyring, or the
                default vault on a machine that has no keyring.
            capability: what every call is made under; the table's grant then does not count.
            data: label of calls that carry none of their own.
            audience: this client's name, which capabilities and grants may be bound to; None for the table's name.
            accounts: where budgets are counted: `saferoute.Accounts.memory()`, which is the default, `.sqlite(path)` for all processes of
                this host, `.redis(url)` for all hosts.
            state: a folder where the newest table that was accepted is remembered, so that no older one is taken; None for the user's own
                state folder. Without one that can be written, `min_table_version` of the trust is all there is.
            telemetry: an OpenTelemetry tracer provider, or `saferoute.telemetry.TelemetryOptions`; None uses the program's own if it has
                loaded an SDK; False never.
            hooks: what hears of every call: `saferoute.hooks.Hooks(...)`, or objects with any of its methods, in the order to be told.
            guards: what every text that goes out or comes back passes, after the guards that are on by default: secrets are taken out,
                hidden text is blocked, what would carry something off is taken out of answers, personal data is flagged. A guard that has
                the name of one of these stands in its place; None turns all of these off. See `saferoute.guards`.
            ledger: where every call is recorded, so that it can be proved afterwards: `saferoute.Ledger.directory("audit")` or one of its
                kin; "memory" gives receipts, and forgets them with the process; None records nothing.
            tags: words of yours about all calls, such as {"service": "billing"}; they are in records and costs.
            transport: "h11" reads answers with h11 instead of our own reader.

        Raises:
            RoutingError: UntrustedTable, TableExpired: the table does not verify now.
            CapabilityError: the capability does not verify under the table's root, or is not valid now.
            ConfigurationError: a file is missing, or the key sources make no sense.
        """
        wishes = Wishes(data, capability, None, audience, accounts, telemetry, guards, ledger, tags, hooks=hooks)
        self._begin(open_production(table, trust, secrets, state, wishes), transport)

    def _begin(self, core: Core, transport: Literal["own", "h11"]) -> None:
        from saferoute.drivers.background import Background  # noqa: PLC0415
        from saferoute.drivers.key_lookup import KeysFirst  # noqa: PLC0415
        from saferoute.drivers.transport import BlockingTransport  # noqa: PLC0415  sockets and TLS: needed by clients only

        self._core, self._parent, self._background = core, None, Background()
        connections = BlockingTransport(core.credentials, parser=transport)
        self._connected = connections.connected
        self._transport: Transport = KeysFirst(connections, core.credentials)
        self._closed = False

    @classmethod
    def local(
        cls,
        *,
        secrets: SecretsSpec = None,
        servers: Sequence[Server] = (),
        issuers: Sequence[Issuer] = (),
        capability: Capability | None = None,
        data: DataLabel | None = None,
        budget: Money | None = None,
        accounts: Accounts | None = None,
        telemetry: Telemetry = None,
        hooks: Sequence[object] = (),
        guards: Sequence[Guard] | None = (),
        ledger: Ledger | Literal["memory"] | None = "memory",
        tags: Mapping[str, str] | None = None,
        transport: Literal["own", "h11"] = "own",
    ) -> Self:
        """Make a client for a notebook or a prototype: the table is made and signed in memory, and trusted here only.

        It has a row for every provider whose key is found, and the aliases `fast` and `smart` for the first of them.

        Args:
            secrets: as for the constructor; None never looks into the environment.
            servers: model servers on this machine, of any dialect (`saferoute.loopback(...)`).
            issuers: whose capabilities this client takes.
            capability: what every call is made under.
            data: label of calls that carry none of their own.
            budget: what all calls of this client may cost, in US dollars; only rows with prices are then used.
            accounts: as for the constructor.
            telemetry: as for the constructor.
            hooks: as for the constructor.
            guards: as for the constructor.
            ledger: as for the constructor.
            tags: as for the constructor.
            transport: as for the constructor.

        Raises:
            SecretNotFound: no key and no server; the message says how to add one on this machine.
            ConfigurationError: SAFEROUTE_FORBID_LOCAL is set.
        """
        client = cls.__new__(cls)
        wishes = Wishes(data, capability, budget, None, accounts, telemetry, guards, ledger, tags, hooks=hooks)
        client._begin(open_local(secrets, servers, issuers, wishes), transport)  # noqa: SLF001  its own class
        return client

    @overload
    def chat(
        self, route: str, messages: Messages, *, output: type[T], system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Reply[T]: ...
    @overload
    def chat(
        self, route: str, messages: Messages, *, output: JsonSchema, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Reply[Any]: ...
    @overload
    def chat(
        self, route: str, messages: Messages, *, output: None = None, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Reply[None]: ...
    def chat(
        self,
        route: str,
        messages: Messages,
        *,
        output: type[Any] | JsonSchema | None = None,
        system: str | Template | None = None,
        **options: Unpack[CallOptions],
    ) -> Reply[Any]:
        """Ask, and wait for the whole answer.

        Args:
            route: an alias, a row id, or provider/model (`client.models()` lists them).
            messages: a text, or a list of messages; `[*reply.messages, "and then?"]` goes on with a conversation.
            output: what the answer must fit; it is then in `reply.parsed`: a pydantic model class, a dataclass, a TypedDict or a JSON
                Schema. The provider is told to enforce it, and the answer is checked here as well.
            system: instructions to put first.
            **options: see `saferoute.CallOptions`.

        Raises:
            RequestError: the arguments make no call; nothing was sent.
            RoutingError, CapabilityError, SecretError: the table, the grant or the keys do not allow it; nothing was sent.
            ProviderError, TransportError, ProtocolError: what went wrong on the way, with `error.attempts`.
        """
        call = self._core.call(route, messages, output, system, options, stream=False)
        return run(
            call_flow(call, time.monotonic()),
            self._transport,
            time.monotonic,
            time.sleep,
            self._core.observe(call),
            background=self._beside,
        )

    def judge(self, text: str, *, stage: Stage = "input") -> Judgement:
        """Ask this client's guards about a text, without a call. Nothing is refused, and nothing leaves; print the result, or show it.

        Args:
            text: what to judge.
            stage: as what: "input", "tool_result", "tool_call" (then the text is the arguments) or "output".

        Raises:
            RequestError: for what is no text, or a stage that is none.
        """
        flow = judgement_flow(self._core.shared.guards, text, stage)
        work = BlockingRun(flow, self._transport, time.monotonic, time.sleep, background=self._beside)
        work.advance()
        return cast("Judgement", work.result)

    @overload
    def stream(
        self, route: str, messages: Messages, *, output: type[T], system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Stream[T]: ...
    @overload
    def stream(
        self, route: str, messages: Messages, *, output: JsonSchema, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Stream[Any]: ...
    @overload
    def stream(
        self, route: str, messages: Messages, *, output: None = None, system: str | Template | None = None, **options: Unpack[CallOptions]
    ) -> Stream[None]: ...
    def stream(
        self,
        route: str,
        messages: Messages,
        *,
        output: type[Any] | JsonSchema | None = None,
        system: str | Template | None = None,
        **options: Unpack[CallOptions],
    ) -> Stream[Any]:
        """Ask, and get the answer while it arrives.

        It connects before it returns, and waits for the first content: what goes wrong until then is raised here, retried, or falls
        back, as for `chat`. Arguments and errors are those of `chat`; a stream that is cut off later raises StreamInterrupted with
        what had arrived in `error.partial`.
        """
        call = self._core.call(route, messages, output, system, options, stream=True)
        work = BlockingRun(call_flow(call, time.monotonic()), self._transport, time.monotonic, time.sleep, background=self._beside)
        return Stream(route, work, self._core.observe(call))

    def reload(self) -> None:
        """Read table, roots, status and revocations again. All of it has to verify, or nothing changes.

        Calls that have begun end on the table that they began with. What `using` made follows.

        Raises:
            RoutingError: something does not verify, has expired, or is older than what was accepted before.
            ConfigurationError: a file cannot be read.
            CapabilityForbidden: this client is narrowed.
        """
        self._reload()

    def explain(self, receipt: Receipt | str) -> str:
        """Say in words what became of a call: which route, row, model, table, capability, guards and templates, why, and for how much.

        Args:
            receipt: `reply.receipt` or `error.receipt`, or the id of one.

        Raises:
            RequestError: for what is no receipt.
            ConfigurationError: this client has no ledger, or it does not hold the record (any more).
            CapabilityForbidden: this is a part of a client, and the call was not made under its capability.
            LedgerError: the ledger cannot be read.
        """
        return self._explain(receipt)

    def remaining(self) -> tuple[Remaining, ...]:
        """How the budgets stand that every call of this client is charged to.

        Raises:
            CapabilityError: a capability is not valid now, or has to be counted more widely than this client counts.
            ConfigurationError: the accounts cannot be reached.
        """
        return self._remaining()

    def check(self, routes: Sequence[str] | None = None, *, connect: bool = False) -> Report:
        """Say whether calls could be made now, for the start of a program and for readiness probes: `client.check().ok`.

        The table is valid, the routes resolve, and their keys are there and bound to the right origins. No model is asked anything.

        Args:
            routes: the names that must work; None for every row of the table.
            connect: also connect to each row's host, with TLS, and send nothing.

        Raises:
            CapabilityForbidden: this client is narrowed.
        """
        return self._check(routes, connect=connect)

    def close(self) -> None:
        """Close the connections; what `using` made closes nothing. Safe to call twice."""
        if self._end():
            close_all(self._transport, self._core.shared.close, self._background)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if self._dropped():
            self.close()
