"""What a command imports."""

import subprocess
import sys

HEAVY = (
    "torch",
    "brevitas",
    "numba",
    "scipy",
    "pydantic",
    "numpy",
    "matplotlib",
    "sklearn",
    "skimage",
    "arviz_stats",
)


def modules_after(arguments: list[str]) -> set[str]:
    """Which of HEAVY a command has imported when it is done, in a process of its own."""
    code = (
        "import sys\nfrom stochsim.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])
