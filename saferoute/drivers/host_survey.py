"""What stands around the process that could act on it: variables, entry points, files that Python runs by itself, file modes.

Only presence is looked at, never a variable's value; nothing that is found is run.
"""

from __future__ import annotations

import os
import site
import stat
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from saferoute.drivers.environment import present

__all__ = ["IGNORED", "OWNING", "STARTUP", "HostSurvey", "loose_modes", "survey"]

IGNORED: Final = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "OPENAI_BASE_URL", "OPENAI_API_BASE",
    "ANTHROPIC_BASE_URL", "AZURE_OPENAI_ENDPOINT", "GOOGLE_GEMINI_BASE_URL", "MISTRAL_BASE_URL", "COHERE_BASE_URL", "OLLAMA_HOST",
    "AWS_ENDPOINT_URL", "LITELLM_PROXY_API_BASE", "PYTHON_KEYRING_BACKEND", "KEYRING_PROPERTY_PREFERRED_COLLECTION",
    "KEYRING_PROPERTY_APPID", "KEYCHAIN_PATH",
)  # fmt: skip
"""Variables that other libraries let change where calls or keys go; nothing of ours reads them."""

OWNING: Final = (
    "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH", "GCONV_PATH",
    "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONUSERBASE",
    "PYTHONPYCACHEPREFIX",
)  # fmt: skip
"""Variables with which somebody else's code runs in this process; nothing here can defend against them.

Loaders, OpenSSL (a provider or an engine is a shared library) and Python itself read them.
"""

STARTUP: Final = ("sitecustomize", "usercustomize")
"""Modules that Python imports by itself at every start."""

_GROUPS: Final = ("pydantic", "keyring.backends", "opentelemetry_context", "opentelemetry_propagator", "opentelemetry_tracer_provider")
_OWN: Final = ("keyring.backends.", "opentelemetry.")


@dataclass(frozen=True, slots=True)
class HostSurvey:
    """What was found.

    Attributes:
        ignored: variables that are set, and that nothing of ours reads.
        owning: variables that are set, and that put code into this process.
        keys: variables that are set, and that usually hold a provider's key.
        entry_points: "group: name = value" of plug-ins that some dependency would load and does not bring itself.
        startup_files: `.pth` files that run code at every start of this Python.
        startup_modules: `sitecustomize` and its kin, where they are installed.
    """

    ignored: tuple[str, ...]
    owning: tuple[str, ...]
    keys: tuple[str, ...]
    entry_points: tuple[str, ...]
    startup_files: tuple[str, ...]
    startup_modules: tuple[str, ...]


def survey(key_variables: tuple[str, ...]) -> HostSurvey:
    """Look around.

    Args:
        key_variables: names of variables that usually hold a provider's key.
    """
    plugins = [f"{group}: {point.name} = {point.value}" for group in _GROUPS for point in entry_points(group=group) if _is_foreign(point)]
    return HostSurvey(
        present(IGNORED),
        present(OWNING),
        present(key_variables),
        tuple(sorted(set(plugins))),
        tuple(_startup_files()),
        tuple(name for name in STARTUP if _is_installed(name)),
    )


def _is_foreign(point: EntryPoint) -> bool:
    return not point.value.startswith(_OWN)


def _is_installed(name: str) -> bool:
    """Whether Python would find such a module; it is not imported, nor is anything asked that could run code of it."""
    return any((Path(folder) / f"{name}.py").is_file() or (Path(folder) / name / "__init__.py").is_file() for folder in sys.path)


def _startup_files() -> list[str]:
    """The `.pth` files in the folders where Python looks for them that hold a line of code."""
    folders = {*site.getsitepackages(), site.getusersitepackages()} & set(sys.path)
    found = []
    for folder in sorted(folders):
        for path in sorted(Path(folder).glob("*.pth")):
            try:
                with path.open(encoding="utf-8-sig", errors="replace") as lines:  # as `site` does: whole, and past a byte order mark
                    runs = any(line.startswith(("import ", "import\t")) for line in lines)
            except OSError:
                continue
            if runs:
                found.append(str(path))
    return found


def loose_modes(path: str) -> str:
    """What is loose about a file's mode, its folder included, in words; "" for nothing, or where modes mean nothing."""
    if os.name != "posix":
        return ""
    ours = (os.geteuid(), 0)
    try:
        status = Path(path).stat()
        # A link's own folder too: who may write there puts another link in its place.
        folders = [folder.stat() for folder in (Path(path).resolve().parent, Path(path).absolute().parent)]
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror or type(error).__name__}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{path} can be written by others than its owner (chmod go-w)"
    for folder in folders:
        if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
            return f"the folder of {path} can be written by everybody (chmod o-w)"
        if folder.st_mode & stat.S_IWGRP and not folder.st_mode & stat.S_ISVTX:
            return f"the folder of {path} can be written by a group (chmod g-w)"
        if folder.st_uid not in ours:
            return f"the folder of {path} belongs to another user"
    if status.st_uid not in ours:
        return f"{path} belongs to another user"
    return ""
