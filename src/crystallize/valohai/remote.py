"""Objects elsewhere: what is there, in which version, and its bytes.

``http(s)://`` by the standard library, as URLs may have queries; ``s3://``, ``gs://`` and ``azure://`` by obstore. A
version is what the server says without sending contents: an ETag, else time and size. Knows no jobs.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from crystallize.errors import CrystallizeError
from crystallize.valohai.ignore import compiled

TIMEOUT_SECONDS = 60
TRIES = 4
"""How often a download goes on where it broke off, before it has failed."""
CHUNK_BYTES = 1 << 20
CHANGED = "it was changed since it was looked at"
_MAGIC = "*?["
_CREDENTIALS = (
    *("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION", "ENDPOINT"),
    *("SKIP_SIGNATURE", "VIRTUAL_HOSTED_STYLE_REQUEST", "ACCOUNT_NAME", "ACCOUNT_KEY", "SAS_TOKEN"),
    *("SERVICE_ACCOUNT", "SERVICE_ACCOUNT_KEY", "APPLICATION_CREDENTIALS"),
)
"""Ends of the variables that hold credentials and endpoints."""


class RemoteError(CrystallizeError):
    """An object cannot be listed or downloaded."""


class _ChangedError(OSError):
    """What comes is not the version that was asked about."""


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """One object, as it was when it was asked about."""

    uri: str
    path: str
    """In its store, or on its server, without a slash at the beginning."""
    below: str
    """Below the folder at which the reference's glob begins; its own name where there is no glob."""
    version: str
    """Differs when the contents do; empty when the server does not tell."""
    size_bytes: int | None
    """None when the server does not tell."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rstrip("/").rpartition("/")[2] or urlsplit(self.uri).netloc


class Remote:
    """Asks servers and object stores.

    Parameters
    ----------
    environ : credentials and endpoints, under the names that the providers' own tools use.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._stores: dict[str, Any] = {}

    def find(self, reference: str) -> list[RemoteObject]:
        """The objects that a reference stands for, by path.

        Raises RemoteError when there are none, or nobody answers.
        """
        with _told(reference):
            if reference.startswith(("http://", "https://")):
                return [_head(reference)]
            found = list(self._listed(reference))
        if not found:
            raise RemoteError(f"'{reference}' matches no object; check the bucket and the path")
        return sorted(found, key=lambda each: each.path)

    def download(self, item: RemoteObject, target: Path, on_retry: Callable[[str], None] = lambda text: None) -> None:
        """Puts the contents at `target`; goes on with what is there already when a download broke off.

        Raises RemoteError when it does not come whole; what came so far then stays at `target`.
        """
        said = ""
        for attempt in range(TRIES):
            try:
                self._fetch(item, target)
                return
            except (OSError, http.client.HTTPException, EOFError) as error:
                said = _in_words(error)
                if _is_final(error):
                    break
                if attempt < TRIES - 1:
                    on_retry(f"{item.uri}: {said}; going on with the rest")
        raise RemoteError(f"{item.uri} cannot be downloaded: {said}; try again, what came so far is kept")

    def _fetch(self, item: RemoteObject, target: Path) -> None:
        have = target.stat().st_size if target.exists() else 0
        # Without a version, what came so far may be of another one than the rest.
        if have and (not item.version or have > (item.size_bytes or have)):
            target.unlink()
            have = 0
        if item.size_bytes is None or have < item.size_bytes or not target.exists():
            chunks = self._chunks(item, have)
            with target.open("r+b" if have else "wb") as file:
                start = next(chunks)
                assert isinstance(start, int), "the first tells where the rest begins"
                file.seek(start)
                file.truncate()
                for chunk in chunks:
                    assert isinstance(chunk, bytes), "the rest are contents"
                    file.write(chunk)
        size = target.stat().st_size
        if item.size_bytes is not None and size < item.size_bytes:
            raise EOFError(f"it broke off after {size:,} of {item.size_bytes:,} bytes")
        if item.size_bytes is not None and size > item.size_bytes:
            target.unlink()
            raise _ChangedError(CHANGED)

    def _chunks(self, item: RemoteObject, have: int) -> Iterator[int | bytes]:
        """Where what comes begins, then what comes."""
        if item.uri.startswith(("http://", "https://")):
            yield from _http_chunks(item, have)
            return
        import obstore
        from obstore.exceptions import (
            BaseError,
            NotFoundError,
            PermissionDeniedError,
            PreconditionError,
            UnauthenticatedError,
        )

        store, path = self._store(item.uri)
        options: dict[str, Any] = {"range": {"offset": have}} if have else {}
        if item.version.startswith(('"', "W/")):
            options["if_match"] = item.version
        try:
            result = obstore.get(store, path, options=options)  # type: ignore[arg-type]
            _require_same(item, _version(result.meta))
            yield have
            for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        except PreconditionError as error:
            raise _ChangedError(CHANGED) from error
        except (NotFoundError, PermissionDeniedError, UnauthenticatedError) as error:
            raise PermissionError(str(error)) from error
        except BaseError as error:
            raise ConnectionError(str(error)) from error

    def _listed(self, reference: str) -> Iterator[RemoteObject]:
        import obstore

        store, pattern = self._store(reference)
        base = reference.removesuffix(pattern)
        fixed = pattern
        for sign in _MAGIC:
            fixed = fixed.partition(sign)[0]
        if fixed == pattern:
            yield _object(base, obstore.head(store, pattern), folder=pattern.rpartition("/")[0])
            return
        folder = fixed.rpartition("/")[0]
        below = pattern.removeprefix(f"{folder}/") if folder else pattern
        expression = compiled(below.replace("**", "**/*") if below.endswith("**") else below.replace("**.", "**/*."))
        for batch in obstore.list(store, prefix=folder or None):
            for about in batch:
                found = _object(base, about, folder)
                if expression.fullmatch(found.below):
                    yield found

    def _store(self, reference: str) -> tuple[Any, str]:
        """The store that a reference lies in, and its path there."""
        from obstore.store import from_url

        scheme, _, rest = reference.partition("://")
        bucket, _, path = rest.partition("/")
        if scheme == "azure":
            container, _, path = path.partition("/")
            url = f"azure://{container}"
            config: dict[str, Any] = {"account_name": bucket, **_config(self._environ, "AZURE_STORAGE_")}
        else:
            url = f"{scheme}://{bucket}"
            config = _config(self._environ, "AWS_" if scheme == "s3" else "GOOGLE_")
        if not (bucket and path):
            raise RemoteError(f"'{reference}' names no object; write {scheme}://bucket/path")
        key = f"{bucket} {url}"  # accounts may have containers of one name
        if key not in self._stores:
            endpoint = str(config.get("aws_endpoint", config.get("azure_storage_endpoint", "")))
            make: Any = from_url  # typed by provider
            plain = {"allow_http": True} if endpoint.startswith("http://") else {}
            self._stores[key] = make(url, config=config, client_options=plain)
        return self._stores[key], unquote(path)


