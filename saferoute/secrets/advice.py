"""What to do about a key that no place holds. The advice fits what was tried: nothing is suggested that the caller has given already."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from saferoute.secrets.aws_places import AwsEnvironmentPlace, AwsProfilePlace
from saferoute.secrets.sources import DefaultPlace, EnvironmentPlace, KeyringPlace, VaultPlace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.secrets.sources import CatalogueEnv, Place

__all__ = ["advice", "either", "variables_read"]


_AWS_FORM: Final = "A stored AWS key is ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind it for temporary keys."


def either(words: Sequence[str]) -> str:
    """Join words: "a", "a or b", "a, b or c"."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def variables_read(names: Sequence[str], places: Sequence[Place], catalogue: CatalogueEnv) -> list[str]:
    """The environment variables that these places would have taken one of these secrets from."""
    found: list[str] = []
    for place in places:
        if isinstance(place, EnvironmentPlace):
            if place.variables is None:
                found += [variable for name in names for variable in catalogue.get(name, ((), ""))[0]]
            else:
                found += [variable for name, variable, _ in place.variables if name in names]
    return list(dict.fromkeys(found))


def advice(names: Sequence[str], places: Sequence[Place], catalogue: CatalogueEnv, origin: str | None, *, signs: bool = False) -> str:
    """Say how to get one of these secrets to where it is found.

    Args:
        names: the secret, or several of which one would do; the first is the example.
        places: those that were tried and that this machine has.
        catalogue: what the catalogue knows.
        origin: where the secret would have gone; None if no call was made yet, because `Client.local` found no key at all. Only then is
            `Client.local` named: who calls under a signed table must not be led to drop it.
        signs: it is an AWS key, for a row with auth = "sigv4".
    """
    store, command = _adding(names[0], names[0] in catalogue, places, origin or "https://...")
    kept = any(isinstance(place, DefaultPlace | KeyringPlace | VaultPlace) for place in places)
    stores = [store, command] if kept else [f"{store} or {command} with secrets= left out"]
    if signs:
        return f"{_for_aws(names[0], stores, places, origin or 'https://...')} {_AWS_FORM}"
    if variables := variables_read(names, places, catalogue):
        return f"Set {either(variables)} before the client is made, or use {_one_of(stores)}."
    if names[0] in catalogue:
        environment = 'Client.local(secrets="env")' if origin is None else 'secrets="env"'
        return f"Use {_one_of([environment, *stores])}."
    environment = f'secrets=Secrets.from_env({{"{names[0]}": ("THE_VARIABLE", "{origin or "https://..."}")}})'
    return f"Use {_one_of([*stores, environment])}."


def _for_aws(name: str, stores: Sequence[str], places: Sequence[Place], where: str) -> str:
    """Where AWS' own tools keep keys is read by a program that says so; a place that was tried already is not suggested again."""
    given = f'origins="{where}"' + ("" if name == "aws" else f', name="{name}"')
    read = [place for place in places if isinstance(place, AwsEnvironmentPlace) and place.name == name]
    tried = any(isinstance(place, AwsProfilePlace) and place.name == name for place in places)
    ways = [*stores]
    ways += [] if read else [f"secrets=Secrets.from_aws_env({given})"]
    ways += [] if tried else [f"secrets=Secrets.from_aws_profile({given})"]
    if read:
        return f"Set {' and '.join(read[0].variables[:2])} before the client is made, or use {_one_of(ways)}."
    return f"Use {_one_of(ways)}."


def _adding(name: str, known: bool, places: Sequence[Place], where: str) -> tuple[str, str]:  # noqa: FBT001  private, and one of a kind
    """The call and the command that put the key where it was looked for."""
    arguments, options = [json.dumps(name)], [name]
    if not known:
        arguments.append(f'origins="{where}"')
        options += ["--origin", where]
    store = next((place for place in places if isinstance(place, DefaultPlace | KeyringPlace | VaultPlace)), None)
    if isinstance(store, VaultPlace) and store.path is None and store.key_file is None:
        arguments.append('store="vault"')
        options += ["--store", "vault"]
    elif isinstance(store, VaultPlace):
        given = [] if store.path is None else [json.dumps(store.path, ensure_ascii=False)]
        options += [] if store.path is None else ["--vault", shlex.quote(store.path)]
        given += [] if store.key_file is None else [f"key_file={json.dumps(store.key_file, ensure_ascii=False)}"]
        options += [] if store.key_file is None else ["--passphrase-file", shlex.quote(store.key_file)]
        arguments.append(f"store=Secrets.vault({', '.join(given)})")
    return f"saferoute.keys.add({', '.join(arguments)})", f"`python -m saferoute keys add {' '.join(options)}`"


def _one_of(ways: Sequence[str]) -> str:
    comma = "," if len(ways) > 2 or any(" or " in way for way in ways) else ""  # noqa: PLR2004  "a, b, or c", "a or b"
    return f"{', '.join(ways[:-1])}{comma} or {ways[-1]}" if len(ways) > 1 else ways[0]
