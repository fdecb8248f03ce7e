"""Every public function of Python, with right arguments that a fuzzer then makes wrong."""

from _fuzz_chip_doors import chip_doors
from _fuzz_further_doors import further_doors
from _fuzz_model_doors import model_doors
from _fuzz_parts import Door
from _fuzz_price_doors import price_doors
from _fuzz_program_doors import program_doors
from _fuzz_training_doors import training_doors


def doors() -> dict[str, Door]:
    """All of them by name."""
    return {
        **chip_doors(),
        **program_doors(),
        **price_doors(),
        **model_doors(),
        **training_doors(),
        **further_doors(),
    }
