"""The operating system's keyring, through backends of the `keyring` package that are named here and no others.

`keyring.get_keyring()` is never called: it lets PYTHON_KEYRING_BACKEND, a keyringrc.cfg or an installed plug-in hand every key to
foreign code. The backends are built directly, as subclasses whose properties are set here, because KEYRING_PROPERTY_* and
KEYCHAIN_PATH act on a directly built backend as well.

A key is stored as JSON {v, secret, origins, revision} under the service "saferoute/<name>", with {previous: {secret, until}} while the
overlap of a rotation lasts. A record of its own lists the names, as
keyrings cannot all be searched. There is no lock over processes: two that add different names in the same instant may leave one name
out of the list (the key itself is found all the same, and rotating it lists it again).
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Literal, Protocol

from saferoute.errors import ConfigurationError, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.lookup import StoreAbsent, StoredKey
from saferoute.secrets.secret import Previous, Secret, SecretRecord, bound_origins, check_name, key_to_store, make_secret
from saferoute.signing import strict_json
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.signing.strict_json import StrictJson

__all__ = ["Backend", "KeyringStore", "system_backend"]

_SERVICE = "saferoute"
_INDEX = "INDEX"  # no name of a secret has upper case
_FIELDS = {"origins", "previous", "revision", "secret", "v"}
_WINDOWS_CHARACTERS = 1_280  # 2,560 bytes of UTF-16
_LOCKED = {"KeyringLocked", "LockedException", "PromptDismissedException", "InitError"}
_VAULT = 'the vault needs none: saferoute.keys.add(..., store="vault"), then secrets="vault"'


class Backend(Protocol):
    """What is used of a keyring backend."""

    def get_password(self, service: str, username: str) -> str | None:
        """Read."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Write."""

    def delete_password(self, service: str, username: str) -> None:
        """Delete."""


def system_backend(platform: str = sys.platform) -> Backend:
    """Build the backend of this machine.

    Raises:
        StoreAbsent: it has none that is allowed.
    """
    candidates = {"darwin": (_macos,), "win32": (_windows,)}.get(platform, (_secret_service, _kwallet))
    reasons = []
    for build in candidates:
        try:
            return build()
        except Exception as error:  # noqa: BLE001  raw errors of D-Bus and of missing system libraries come out of backends
            said = str(error)[:160] if isinstance(error, RuntimeError) else type(error).__name__  # no key has been near it yet
            reasons.append(f"{build.__name__.strip('_').replace('_', ' ')}: {said}")
    raise StoreAbsent(f"This machine has no keyring that saferoute uses ({'; '.join(reasons)}); {_VAULT}.")


def _built(kind: Any, **properties: object) -> Backend:  # noqa: ANN401  the backends' classes have no common typed form
    """Build a backend whose properties are the class's own and ours, whatever the environment says."""
    if kind.priority <= 0:
        raise StoreAbsent("it is not usable")
    # Made by the backend's own metaclass, which also lists it for everybody's keyring.get_keyring(): taken off that list again.
    ours = type(kind)(f"Saferoute{kind.__name__}", (kind,), {"set_properties_from_env": lambda _: None, **properties})
    getattr(kind, "_classes", set()).discard(ours)
    backend: Backend = ours()
    return backend


def _secret_service() -> Backend:
    from keyring.backends.SecretService import Keyring  # noqa: PLC0415

    return _built(Keyring, appid=_SERVICE, scheme="default")


def _kwallet() -> Backend:
    from keyring.backends.kwallet import DBusKeyring  # noqa: PLC0415

    return _built(DBusKeyring, appid=_SERVICE, wallet=None)


def _macos() -> Backend:
    from keyring.backends.macOS import Keyring  # noqa: PLC0415

    return _built(Keyring, keychain=None)  # read from KEYCHAIN_PATH when the module is imported


def _windows() -> Backend:
    from keyring.backends.Windows import WinVaultKeyring  # noqa: PLC0415

    backend: Any = _built(WinVaultKeyring)
    backend.persist = "local machine"  # the default roams to other machines of the domain
    store: Backend = backend
    return store


