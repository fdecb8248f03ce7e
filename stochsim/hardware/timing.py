"""How fast a chip works, and what it draws while it does."""

from typing import Annotated

from pydantic import Field

from stochsim.settings import Settings


class Timing(Settings):
    """Clock, parallel units and leakage: they set latency, and through it the energy of leakage;
    never the codes.

    `clock_hz` (Hz) is the clock of every part, 1 GHz an engineering default. `multipliers` is how
    many digital multiply-adds run in one cycle, 256 an engineering default; a chip with an array
    multiplies in its columns, so there any other number is refused. `leakage_w` (W) is the power
    that the whole chip draws for as long as it works, 0 where it is not counted.

    >>> import stochsim as ss
    >>> from stochsim.hardware import Timing
    >>> chip = ss.load_hardware("digital-45nm", bits=4)
    >>> chip.replace(timing=Timing(clock_hz=2e9)).timing.multipliers
    256
    """

    clock_hz: Annotated[float, Field(gt=0, le=1e15)] = 1e9
    multipliers: Annotated[int, Field(ge=1, le=2**31)] = 256
    leakage_w: Annotated[float, Field(ge=0, le=1e6)] = 0.0
