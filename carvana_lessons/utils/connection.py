"""Why something could not be fetched over the network, and the cure; for whatever library tried.

The libraries (requests, urllib3, kagglehub) say what failed, in OpenSSL's words, and not what to do about it.

Of a variable that names a proxy only the name is told: its address may hold a password.
"""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

WRONG_TIME = (9, 10)  # OpenSSL's codes: not yet valid, has expired
WRONG_NAME = (62, 64)  # of another host, of another address
TIMEOUTS = {"Timeout", "TimeoutError", "ConnectTimeoutError", "ReadTimeoutError"}
BROKEN_OFF = {"ConnectionError", "ChunkedEncodingError", "IncompleteRead", "ProtocolError", "URLError", "HTTPException"}


def explain_connection(error: BaseException, site: str, what: str, bundle: str) -> str | None:
    """What went wrong between this computer and a site.

    Args:
        error: what requests, urllib3, urllib or the standard library raised.
        site: whose it is, "Kaggle" for example.
        what: was to be fetched.
        bundle: the variable in which the library looks for further certificates.

    Returns:
        a sentence without its full stop, ``…: cure``; None if the connection was not at fault.
    """
    links = list(_links(error))
    kinds = {kind.__name__ for link in links for kind in type(link).__mro__}
    text = " ".join(str(link) for link in links)
    status = _status(links)
    found = _of_certificates(links, kinds, text, site, bundle) or _of_proxies(status, kinds, text, site)
    if found or status:
        return found or _of_status(status, site)
    if any(isinstance(link, socket.gaierror) for link in links) or "NameResolutionError" in kinds:
        return (
            f"{site} could not be reached for {what}, its name is not known here: check the connection to the "
            "internet, and the name server"
        )
    if "TooManyRedirects" in kinds:
        return f"{site} was not reached, the answers lead in a circle: log in to this network with a browser"
    if kinds & TIMEOUTS or "timed out" in text:
        return f"{site} could not be reached for {what} in time: check the connection, or try again later"
    if kinds & BROKEN_OFF:
        return f"{site} could not be reached for {what}: check the connection"
    return None


def _status(links: list[BaseException]) -> int | None:
    """The HTTP status behind exceptions of requests, kagglehub or urllib."""
    for link in links:
        for status in (getattr(getattr(link, "response", None), "status_code", None), getattr(link, "code", None)):
            if isinstance(status, int) and 100 <= status < 600:
                return status
    return None


def _links(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it was made of; each library has its own way to keep them."""
    seen, waiting = [], [error]
    while waiting:
        link = waiting.pop(0)
        if isinstance(link, BaseException) and not any(link is other for other in seen):
            seen.append(link)
            yield link
            waiting += [getattr(link, "reason", None), *link.args, link.__cause__, link.__context__]


def _of_certificates(links: list, kinds: set[str], text: str, site: str, bundle: str) -> str | None:
    refused = next((link for link in links if isinstance(link, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        why = refused.verify_message
        if refused.verify_code in WRONG_TIME:
            return (
                f"The certificate of {site} is not valid at this computer's time ({why}): set date and time right; "
                "if they are, a proxy of this network that decrypts connections shows an old certificate"
            )
        if refused.verify_code in WRONG_NAME:
            return (
                f"Another computer answered in the place of {site} ({why}): log in to the network with a browser, if "
                "it wants that, or use another network"
            )
        return _of_bundle(bundle) or (
            f"The certificate of {site} is not trusted ({why}): a proxy or a virus scanner opens encrypted connections "
            f"here; ask its administrator for its certificate and {_where_to_put(bundle)}"
        )
    if "invalid path" in text and "certificate bundle" in text:  # requests: an OSError, before anything is sent
        named = " and ".join(name for name in (bundle, "CURL_CA_BUNDLE") if os.environ.get(name, "?") in text)
        return f"A file of certificates that is set does not exist: correct {named}, or unset it"
    if "SSLError" in kinds:
        why = re.search(r"\[SSL: (\w+)\]", text)
        return _of_bundle(bundle) or (
            f"The encrypted connection to {site} failed ({why[1] if why else 'no answer in TLS'}): check "
            f"{_proxies() or 'the proxy, if this network has one'}, whose address mostly begins with http://"
        )
    return None


def _set(bundle: str) -> tuple[str, str]:
    """The variable that names further certificates, and what it is set to; requests knows a second one."""
    names = (bundle, "CURL_CA_BUNDLE") if bundle == "REQUESTS_CA_BUNDLE" else (bundle,)
    return next(((name, os.environ[name]) for name in names if os.environ.get(name)), (bundle, ""))


def _of_bundle(bundle: str) -> str | None:
    """What is wrong with the file of certificates that is set; urllib passes over such a file in silence."""
    name, path = _set(bundle)
    if not path or Path(path).is_dir():
        return None
    if not Path(path).exists():
        return f"A file of certificates that is set does not exist: correct {name}, or unset it"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # ssl's own are OSErrors too
        return (
            f"{path}, which {name} names, holds no certificate in PEM (-----BEGIN CERTIFICATE-----): ask for it in "
            f"that form, correct {name}, or unset it"
        )
    return None


def _where_to_put(bundle: str) -> str:
    name, path = _set(bundle)
    if not path:
        return f"set {name} to that .pem file"
    if Path(path).is_dir():
        return f"set {name} to that .pem file, in place of the folder {path}"
    return f"put it into the file that {name} names ({path})"


def _of_proxies(status: int | None, kinds: set[str], text: str, site: str) -> str | None:
    named = _proxies()
    if status == 407 or "Tunnel connection failed: 407" in text:
        return (
            f"The proxy on the way to {site} wants a name and a password (407): put them into "
            f"{named or 'HTTPS_PROXY'}, as http://NAME:PASSWORD@HOST:PORT"
        )
    if "Missing dependencies for SOCKS" in text:
        return "The proxy is one of the kind SOCKS: run `pip install pysocks`"
    if kinds & {"InvalidProxyURL", "ProxySchemeUnknown", "InvalidURL", "LocationParseError"} and named:
        return f"The address of the proxy is none: write {named} as http://HOST:PORT, or unset it"
    if "ProxyError" in kinds or "Tunnel connection failed" in text:
        status = re.search(r"Tunnel connection failed: (\d+)", text)
        if status:
            return f"The proxy does not let {site} through ({status[1]}): ask its administrator, or use another network"
        named = named or "the proxy of this system"
        return f"The proxy on the way to {site} does not answer: correct {named}, or unset it"
    return None


def _of_status(status: int, site: str) -> str | None:
    if status == 429:
        return f"{site} was asked too often (429): wait an hour"
    if status >= 500:
        return f"{site} has a fault of its own at this moment ({status}): wait some minutes"
    return None


def _proxies() -> str:
    """The variables that name a proxy for encrypted connections, as far as they are set."""
    names = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    return " and ".join(name for name in names if os.environ.get(name))
