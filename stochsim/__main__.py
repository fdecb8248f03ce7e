"""`python -m stochsim` is the `stochsim` command."""

import sys

from stochsim.cli import main

sys.exit(main())
