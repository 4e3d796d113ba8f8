"""The proxy between us and a provider, as the usual variables of the environment name it."""

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_from_environment(url: str) -> str | None:
    """The proxy that the usual variables name for `url`; looked up once, where aiohttp would do so for every call."""
    parts = urlsplit(url)
    if not parts.hostname or _is_loopback(parts.hostname) or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


def _is_loopback(host: str) -> bool:
    """A proxy has another loopback than ours."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
