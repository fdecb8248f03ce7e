"""The named prices and facts of the book.

Each formula and figure keeps the source it was taken from and how that was verified.
"""

import math

from stochsim.energy.entries import THERMAL_J
from stochsim.energy.price_book import read_books
from stochsim.energy.pricing import Price
from stochsim.settings import check_choice

LANDAUER_J = THERMAL_J * math.log(2)
"""kT ln 2 at 300 K, in joules: the floor of one erased or one random bit."""

PRICES, FACTS = read_books()
"""Every named price, and every figure that prices nothing.

Reliability's price depends on ρ and on the user: see `reliability`.
"""

ADC_MODELS = {
    "zigzag": "adc-zigzag-28nm",
    "accelergy": "adc-accelergy",
    "walden": "adc-walden",
    "schreier": "adc-schreier",
    "rekhi": "adc-rekhi",
}
"""The models of an ADC's energy that an answer is compared under, keyed by their short names:
the choice among them decides it.
"""


def price(name: str) -> Price:
    """The price of this name; raises SettingError that names the nearest one.

    >>> from stochsim.energy import price
    >>> one = price("add-qkeras-45nm")
    >>> one.unit, one.tag
    ('pJ per add', 'src')
    >>> f"{one.joules(accumulator_bits=16):.3g} J"                      # an addition of 16 bits
    '5e-14 J'
    """
    return PRICES[check_choice("price", name, PRICES)]
