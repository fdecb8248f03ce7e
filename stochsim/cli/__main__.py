"""`python -m stochsim.cli`."""

import sys

from stochsim.cli.command_line import main

sys.exit(main())
