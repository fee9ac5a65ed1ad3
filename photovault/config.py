"""Configuration, from the environment and the command line. The only place that reads either."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from domain.errors import InvalidInput
from domain.scanning import Serving

DEFAULT_HOME = Path("~/.photovault")
DEFAULT_OWNER = "me"
_OWNER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")


WEB_FORMATS = ("jpeg", "webp", "avif")


class RenditionOptions(Struct, frozen=True):
    """What is made of pictures besides what is always made."""

    optimise: tuple[str, ...] = ()  # copies for the web, in full size, of every original
    keep_copyright: bool = False

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ) -> RenditionOptions:
        """Read `PHOTOVAULT_OPTIMISE` (`off`, or a list of `jpeg`, `webp`, `avif`; default: off) and
        `PHOTOVAULT_KEEP_COPYRIGHT` (`1` or `0`; default: 0).

        Raises:
            InvalidInput: a value can't be used; says which and why.
        """
        said = environment.get("PHOTOVAULT_OPTIMISE") or "off"
        kinds = tuple(dict.fromkeys(word.strip().lower() for word in said.split(",") if word.strip()))
        if kinds == ("off",):
            kinds = ()
        if unknown := [kind for kind in kinds if kind not in WEB_FORMATS]:
            raise InvalidInput(f"PHOTOVAULT_OPTIMISE has {unknown[0]!r}; it takes off, or a list of jpeg, webp, avif")
        keep = environment.get("PHOTOVAULT_KEEP_COPYRIGHT") or "0"
        if keep not in ("0", "1"):
            raise InvalidInput(f"PHOTOVAULT_KEEP_COPYRIGHT is {keep!r}; it takes 0 or 1")
        return RenditionOptions(kinds, keep == "1")


class Settings(Struct, frozen=True):
    """Where the vault is, whose photos are meant, and what is known of a file before it is shown."""

    home: Path
    owner: str
    workers: int
    clamd: str | None = None  # address of the malware scanner
    serving: Serving = Serving()
    backup: Path | None = None  # where `work --watch` copies the vault to each day

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ, home: Path | None = None, owner: str | None = None) -> Settings:
        """Read `PHOTOVAULT_HOME` (default `~/.photovault`), `PHOTOVAULT_OWNER` (default `me`), `PHOTOVAULT_WORKERS`
        (default: the number of processors), `PHOTOVAULT_CLAMD` (default: no scanner), `PHOTOVAULT_SERVE_UNSCANNED`
        and `PHOTOVAULT_BACKUP` (default: none); arguments that are given win.

        Raises:
            InvalidInput: a value can't be used; says which and why.
        """
        owner = owner or environment.get("PHOTOVAULT_OWNER") or DEFAULT_OWNER
        if not _OWNER.match(owner):
            raise InvalidInput(f"{owner!r} can't be an owner's name: letters, digits and . _ @ + - only, at most 64")
        workers = environment.get("PHOTOVAULT_WORKERS") or str(os.cpu_count() or 1)
        if not workers.isdigit() or not 1 <= int(workers) <= 256:
            raise InvalidInput(f"PHOTOVAULT_WORKERS is {workers!r}; it takes a number from 1 to 256")
        place = home or Path(environment.get("PHOTOVAULT_HOME") or DEFAULT_HOME)
        clamd = environment.get("PHOTOVAULT_CLAMD") or None
        return Settings(
            place.expanduser().absolute(),
            owner,
            int(workers),
            clamd,
            serving_policy(environment.get("PHOTOVAULT_SERVE_UNSCANNED"), scanner=clamd is not None),
            Path(backup).expanduser().absolute() if (backup := environment.get("PHOTOVAULT_BACKUP")) else None,
        )


def serving_policy(said: str | None, *, scanner: bool, name: str = "PHOTOVAULT_SERVE_UNSCANNED") -> Serving:
    """What may be seen: by `yes` or `no`; else, with a scanner, only what it called clean.

    Raises:
        InvalidInput: it is neither.
    """
    if said not in (None, "", "yes", "no"):
        raise InvalidInput(f"{name} is {said!r}; it takes yes or no")
    return Serving(unscanned=not scanner if not said else said == "yes")


def public_url(environment: Mapping[str, str] = os.environ) -> str | None:
    """Where people reach this vault from outside: `PHOTOVAULT_PUBLIC_URL`, without a slash at its end; None: nowhere.

    Raises:
        InvalidInput: it is no https address (http is taken for this machine alone).
    """
    said = (environment.get("PHOTOVAULT_PUBLIC_URL") or "").rstrip("/")
    if said and not re.match(r"^(https://[^\s/?#]+|http://(localhost|127\.0\.0\.1)(:\d+)?)(/[^\s?#]*)?$", said):
        raise InvalidInput(f"PHOTOVAULT_PUBLIC_URL is {said!r}; it takes https://HOST")
    return said or None


class MailOptions(Struct, frozen=True):
    """How messages leave."""

    sender: str  # mail address
    public_url: str | None
    smtp: str | None = None  # where the mail server is; None: into the outbox
    smtp_password: str | None = None
    ses: bool = False
    sms: bool = False
    configuration: str | None = None  # SES's set that tells of bounces

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ) -> MailOptions:
        """Read `PHOTOVAULT_MAIL_FROM` (default: `photovault@localhost`), `PHOTOVAULT_PUBLIC_URL`, `PHOTOVAULT_SMTP`,
        `PHOTOVAULT_SMTP_PASSWORD`; on AWS `PHOTOVAULT_SMS` (`on`, `off`) and `SES_CONFIGURATION` too.

        Raises:
            InvalidInput: a value can't be used; says which and why.
        """
        sender = environment.get("PHOTOVAULT_MAIL_FROM") or ""
        if sender and not re.match(r"^[^@\s<>]{1,64}@[A-Za-z0-9.-]{1,253}$", sender):
            raise InvalidInput(f"PHOTOVAULT_MAIL_FROM is {sender!r}; it takes a mail address")
        return MailOptions(
            sender=sender or "photovault@localhost",
            public_url=public_url(environment),
            smtp=environment.get("PHOTOVAULT_SMTP") or None,
            smtp_password=environment.get("PHOTOVAULT_SMTP_PASSWORD") or None,
            ses=bool(sender),
            sms=environment.get("PHOTOVAULT_SMS") == "on",
            configuration=environment.get("SES_CONFIGURATION") or None,
        )


def models_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where models are kept: `PHOTOVAULT_MODELS`, by default the user's cache; vaults share them."""
    named = environment.get("PHOTOVAULT_MODELS")
    cache = Path(environment.get("XDG_CACHE_HOME") or "~/.cache")
    return (Path(named) if named else cache / "photovault" / "models").expanduser().absolute()
