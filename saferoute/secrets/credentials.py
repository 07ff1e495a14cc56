"""What a transport asks: the ready credential header for one origin, found or made once and remembered."""

from __future__ import annotations

import itertools
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING

from typing_extensions import override

from saferoute.errors import OriginMismatch, SecretError
from saferoute.secrets.kept import WatchedRecord, may_remake, refused
from saferoute.secrets.minting import reveal
from saferoute.secrets.overlap import OverlapEnd, overlap_of
from saferoute.secrets.secret import Uncopied, check_bound, credential_header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.secrets.kept import Kept, Watch
    from saferoute.secrets.lookup import Sources
    from saferoute.secrets.overlap import Overlap
    from saferoute.secrets.secret import Hidden, Secret, SecretRecord
    from saferoute.secrets.signer import Signer
    from saferoute.values.credential import CredentialSpec
    from saferoute.values.http import AuthScheme

__all__ = ["Credentials"]

_NONE_MADE: Mapping[str, CredentialSpec] = MappingProxyType({})


class Credentials(Uncopied):
    """Headers out of sources. A keyring or vault is asked once for each (name, scheme, origin), not once a call.

    It is asked again after what it gave was refused (`forget`); a place that can tell is also asked whether it changed (`WatchedRecord`).

    A name of the table's `credentials` is never looked up: what was made under it is kept here (`keep`), by the driver that made it.

    Safe in threads: a header that is ready is read without a lock; those that are not are looked up one after the other.
    """

    __slots__ = (
        "_exchange", "_kept", "_kept_signers", "_lent", "_lock", "_looked", "_numbers", "_overlaps", "_ready", "_refused", "_signers",
        "_sources", "_watches", "epoch", "made",
    )  # fmt: skip

    def __init__(self, sources: Sources, made: Mapping[str, CredentialSpec] = _NONE_MADE) -> None:
        """Take the sources of stored secrets.

        Args:
            sources: where stored secrets are.
            made: the table's credentials by name; kept in `made`.

        `epoch` counts look-ups; a request's refusal is reported with the count at its beginning.
        """
        self.made = made
        self.epoch = 0
        self._looked: dict[str, int] = {}
        self._overlaps: dict[str, Overlap] = {}
        self._watches: dict[str, Watch] = {}
        self._refused: dict[str, float] = {}
        self._sources = sources
        self._ready: dict[tuple[str, AuthScheme, str], tuple[bytes, bytes]] = {}
        self._signers: dict[tuple[str, str], Signer] = {}
        self._kept: dict[str, Kept] = {}
        self._kept_signers: dict[tuple[str, str], tuple[Kept, Signer]] = {}
        self._lent: dict[str, tuple[str, bytes, Hidden]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._exchange = threading.Lock()  # never held while anything waits: an event loop takes it

    @override
    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._sources.labels)})"

    # -------------------------------------------------------------------------------------------- what a transport asks

    def cached(self, name: str, auth: AuthScheme, origin: str) -> tuple[bytes, bytes] | Signer | None:
        """The header of a stored secret, or its signer, if it is ready; never waits. An async driver asks this first.

        None also when it is time to ask the secret's place whether it changed, which `look_up` does.
        """
        if self._watches and (watch := self._watches.get(name)) is not None and watch.is_due():
            return None
        return self._ready.get((name, auth, origin)) or (self._signers.get((name, origin)) if auth == "sigv4" else None)

    def look_up(self, name: str, auth: AuthScheme, origin: str) -> None:
        """Make a stored secret ready; the first time it may wait for a keyring, a derivation or a person. In a thread, if need be.

        Raises:
            SecretError, ConfigurationError: as `header` and `signer`.
        """
        if name in self._watches:
            self._look_at(name)
        if auth == "sigv4":
            self.signer(name, origin)
        else:
            self.header(name, auth, origin)

    def header(self, name: str, auth: AuthScheme, origin: str) -> tuple[bytes, bytes]:
        """The credential's header for exactly this origin; the first time it may wait for a keyring, a derivation or a person.

        Raises:
            SecretNotFound: no source holds it.
            OriginMismatch: it is not bound to this origin.
            SecretError: a source does not open (SecretStoreLocked) or is damaged; nothing was made under a name of the table's.
            ConfigurationError: that is no name, or the scheme presents no secret.
        """
        wanted = (name, auth, origin)
        ready = self._ready.get(wanted)
        if ready is not None:
            return ready
        if name in self.made:
            return credential_header(self._made_for(name, origin).record, auth, origin)
        if name in self._lent:
            return self._lent_header(name, origin)
        # The lock is held over the whole look-up: `forget` then cannot run between reading the old key and remembering it.
        with self._lock:
            ready = self._ready.get(wanted)
            if ready is None:
                ready = self._ready[wanted] = credential_header(self._looked_up(name, origin), auth, origin)
        return ready

    def signer(self, name: str, origin: str) -> Signer:
        """What signs requests to exactly this origin with an AWS key; the first time it may wait, as `header`.

        Raises:
            SecretNotFound: no source holds it.
            OriginMismatch: it is not bound to this origin.
            SecretError: it is not an AWS key; a source does not open or is damaged; nothing was made under a name of the table's.
            ConfigurationError: that is no name, or the origin is no AWS address.
        """
        ready = self._signers.get((name, origin))
        if ready is not None:
            return ready
        from saferoute.secrets.signer import make_signer  # noqa: PLC0415  for AWS only

        if name in self.made:
            kept = self._made_for(name, origin)
            of, signer = self._kept_signers.get((name, origin), (None, None))
            if signer is None or of is not kept:
                signer = make_signer(kept.record, origin)
                self._kept_signers[name, origin] = (kept, signer)
            return signer
        with self._lock:
            ready = self._signers.get((name, origin))
            if ready is None:
                ready = self._signers[name, origin] = make_signer(self._looked_up(name, origin, signs=True), origin)
        return ready

    def _looked_up(self, name: str, origin: str, *, signs: bool = False) -> SecretRecord:
        """Find what is about to be remembered; the lock is held."""
        if (two := self._overlaps.get(name)) is not None:  # for another origin too, the one whose turn it is
            return two.record()
        record = self._found(name, origin, signs=signs)
        if (overlap := overlap_of(record)) is not None:
            self._overlaps[name] = overlap
        self.epoch += 1
        self._looked[name] = self.epoch
        if isinstance(record, WatchedRecord):
            earlier = self._watches.get(name)
            if earlier is not None and earlier.stamp != record.watch.stamp:
                self._drop(name)  # what is ready for other origins is of the old content
            self._watches[name] = record.watch
        return record

    def switch(self, name: str, epoch: int, clock: Callable[[], float]) -> Overlap | None:
        """Have the other revision of a refused key presented from now on, if its store keeps two; until a refusal, or the overlap's end.

        Args:
            name: which.
            epoch: `epoch` as it was before the request that was refused. If somebody has switched since, that is the other one.
            clock: seconds since the epoch.

        Returns:
            What is presented now; None if there is no other.
        """
        with self._lock:
            two = self._overlaps.get(name)
            if two is not None and self._looked.get(name, 0) <= epoch:
                two = two.other(clock())
                if two is not None:
                    self._drop(name)
                    self._overlaps[name] = two
                    self.epoch += 1
                    self._looked[name] = self.epoch
                    if two.presents_previous:
                        self._watches[name] = OverlapEnd(two.previous.until, clock)
            return two

    def _look_at(self, name: str) -> None:
        with self._lock:
            watch = self._watches.get(name)
            if watch is not None and watch.is_due() and watch.has_changed():
                self._drop(name)

    def _found(self, name: str, origin: str, *, signs: bool = False) -> SecretRecord:
        record = self._sources.find(name)
        if record is None:
            raise self._sources.missing(name, origin=origin, signs=signs)
        return record

    # ------------------------------------------------------------------------------------------------- what is made

    def renew(self, made: Mapping[str, CredentialSpec]) -> None:
        """Take the credentials of another table. What was made is kept where its row is the same."""
        with self._exchange:
            for name, spec in self.made.items():
                if made.get(name) != spec:
                    self._kept.pop(name, None)
            self.made = made
        with self._lock:
            for name in made:  # a name that is made from now on is not presented as it was stored
                self._drop(name)

    def check_made(self, name: str, origin: str) -> CredentialSpec:
        """The row of a made credential, if it may go to this origin.

        Raises:
            OriginMismatch: it may not.
        """
        spec = self.made[name]
        if origin not in spec.origins:
            raise OriginMismatch(
                f"the credential {name!r} is made for {', '.join(spec.origins)} and was asked to go to {origin}. Nothing was sent; the "
                "routing table says where it may go (`origins`)"
            )
        return spec

    def material(self, spec: CredentialSpec) -> Secret | None:
        """What a credential is made from, read anew each time: a file may have been rotated.

        Raises:
            SecretNotFound: no source holds it.
            OriginMismatch: it is not bound to the origin that makes the credential.
            SecretError: a source does not open (SecretStoreLocked) or is damaged.
        """
        if spec.secret is None:
            return None
        with self._lock:
            record = self._found(spec.secret, spec.origin)
        check_bound(record, spec.origin)
        return record.secret

    def kept(self, name: str) -> Kept | None:
        """What is remembered under a name of the table's."""
        return self._kept.get(name)

    def keep(self, kept: Kept) -> None:
        """Remember what was made."""
        self._kept[kept.record.name] = kept

    def replace(self, old: Kept, new: Kept) -> bool:
        """Put one in the place of another, unless a third is there by now; say whether that was done."""
        with self._exchange:
            current = self._kept.get(old.record.name) is old
            if current:
                self._kept[old.record.name] = new
        return current

    def refuse(self, kept: Kept, now: float) -> None:
        """Note that its receiver did not accept it: the next call makes another, if no refusal led to one a moment ago.

        Until then it is still presented, so that callers get the receiver's own answer and the endpoint is not asked for every call.

        Args:
            kept: what was presented.
            now: seconds since the epoch.
        """
        name = kept.record.name
        if may_remake(self._refused.get(name), now) and self.replace(kept, refused(kept)):
            self._refused[name] = now

    def _made_for(self, name: str, origin: str) -> Kept:
        self.check_made(name, origin)
        kept = self._kept.get(name)
        if kept is None:
            raise SecretError(f"the credential {name!r} was not made yet: only a client's own transport makes it; nothing was sent")
        return kept

    # ------------------------------------------------------------------------------------- what an exchange presents

    def lend(self, header: str, value: Hidden, origin: str) -> str:
        """Have `header` give this header, to this origin, under a name that no secret can have, until it is taken back."""
        name = f"!{next(self._numbers)}"
        self._lent[name] = (origin, header.encode("ascii"), value)
        return name

    def take_back(self, name: str) -> None:
        """End what `lend` began."""
        self._lent.pop(name, None)

    def _lent_header(self, name: str, origin: str) -> tuple[bytes, bytes]:
        where, header, value = self._lent[name]
        if where != origin:
            raise OriginMismatch(f"what an exchange with {where} presents was asked to go to {origin}. Nothing was sent")
        return header, reveal(value)

    # ------------------------------------------------------------------------------------------------------ upkeep

    def after_fork(self) -> None:
        """In a forked child: a lock that another thread of the parent held would never be released here."""
        self._lock = threading.Lock()
        self._exchange = threading.Lock()

    def forget(self, name: str, epoch: int | None = None) -> None:
        """Drop what is remembered of a secret, after it was rotated or refused; the next call looks again, or makes another.

        Args:
            name: which.
            epoch: `epoch` as it was before the request that was refused; what was looked up later was not refused, and stays.
        """
        with self._lock:
            if epoch is not None and self._looked.get(name, 0) > epoch:
                return
            self._drop(name)
            self._kept.pop(name, None)
            self._sources.forget(name)

    def _drop(self, name: str) -> None:
        """Drop what is ready of a stored secret; the lock is held."""
        for wanted in [wanted for wanted in self._ready if wanted[0] == name]:
            del self._ready[wanted]
        for place in [place for place in self._signers if place[0] == name]:
            del self._signers[place]
        self._watches.pop(name, None)
        self._overlaps.pop(name, None)