def _config(environ: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Credentials and endpoints from variables, as obstore calls them."""
    found: dict[str, Any] = {
        f"{prefix}{name}".lower(): environ[prefix + name] for name in _CREDENTIALS if environ.get(prefix + name)
    }
    if environ.get(f"{prefix}ENDPOINT_URL"):
        found[f"{prefix}ENDPOINT".lower()] = environ[f"{prefix}ENDPOINT_URL"]
    return found


def _object(base: str, about: Any, folder: str) -> RemoteObject:
    path = str(about["path"])
    below = path.removeprefix(f"{folder}/") if folder else path
    return RemoteObject(base + path, path, below, _version(about), int(about["size"]))


def _version(about: Any) -> str:
    """The version of an object as its store tells of it: its ETag, which is the same where the contents are."""
    version = about.get("e_tag") or about.get("version") or ""
    if not version and about.get("last_modified") is not None:
        version = f"at {about['last_modified'].isoformat()} {about['size']}"
    return str(version)


def _require_same(item: RemoteObject, version: str) -> None:
    """Raises _ChangedError when what comes is not what was asked about."""
    if item.version and version and version != item.version:
        raise _ChangedError(CHANGED)


def _head(url: str) -> RemoteObject:
    request = urllib.request.Request(url, method="HEAD")
    try:
        with closing(urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        if error.code not in (403, 405, 501):  # presigned addresses and small servers often answer GET alone
            raise
        headers = http.client.HTTPMessage()
    size = headers.get("Content-Length")
    version = _http_version(headers, size)
    path = unquote(urlsplit(url).path).lstrip("/")
    name = path.rpartition("/")[2]
    return RemoteObject(url, path, name, version, int(size) if size is not None and size.isdecimal() else None)


def _http_version(headers: http.client.HTTPMessage, size: str | None) -> str:
    """The version that headers tell of something of this size in bytes."""
    version = str(headers.get("ETag") or "")
    if not version and headers.get("Last-Modified"):
        version = f"at {headers['Last-Modified']} {size}"
    return version


def _http_chunks(item: RemoteObject, have: int) -> Iterator[int | bytes]:
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if item.version and not item.version.startswith(("at ", "W/")):
            headers["If-Range"] = item.version
    request = urllib.request.Request(item.uri, headers=headers)
    with closing(urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)) as answer:
        is_rest = answer.status == http.client.PARTIAL_CONTENT
        size = (
            answer.headers.get("Content-Range", "").rpartition("/")[2] if is_rest else answer.headers["Content-Length"]
        )
        _require_same(item, _http_version(answer.headers, size))
        yield have if is_rest else 0
        while chunk := answer.read(CHUNK_BYTES):
            yield chunk


def _is_final(error: BaseException) -> bool:
    """Whether trying again would be of no use: it is not there, or not ours to read."""
    return isinstance(error, (FileNotFoundError, PermissionError, _ChangedError)) or (
        isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code not in (408, 416, 429)
    )


def _in_words(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    said = " ".join(str(error).partition("Debug source")[0].split())  # the rest is for those who mend obstore
    return said[:300] or type(error).__name__


@contextmanager
def _told(reference: str) -> Iterator[None]:
    """Turns what asking raises into a RemoteError that names the reference."""
    try:
        yield
    except CrystallizeError:
        raise
    except Exception as error:
        remedy = "check the address, the network and the credentials"
        raise RemoteError(f"'{reference}' cannot be looked at: {_in_words(error)}; {remedy}") from error