class KeyringStore:
    """The keyring as a source and a store. The backend is built when it is first needed."""

    __slots__ = ("_backend", "_build", "_lock", "_platform", "label")

    def __init__(self, build: Callable[[], Backend] = system_backend, *, platform: str = sys.platform) -> None:
        """Describe the store; nothing is imported or opened.

        Args:
            build: builds the backend; raises StoreAbsent if the machine has none.
            platform: as `sys.platform`.
        """
        self.label = "the keyring"
        self._build = build
        self._platform = platform
        self._backend: Backend | None = None
        self._lock = threading.RLock()

    def find(self, name: str) -> SecretRecord | None:
        """Read one secret.

        Raises:
            StoreAbsent: this machine has no keyring.
            SecretStoreLocked: it stays locked.
            SecretError: it failed, or what it holds was not stored by saferoute.
        """
        text = self._get(check_name(name))
        record = None if text is None else _record(name, text)
        del text
        if record == "":
            msg = (
                f"the keyring's entry {_SERVICE}/{name} was not written by saferoute: it has no origin. "
                f'Take it out with saferoute.keys.remove("{name}") and store it with saferoute.keys.add("{name}")'
            )
            raise SecretError(msg)
        return record if isinstance(record, SecretRecord) else None

    def names(self) -> tuple[str, ...]:
        """The names that were stored.

        Raises:
            SecretError: as in `find`.
        """
        text = self._get(_INDEX)
        try:
            names = strict_json.parse(text.encode())["names"] if text else []
            if isinstance(names, list):
                return tuple(check_name(name) for name in names if isinstance(name, str))
        except (Refused, KeyError, ConfigurationError):
            names = None
        msg = f"the keyring's entry {_SERVICE}/{_INDEX}, the list of names, is damaged; take it out and add the keys again"
        raise SecretError(msg)

    def holding(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which of these names are in the list of names: one question, where `find` asks one for each.

        Raises:
            SecretError: as in `find`.
        """
        listed = frozenset(self.names())
        return tuple(name for name in names if name in listed)

    def forget(self, name: str) -> None:
        """Nothing: the keyring is asked every time."""

    def why_absent(self, _: str) -> str:
        """Why there is no keyring, for the words of an error."""
        try:
            self._opened()
        except StoreAbsent as error:
            return error.message
        return ""

    def holds(self, name: str) -> bool:
        """Whether there is an entry of this name, ours or not.

        Raises:
            SecretError: as in `find`.
        """
        return self._get(check_name(name)) is not None

    def stored(self) -> tuple[StoredKey, ...]:
        """What is stored, without the keys.

        Raises:
            SecretError: as in `find`.
        """
        records = [self.find(name) for name in self.names()]
        return tuple(_stored(record) for record in records if record is not None)

    def add(self, record: SecretRecord) -> StoredKey:
        """Store a new secret.

        Raises:
            SecretError: as in `find`, and if there is one of that name.
        """
        with self._lock:
            if self.holds(record.name):
                msg = f'the keyring has a key for {record.name} already; saferoute.keys.rotate("{record.name}") puts another in its place'
                raise SecretError(msg)
            return self._put(SecretRecord(record.name, record.secret, bound_origins(record.origins), record.revision))

    def rotate(self, record: SecretRecord, *, until: int | None = None) -> StoredKey:
        """Put a new secret in the place of the one of the same name; origins stay, the revision counts up.

        Args:
            record: the new secret.
            until: seconds since the epoch up to which the old one is kept beside it; None drops the old one now.

        Raises:
            SecretNotFound: there is none of that name.
            SecretError: as in `find`.
        """
        with self._lock:
            old = self._existing(record.name)
            previous = None if until is None else Previous(old.secret, until)
            return self._put(SecretRecord(record.name, record.secret, old.origins, old.revision + 1, previous))

    def remove(self, name: str) -> StoredKey:
        """Take a secret out.

        Raises:
            SecretNotFound: there is none of that name.
            SecretError: as in `find`.
        """
        with self._lock:
            text = self._get(check_name(name))
            if text is None:
                raise self._no_key(name)
            # A foreign entry can be taken out as well, else nobody could follow the advice to do so.
            record = _record(name, text)
            del text
            self._ask("delete_password", f"{_SERVICE}/{name}", name)
            self._list([other for other in self.names() if other != name])
            return _stored(record) if isinstance(record, SecretRecord) else StoredKey(name, (), 0, "keyring")

    def _existing(self, name: str) -> SecretRecord:
        record = self.find(name)
        if record is None:
            raise self._no_key(name)
        return record

    def _no_key(self, name: str) -> SecretNotFound:
        return SecretNotFound(f'the keyring has no key for {name}; saferoute.keys.add("{name}") stores one')

    def _put(self, record: SecretRecord) -> StoredKey:
        # The list first: a listed name without a key is passed over, a key without its name would not be shown.
        self._list([*self.names(), record.name])
        self._set(record.name, _text(record))
        return _stored(record)

    def _list(self, names: list[str]) -> None:
        self._set(_INDEX, strict_json.canonical({"names": [*sorted(set(names))], "v": 1}).decode())

    def _get(self, name: str) -> str | None:
        return self._ask("get_password", f"{_SERVICE}/{name}", name)

    def _set(self, name: str, text: str) -> None:
        if self._platform == "win32" and len(text) > _WINDOWS_CHARACTERS:
            del text
            msg = f"Windows keeps at most {_WINDOWS_CHARACTERS} characters in a credential, and {name} needs more; {_VAULT}"
            raise SecretError(msg)
        problem = self._attempt("set_password", f"{_SERVICE}/{name}", name, text)
        del text  # no traceback that shows this frame's locals shows the key
        if isinstance(problem, SecretError):
            raise problem

    def _opened(self) -> Backend:
        with self._lock:
            if self._backend is None:
                self._backend = self._build()
            return self._backend

    def _ask(self, what: Literal["get_password", "delete_password"], *arguments: str) -> str | None:
        answer = self._attempt(what, *arguments)
        if isinstance(answer, SecretError):
            raise answer
        return answer

    def _attempt(self, what: Literal["get_password", "set_password", "delete_password"], *arguments: str) -> str | SecretError | None:
        """Call the backend, and return what it answers or a fresh error: its own holds keys in its frames, and so does this frame."""
        try:
            answer = getattr(self._opened(), what)(*arguments)
        except StoreAbsent as error:
            return StoreAbsent(error.message)
        except Exception as error:  # noqa: BLE001  backends raise what their system raises
            return _problem(error)
        return answer if isinstance(answer, str) else None


def _problem(error: Exception) -> SecretError:
    kind = type(error).__name__
    if kind in _LOCKED:
        return SecretStoreLocked(f"the keyring is locked and was not unlocked ({kind}). Unlock it by logging in to the desktop; {_VAULT}")
    return SecretError(f"the keyring failed ({kind}). If this machine has no desktop session, {_VAULT}")


def _stored(record: SecretRecord) -> StoredKey:
    overlap = None if record.previous is None else record.previous.until
    return StoredKey(record.name, record.origins, record.revision, "keyring", overlap)


def _text(record: SecretRecord) -> str:
    secret = key_to_store(record.secret).decode("ascii")
    fields: dict[str, StrictJson] = {"origins": [*record.origins], "revision": record.revision, "secret": secret, "v": 1}
    if record.previous is not None:
        fields["previous"] = {"secret": key_to_store(record.previous.secret).decode("ascii"), "until": record.previous.until}
    return strict_json.canonical(fields).decode()


def _record(name: str, text: str) -> SecretRecord | Literal[""]:
    """Read a stored record; "" if it is none. Nothing is raised from here: this frame holds the key."""
    try:
        fields = strict_json.parse(text.encode())
        if fields["v"] != 1 or not fields.keys() <= _FIELDS:
            return ""
        origins, revision = fields["origins"], fields["revision"]
        if not isinstance(origins, list) or not _is_count(revision):
            return ""
        secret, where = _secret(fields["secret"]), bound_origins([str(origin) for origin in origins])
        previous = _previous(fields["previous"]) if "previous" in fields else None
    except (Refused, KeyError, TypeError, UnicodeEncodeError, ConfigurationError):
        return ""
    if secret is None or (previous is None and "previous" in fields):
        return ""
    return SecretRecord(name, secret, where, revision, previous)  # type: ignore[arg-type]  # a count


def _previous(value: StrictJson) -> Previous | None:
    if not isinstance(value, dict) or value.keys() != {"secret", "until"} or not _is_count(value["until"]):
        return None
    secret = _secret(value["secret"])
    return None if secret is None else Previous(secret, value["until"])  # type: ignore[arg-type]  # a count


def _secret(value: StrictJson) -> Secret | None:
    made = make_secret(value) if isinstance(value, str) else None
    return made if isinstance(made, Secret) else None


def _is_count(value: StrictJson) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
