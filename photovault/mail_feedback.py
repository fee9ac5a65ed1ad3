"""What SES says became of mails: an address that bounces for good, or whose owner complains, is written to no more."""

from __future__ import annotations

import json
from typing import Any

from photovault.contacts import ContactBook, suppress_address

__all__ = ["take"]


def take(vault: ContactBook, text: str) -> int:
    """Stop sending to the addresses that a notice names; how many contacts that were.

    A bounce for a while (a full mailbox) changes nothing. What is no notice of SES's is passed over: SNS tests a
    subscription with words of its own. SES calls the kind `eventType` or, on an identity's own topic,
    `notificationType`.
    """
    try:
        said: Any = json.loads(text)
    except ValueError:
        return 0
    if not isinstance(said, dict):
        return 0
    kind = said.get("eventType") or said.get("notificationType")
    if kind == "Bounce" and _part(said, "bounce").get("bounceType") == "Permanent":
        bounced = _part(said, "bounce").get("bouncedRecipients") or ()
        return sum(
            suppress_address(
                vault, "email", str(each.get("emailAddress", "")), "bounce", str(each.get("diagnosticCode", "")), "ses"
            )
            for each in bounced
        )
    if kind == "Complaint":
        complaint = _part(said, "complaint")
        detail = str(complaint.get("complaintFeedbackType", ""))
        complained = complaint.get("complainedRecipients") or ()
        return sum(
            suppress_address(vault, "email", str(each.get("emailAddress", "")), "complaint", detail, "ses")
            for each in complained
        )
    return 0


def _part(said: dict[str, Any], name: str) -> dict[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}
