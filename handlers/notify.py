"""Messages: on a schedule, look for what is new and send what is due; and on SNS's word, what became of mails that
SES has sent. Both may happen twice.
"""

from __future__ import annotations

from typing import Any

import msgspec

from handlers.observe import count, logger, observed, traced
from photovault.aws.cloud import cloud
from photovault.mail_feedback import take
from photovault.notices import look
from photovault.notifying import is_due, send_due

_ROUNDS = 10  # of a hundred messages each


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule's event, or SNS's with SES's own words about bounces and complaints.

    A run that finds nothing to do sends no metrics: each is billed for the hours that it is sent in.
    """
    records = [record for record in event.get("Records", ()) if record.get("EventSource") == "aws:sns"]
    if not records:
        cloud().register()
        event = {"found": look(cloud())}
        if not event["found"] and not is_due(cloud()):
            return event
    answer: dict[str, Any] = _work(event, context)
    return answer


@traced
@observed
def _work(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Hear of mails, or send."""
    vault = cloud()
    if "Records" in event:
        stopped = sum(take(vault, record["Sns"]["Message"]) for record in event["Records"])
        count("contacts_suppressed", stopped)
        logger.info("heard of mails", extra={"records": len(event["Records"]), "suppressed": stopped})
        return {"suppressed": stopped}
    total: dict[str, int] = dict(event)
    for _ in range(_ROUNDS):
        sent: dict[str, int] = msgspec.to_builtins(send_due(vault, vault.settings.serving))
        for name, value in sent.items():
            total[name] = total.get(name, 0) + value
        if sent["due"] == sent["skipped"]:
            break
    for name, value in total.items():
        if value:
            count(f"notifications_{name}", value)
    logger.info("sent", extra=total)
    return total
