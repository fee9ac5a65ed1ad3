"""`python -m photovault` is `photovault`."""

import sys

from photovault.cli import main

sys.exit(main())
