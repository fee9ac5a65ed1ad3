"""`make cloud`: the emulator with the template deployed, for a person to try, until Ctrl-C; then all in it is lost.

Only what the emulator takes; docs/emulator.md says what it does not do.
"""

from __future__ import annotations

import signal
import sys

from infrastructure.deploy_emulated import deploy
from infrastructure.emulator import MISSING, emulator, executable

_HELP = """
PhotoVault runs on the emulator. In another terminal:

  export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
  .venv/bin/python -c "import boto3; boto3.client('s3').upload_file('PHOTO.jpg', '{bucket}', 'anna/PHOTO.jpg')"
  .venv/bin/photovault --owner anna cloud status
  .venv/bin/photovault replay --on aws

Press Ctrl-C to end it; what is in it is lost.
"""


def main() -> int:
    """Start, deploy, wait for Ctrl-C."""
    if executable() is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    with emulator() as endpoint:
        outputs = deploy(endpoint)
        sys.stdout.write(_HELP.format(endpoint=endpoint, bucket=outputs["OriginalsBucket"]))
        sys.stdout.flush()
        try:
            signal.pause()
        except KeyboardInterrupt:
            sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
