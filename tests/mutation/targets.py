"""What is mutated, and which tests are to notice it. Both are all that a move of files changes."""

TARGETS = (
    "stochsim/energy/joules.py",
    "stochsim/energy/entries.py",
    "stochsim/energy/formula.py",
    "stochsim/energy/operations.py",
    "stochsim/energy/named_prices.py",
    "stochsim/energy/pricing.py",
    "stochsim/energy/reliability.py",
    "stochsim/energy/scaling.py",
    "stochsim/energy/book_text.py",
    "stochsim/energy/book/cells.toml",
    "stochsim/energy/book/converters.toml",
    "stochsim/energy/book/digital.toml",
    "stochsim/energy/book/leakage.toml",
    "stochsim/energy/book/memory.toml",
    "stochsim/energy/book/random.toml",
    "stochsim/hardware/price_settings.py",
    "stochsim/hardware/timing.py",
    "stochsim/accounting/bill.py",
    "stochsim/accounting/fixed_operations.py",
    "stochsim/accounting/latency.py",
    "stochsim/accounting/meter.py",
    "stochsim/accounting/sensitivity.py",
    "stochsim/program/layer.py",
    "stochsim/program/wiring.py",
    "stochsim/program/graph.py",
    "stochsim/training/bit_price.py",
)
"""Code and data of energy, accounting and pricing, relative to the repository's root."""

TESTS = (
    "tests/energy",
    "tests/hardware/test_own_prices.py tests/hardware/test_price_settings.py "
    "tests/hardware/test_hardware_knobs.py tests/hardware/test_hardware.py "
    "tests/hardware/test_chip_file_errors.py",
    "tests/accounting",
    "tests/chip/test_array_operations.py tests/chip/test_circuit_operations.py "
    "tests/chip/test_chip.py tests/chip/test_circuit_limits.py",
    "tests/lowering/test_converted_bills.py",
    "tests/cli/test_cli_energy.py tests/cli/test_cli_energy_bill.py tests/test_energy_bill_doc.py",
    "tests/training/test_bit_price.py",
    "tests/hardware/test_timing_knobs.py tests/hardware/test_presets.py",
)
"""Calls of pytest in their order, the quick ones first; a mutant lives through all of them or is
killed by the first that fails.
"""
