"""Stimuli and chips of the tests of bills by layer."""

from arraytest import array_of
from circuittest import some_stimuli

from stochsim.hardware import Adc, Memory, Noise, Timing

X = some_stimuli(4)
CHIPS = {
    "digital": {},
    "input dither": {"noise": Noise(input_dither="stochastic")},
    "output dither": {"noise": Noise(dither="stochastic")},
    "leaking": {"timing": Timing(leakage_w=1e-3)},
    "weights at every read": {"memory": Memory(weights_read="read")},
    "array": {"array": array_of(Adc(bits=6), rows=4)},
}
