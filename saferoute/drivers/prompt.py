"""Asking a person for a key or a passphrase, without echo, at a terminal or in a notebook."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from saferoute.errors import SecretError, SecretStoreLocked
from saferoute.secrets.lookup import StoreAbsent
from saferoute.secrets.secret import Passphrase, Secret, SecretRecord, make_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PromptSource", "ask_hidden", "ask_passphrase", "somebody_is_there"]

_NOBODY = "nobody can be asked: standard input is not a terminal, and this is not a notebook"


def somebody_is_there() -> bool:
    """Whether this process has a terminal on standard input, or runs in a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is not None:
        return True
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # no standard input at all, or a closed one
        return False


def ask_hidden(question: str) -> str:
    """Ask without echo; an empty answer is "".

    Raises:
        StoreAbsent: nobody is there.
        SecretError: the terminal cannot turn its echo off.
    """
    import getpass  # noqa: PLC0415  only those who are asked pay
    import warnings  # noqa: PLC0415

    if not somebody_is_there():
        raise StoreAbsent(_NOBODY)
    with warnings.catch_warnings():
        # getpass warns and goes on, with echo, where it cannot turn echo off.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(question).strip()
        except EOFError:
            return ""
        except getpass.GetPassWarning:
            pass
    msg = "this terminal cannot hide what is typed; nothing was asked"
    raise SecretError(msg)


def ask_passphrase(what: str, *, twice: bool) -> Passphrase:
    """Ask for the passphrase of a vault; twice, and compared, when the vault is new.

    Raises:
        SecretStoreLocked: nobody is there, nothing was typed, or the two differ.
        SecretError: the terminal cannot turn its echo off.
    """
    try:
        made = _typed_passphrase(what, twice=twice)
    except StoreAbsent as error:
        made = f"the vault needs its passphrase, and {error.message}. Give Secrets.vault() a passphrase or a key_file"
    if isinstance(made, str):
        raise SecretStoreLocked(made)
    return made


def _typed_passphrase(what: str, *, twice: bool) -> Passphrase | str:
    first = ask_hidden(f"Passphrase for {what}: ")
    again = ask_hidden("The same passphrase again: ") if twice and first else first
    try:
        return Passphrase(first) if first == again else "the two passphrases differ"
    except SecretError as error:
        return error.message


class PromptSource:
    """Asks once for each secret whose origin is known, and remembers the answer in memory; an empty answer means "none"."""

    __slots__ = ("_answers", "_ask", "_lock", "_origins", "label")

    def __init__(self, origins: Mapping[str, tuple[str, ...]], *, ask: Callable[[str], str] = ask_hidden) -> None:
        """Make the source.

        Args:
            origins: the names that may be asked for, and where each may go.
            ask: asks one question.
        """
        self.label = "what was typed in"
        self._origins = dict(origins)
        self._ask = ask
        self._answers: dict[str, SecretRecord | None] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> SecretRecord | None:
        """Ask for a secret, unless it was asked for before.

        Raises:
            StoreAbsent: nobody is there.
            SecretError: what was typed is no key.
        """
        with self._lock:
            if name not in self._answers and name in self._origins:
                self._answers[name] = self._asked(name)
            return self._answers.get(name)

    def _asked(self, name: str) -> SecretRecord | None:
        origins = self._origins[name]
        answer = self._ask(f"Key for {name} (goes to {', '.join(origins)} only; not shown; empty for none): ")
        secret = make_secret(answer) if answer else None
        del answer
        if isinstance(secret, str):
            msg = f"the key typed for {name}: {secret}"
            raise SecretError(msg)
        return SecretRecord(name, secret, origins) if isinstance(secret, Secret) else None

    def names(self) -> tuple[str, ...]:
        """The names that were answered with a key."""
        return tuple(name for name, record in self._answers.items() if record is not None)

    def forget(self, name: str) -> None:
        """Ask again the next time."""
        with self._lock:
            self._answers.pop(name, None)

    def why_absent(self, name: str) -> str:
        """Why asking gave nothing, for the words of an error."""
        if name not in self._origins:
            return f'It was not asked for, as its origin is not known: Secrets.prompt(origins={{"{name}": "https://..."}}) tells it.'
        return "" if name in self._answers else f"{_NOBODY[0].upper()}{_NOBODY[1:]}."
