"""`python -m stochsim.cli`."""

import sys

from stochsim.cli.main import main

sys.exit(main())
