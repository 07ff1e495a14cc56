"""saferoute, from this checkout.

It has no base URL to give. What a caller of the others does with one is done here in the nearest way there is, and where there is none,
through every door that such a caller would try.
"""

import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import saferoute
from saferoute.routing.authoring import build
from saferoute.routing.publish import new_root, pin, sign_release
from saferoute.signing.keys import PrivateKey

warnings.simplefilter("ignore")  # Client.local() says that it is for prototypes
ROUTE = "openai/gpt-4o-mini"
OPENAI = "https://api.openai.com"


def _local(base, key):
    if base is None:  # *_BASE_URL is set: the catalogue's own provider, with its key
        return saferoute.Client.local(secrets=saferoute.Secrets.of({"openai": (key, OPENAI)})), ROUTE
    url = urlsplit(base)
    server = saferoute.loopback("probe", port=url.port, path=url.path, secret="probe")
    secrets = saferoute.Secrets.of({"probe": (key, f"http://127.0.0.1:{url.port}")})
    return saferoute.Client.local(servers=[server], secrets=secrets), "probe/gpt-4o-mini"


def chat(base, key, prompt):
    if key is None:
        return _every_door(base, prompt)
    client, route = _local(base, key)
    with client:
        return client.chat(route, prompt).text


def stream(base, key, prompt):
    client, route = _local(base, key)
    with client, client.stream(route, prompt) as events:
        yield from events.text()


def _every_door(base, prompt):
    """Send the key of the environment to `base`: by each parameter that could, and by a server that names its secret."""
    url = urlsplit(base)

    def ask(route=ROUTE, making=None, **options):
        with saferoute.Client.local(secrets="env", **(making or {})) as client:
            return client.chat(route, prompt, **options).text

    server = saferoute.loopback("mine", port=url.port, path=url.path, secret="openai")
    doors = [
        *({"making": {name: base}} for name in ("base_url", "api_base", "endpoint", "proxy")),
        *({name: base} for name in ("base_url", "api_base", "endpoint", "proxy", "origin", "url")),
        {"headers": {"host": url.netloc}},
        *({"provider_options": {name: base}} for name in ("base_url", "api_base")),
        {"provider_options": {"extra_body": {"base_url": base}}},
        {"route": base + "/gpt-4o-mini"},
        {"route": "openai/" + base},
        {"route": "openai/gpt-4o-mini@" + url.netloc},
        {"route": "mine/gpt-4o-mini", "making": {"servers": [server]}},
    ]
    refused = []
    for door in doors:
        try:
            ask(**door)
        except (saferoute.SaferouteError, TypeError) as error:
            refused.append(f"{next(iter(door))}: {type(error).__name__}")
    if len(refused) == len(doors):
        raise PermissionError("every door is closed: " + ", ".join(refused))
    return "answered through a door"


def limited(base, key, prompt, attempts):
    """One call of an alias for which a signed table allows this many requests."""
    url = urlsplit(base)
    table = build(
        f"""
        [routes.row]
        provider = "probe"
        dialect = "openai_chat"
        origin = "http://127.0.0.1:{url.port}"
        path = "{url.path}"
        net = "loopback"
        model = "gpt-4o-mini"
        auth = "bearer"
        secret = "probe"
        data = "internal"
        [aliases.limited]
        targets = ["row"]
        max_attempts = {attempts}
        [grant]
        data = "internal"
        """
    )
    root_key, table_key, now = PrivateKey.generate(), PrivateKey.generate(), int(time.time())
    root = new_root("probe", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
    with TemporaryDirectory() as folder:
        Path(folder, "root.json").write_bytes(root)
        Path(folder, "routes.json").write_bytes(sign_release(root, [table], version=1, now=now, signers=[table_key]))
        trust = saferoute.Trust.pinned(Path(folder, "root.json"), sha256=pin(root))
        secrets = saferoute.Secrets.of({"probe": (key, f"http://127.0.0.1:{url.port}")})
        with saferoute.Client(Path(folder, "routes.json"), trust=trust, secrets=secrets, data="internal") as client:
            return client.chat("limited", prompt).text
