"""What is mutated, and which tests are to notice it. Both are all that a move of files changes."""

WHOLE: tuple[str, ...] = ()

TARGETS = {
    "stochsim/energy/joules.py": WHOLE,
    "stochsim/energy/entries.py": WHOLE,
    "stochsim/energy/formula.py": WHOLE,
    "stochsim/energy/operations.py": WHOLE,
    "stochsim/energy/named_prices.py": WHOLE,
    "stochsim/energy/price_book.py": WHOLE,
    "stochsim/energy/pricing.py": WHOLE,
    "stochsim/energy/reliability.py": WHOLE,
    "stochsim/energy/node_scaling.py": WHOLE,
    "stochsim/energy/book_text.py": WHOLE,
    "stochsim/energy/book/cells.toml": WHOLE,
    "stochsim/energy/book/converters.toml": WHOLE,
    "stochsim/energy/book/digital.toml": WHOLE,
    "stochsim/energy/book/leakage.toml": WHOLE,
    "stochsim/energy/book/memory.toml": WHOLE,
    "stochsim/energy/book/random.toml": WHOLE,
    "stochsim/hardware/description.py": ("hardware_table",),
    "stochsim/hardware/hardware.py": (
        "Hardware._check_programming",
        "Hardware.with_price",
        "Hardware.random_bits_per_code",
        "Hardware.accumulator_width",
        "Hardware.reliability_law",
        "Hardware.price_table",
        "Hardware.energy",
    ),
    "stochsim/hardware/merged_tables.py": ("with_prices_kept", "_own_prices_kept"),
    "stochsim/hardware/parts.py": ("Reliability",),
    "stochsim/hardware/price_settings.py": WHOLE,
    "stochsim/hardware/timing.py": WHOLE,
    "stochsim/hardware/without_effect.py": WHOLE,
    "stochsim/accounting/bill.py": WHOLE,
    "stochsim/accounting/fixed_operations.py": WHOLE,
    "stochsim/accounting/latency.py": WHOLE,
    "stochsim/accounting/meter.py": WHOLE,
    "stochsim/accounting/sensitivity.py": WHOLE,
    "stochsim/settings/aligned.py": WHOLE,
    "stochsim/program/layer.py": WHOLE,
    "stochsim/program/wiring.py": (
        "FeedForward.billed_sigma",
        "FeedForward.workload",
        "LogSigmaHead.billed_sigma",
        "LogSigmaHead.workload",
        "Recurrent.billed_sigma",
        "Recurrent.workload",
    ),
    "stochsim/program/workload.py": WHOLE,
    "stochsim/program/graph.py": ("Graph.workload", "_uses"),
    "stochsim/chip/chip.py": (
        "Chip.operations",
        "Chip.bill",
        "Chip.workload",
        "Chip._meter",
        "Chip._counted",
    ),
    "stochsim/chip/given_inputs.py": ("bill_of_inputs",),
    "stochsim/chip/feed_forward.py": ("Head.report_reliability",),
    "stochsim/chip/layer_on_chip.py": ("LayerOnChip.report",),
    "stochsim/chip/array/array_product.py": ("ArrayProduct.report", "ArrayProduct._current"),
    "stochsim/training/bit_price.py": WHOLE,
}
"""Code and data of energy, accounting and pricing: files, relative to the repository's root, each
whole or with the names of its functions and classes that price or count.
"""

TESTS = (
    "tests/energy",
    "tests/hardware/test_own_prices.py tests/hardware/test_price_settings.py "
    "tests/hardware/test_hardware_settings.py tests/hardware/test_hardware.py "
    "tests/hardware/test_chip_file_errors.py",
    "tests/accounting",
    "tests/program",
    "tests/chip/test_array_operations.py tests/chip/test_circuit_operations.py "
    "tests/chip/test_chip.py tests/chip/test_circuit_limits.py",
    "tests/lowering/test_converted_bills.py",
    "tests/cli/test_cli_energy.py tests/cli/test_cli_energy_bill.py "
    "tests/cli/test_cli_energy_bill_networks.py tests/cli/test_cli_energy_bill_refusals.py "
    "tests/test_energy_bill_doc.py",
    "tests/training/test_bit_price.py",
    "tests/hardware/test_timing_settings.py tests/hardware/test_presets.py",
)
"""Calls of pytest in their order, the quick ones first; a mutant lives through all of them or is
killed by the first that fails.
"""
