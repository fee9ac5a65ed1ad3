"""Mail through SES and text messages through SNS. Neither has a key that makes sending twice harmless, so botocore's
own retries are off for both: an answer that is lost is not asked for again.
"""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from adapters.aws.connection import Aws, error_code
from domain.errors import DeliveryUnknown, NotDelivered
from domain.ports import Outgoing

__all__ = ["Ses", "Sns"]

_LATER = frozenset(
    (
        "Throttling",
        "ThrottlingException",
        "Throttled",
        "ThrottledException",
        "TooManyRequestsException",
        "LimitExceededException",
        "SendingPausedException",
        "KMSThrottling",
    )
)
_BAD_ADDRESS = frozenset(("InvalidParameter", "InvalidParameterValue"))


class Ses:
    """`domain.ports.Notifier` for mail, by SES.

    Args:
        configuration: the configuration set that tells of bounces and complaints; None: nobody is told.
    """

    name = "ses"

    def __init__(self, aws: Aws, configuration: str | None = None) -> None:
        self._aws = aws
        self._configuration = configuration

    def send(self, message: Outgoing) -> str:
        """Hand one mail over. Cost: 1 request, US$ 0.0001."""
        named = {"ConfigurationSetName": self._configuration} if self._configuration else {}
        try:
            answer = self._aws.ses.send_email(
                FromEmailAddress=message.sender,
                Destination={"ToAddresses": [message.to]},
                Content={"Raw": {"Data": message.body}},
                **named,
            )
        except (ClientError, BotoCoreError) as error:
            raise _why(error) from error
        return str(answer.get("MessageId", ""))

    def sent(self, message_id: str) -> bool | None:
        """SES can't be asked."""
        return None


class Sns:
    """`domain.ports.Notifier` for text messages, by SNS."""

    name = "sns"

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def send(self, message: Outgoing) -> str:
        """Hand one text message over. Cost: 2 requests, and what the country's networks ask (US$ 0.006 to 0.3)."""
        try:
            opted = self._aws.sns.check_if_phone_number_is_opted_out(phoneNumber=message.to)
            if opted.get("isOptedOut"):
                raise NotDelivered("the number has opted out of text messages", retryable=False, refused="opted_out")
        except ClientError as error:
            raise NotDelivered(f"SNS says {error_code(error)}", retryable=error_code(error) in _LATER) from error
        except BotoCoreError as error:
            raise NotDelivered(f"SNS can't be reached ({type(error).__name__})", retryable=True) from error
        try:
            answer = self._aws.sns.publish(
                PhoneNumber=message.to,
                Message=message.body.decode(),
                MessageAttributes={"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}},
            )
        except (ClientError, BotoCoreError) as error:
            raise _why(error) from error
        return str(answer.get("MessageId", ""))

    def sent(self, message_id: str) -> bool | None:
        """SNS can't be asked."""
        return None


def _why(error: ClientError | BotoCoreError) -> NotDelivered | DeliveryUnknown:
    """A refusal is sure; a fault of theirs, or a way that broke, is not."""
    if isinstance(error, ClientError):
        code = error_code(error)
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        if status >= 500 and code not in _LATER:
            return DeliveryUnknown(f"the service failed ({code}): it may have taken the message")
        refused = "bounce" if code in _BAD_ADDRESS else None
        said = str(error.response.get("Error", {}).get("Message", ""))[:300]
        return NotDelivered(f"the service says {code}: {said}", retryable=code in _LATER, refused=refused)
    if isinstance(error, (ConnectTimeoutError, EndpointConnectionError)):
        return NotDelivered(f"the service can't be reached ({type(error).__name__})", retryable=True)
    return DeliveryUnknown(f"the way to the service broke ({type(error).__name__}): it may have taken the message")
