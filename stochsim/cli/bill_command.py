"""`stochsim energy bill`: joules, operations and cycles per read, by layer, of a run's network, a
program, a checkpoint or a shape.
"""

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochsim.cli import bill_target
from stochsim.cli.assignments import assignment, each_once
from stochsim.cli.hardware_command import hardware_of
from stochsim.cli.sweep_command import positive

if TYPE_CHECKING:
    from stochsim.accounting import Bill
    from stochsim.hardware import Hardware
    from stochsim.program import Program, Quantizer

_SHAPE = re.compile(r"[0-9]+(-[0-9]+)+")
_ABOUT = (
    "a sweep's folder, a program's folder, a checkpoint *.safetensors, or a shape such as "
    "784-100-10"
)


def add_to(actions: Any) -> None:
    """Add the command to those of `stochsim energy`."""
    bill = actions.add_parser(
        "bill",
        help="joules per read by part and layer, with operations, latency and prices",
        description=_bill.__doc__,
    )
    bill.add_argument("target", metavar="RUN|MODEL", help=_ABOUT)
    bill.add_argument(
        "--hardware",
        metavar="H",
        help="a preset's name, or a chip's TOML file (default: that of a run, or of a converted "
        "network)",
    )
    bill.add_argument(
        "--macro",
        metavar="M",
        help="in place of a chip: a macro that was built and measured (`stochsim energy silicon`), "
        "or its TOML file; joules of its array alone",
    )
    bill.add_argument(
        "--at",
        action="append",
        type=assignment("voltage_v=0.7"),
        default=[],
        metavar="CONDITION=VALUE",
        help="with --macro: voltage_v=0.8, phases=2, …; may be given several times",
    )
    bill.add_argument(
        "--bits",
        type=_widths,
        metavar="B",
        help="bits of a run's network (default: the widest) or of a shape (8): 4, or 4/4/8",
    )
    bill.add_argument(
        "--reads",
        type=positive,
        metavar="N",
        help="reads of each stimulus (default: as many as the run's, else 1)",
    )
    bill.add_argument(
        "--stimuli",
        type=positive,
        metavar="N",
        help="stimuli (default: as many as the run's, else 1)",
    )
    bill_target.add_options(bill)
    bill.add_argument(
        "--json", type=Path, metavar="FILE", help="write all of it to this file as well"
    )
    bill.set_defaults(command=_bill)


def _widths(text: str) -> tuple[int, int, int]:
    """`8` or `weight/input/output`, 1 to 8 each, for argparse."""
    parts = text.split("/")
    if len(parts) not in (1, 3) or not all(
        part.isdigit() and 1 <= int(part) <= 8 for part in parts
    ):
        raise argparse.ArgumentTypeError(
            f"'{text}' should be 1 to 8, or three of them as weight/input/output: 4/4/8"
        )
    first, *rest = map(int, parts)
    return (first, *rest) if rest else (first, first, first)  # type: ignore[return-value]


def _bill(args: argparse.Namespace) -> None:
    """Print what one read takes on a chip: joules by part and layer, the operations behind them,
    cycles, and every price with its source.

    Then which price moves the total most, and the total under other prices and under each model of
    ADCs.
    """
    from stochsim.accounting import compare_adc_models, sensitivity_text
    from stochsim.settings import SettingError

    if args.macro is not None:
        _print_on_macro(args)
        return
    if args.at:
        raise SettingError.of(
            "--at", dict(args.at), "says at what a macro works: give --macro, too"
        )
    about, bill = _found(args)
    if args.json is not None:
        _write(args.json, about, bill)
    print(f"{about}\n\n{bill}\n\n{sensitivity_text(bill)}\n\n{compare_adc_models(bill)}")


def _print_on_macro(args: argparse.Namespace) -> None:
    """Print what the target is, and its bill on a measured macro."""
    from stochsim.accounting import bill_on_macro
    from stochsim.settings import SettingError, write_text
    from stochsim.silicon import load_macro

    for name in ("hardware", "reads", "stimuli"):
        if getattr(args, name) is not None:
            rule = "belongs to a chip; a macro's joules are those of one read, whatever the data"
            raise SettingError.of(f"--{name}", str(getattr(args, name)), rule)
    macro = load_macro(args.macro)
    about, program, x = _program_of(args)
    found = bill_on_macro(program, macro, x, **each_once("--at", args.at))
    if args.json is not None:
        table = {"about": about, "bill": found.to_json()}
        write_text(args.json, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    print(f"{about}\n\n{found}")


def _program_of(args: argparse.Namespace) -> tuple[str, "Program", Any]:
    """What the target is, its program, and stimuli of a converted network."""
    from stochsim.program import WIRINGS, Graph, load_program, random_program, read_folder
    from stochsim.settings import SettingError

    path = Path(args.target)
    if _SHAPE.fullmatch(args.target) and not path.exists():
        bill_target.check_none_given("a shape", args)
        widths = args.bits or (8, 8, 8)
        sizes = tuple(map(int, args.target.split("-")))
        words = "/".join(map(str, widths))
        about = f"a network of shape {args.target} at {words} bits (weight/input/output)"
        return about, random_program(sizes, widths, 0.0)[0], None
    if (path / "store.sqlite").exists():
        from stochsim.studies import open_results

        with open_results(path) as results:
            found = bill_target.named_network(results, args)
        return f"{path}: {found.label}", _checkpoint(found.checkpoint), None
    about = f"the network of {path}"
    if path.suffix == ".safetensors" and path.is_file():
        _check_no_bits(about, args)
        return about, _checkpoint(path), None
    if not path.is_dir():
        raise SettingError.of("RUN|MODEL", args.target, f"should be {_ABOUT}")
    _check_no_bits(about, args)
    if read_folder(path, (*WIRINGS, Graph.kind)).kind != Graph.kind:
        return about, load_program(path), None
    from stochsim.lowering import load_converted

    converted = load_converted(path)
    return about, converted.program, converted.examples[:1].numpy()


def _found(args: argparse.Namespace) -> tuple[str, "Bill"]:
    """What the target is, in a sentence, and its bill."""
    from stochsim.settings import SettingError, explained

    path = Path(args.target)
    with explained(path):
        is_run = (path / "store.sqlite").exists()
        is_there = path.exists()
    if is_run:
        return _of_run(path, args)
    if _SHAPE.fullmatch(args.target) and not is_there:
        return _of_shape(args)
    if path.suffix == ".safetensors" and path.is_file():
        return _of_program(f"the network of {path}", _checkpoint(path), args)
    if path.is_dir():
        return _of_folder(path, args)
    raise SettingError.of("RUN|MODEL", args.target, f"should be {_ABOUT}")


def _checkpoint(path: Path) -> "Program":
    from stochsim.lowering import to_program
    from stochsim.training import load_network

    return to_program(load_network(path))


def _hardware(args: argparse.Namespace) -> "Hardware":
    from stochsim.settings import SettingError

    if args.hardware is None:
        rule = "name the chip, a preset or its TOML file (`stochsim hardware list`)"
        raise SettingError.missing("--hardware", f"{rule}; only a run brings one")
    return hardware_of(args.hardware)


def _fitted(hardware: "Hardware", program: "Program") -> "Hardware":
    return hardware.with_precision(program.weight_bits, program.input.bits, program.output.bits)


def _of_run(path: Path, args: argparse.Namespace) -> tuple[str, "Bill"]:
    """One network of a sweep, on the stimuli that the sweep measured it with."""
    from stochsim.chip import Chip, with_output_format
    from stochsim.data import evaluation_stimuli, load_dataset
    from stochsim.keys import fold_in
    from stochsim.studies import CALIBRATION_STIMULI, chip_at, open_results

    with open_results(path) as results:
        found = bill_target.named_network(results, args)
        study = results.study
        chip_of_run = chip_at(results.hardware, found.values)
    program = _checkpoint(found.checkpoint)
    key = found.values["key"]
    sigma_scale = found.values["noise"]
    chosen_chip = chip_of_run if args.hardware is None else hardware_of(args.hardware)
    dataset = load_dataset(study.data.kind, study.data.size, study.data.components, key)
    chosen = evaluation_stimuli(dataset, args.stimuli or study.measure.stimuli, key)
    hardware = _fitted(chosen_chip, program)
    output_format = found.values.get("output_format")
    if output_format is not None:  # fitted as the sweep fits it
        fitted_on = dataset.train, fold_in(key, "output format")
        program = with_output_format(program, hardware, output_format, *fitted_on)
    chip = Chip(
        program,
        hardware,
        sigma_scale,
        chip_key=fold_in(key, "chip"),
        calibration=dataset.train[:CALIBRATION_STIMULI],
    )
    bill = chip.bill(
        dataset.held_out[chosen],
        args.reads or study.measure.reads,
        steps_between_reads=None if program.steps is None else study.measure.steps_between_reads,
    )
    axes = study.grid.setting_axes() if args.hardware is None else ()  # of the run's own chip
    words = [axis.text(found.values[axis.name]) for axis in axes]
    words += [] if output_format is None else [f"{output_format} outputs"]
    return ", ".join([f"{path}: {found.label}", f"noise x{sigma_scale:g}", *words]), bill


def _of_folder(path: Path, args: argparse.Namespace) -> tuple[str, "Bill"]:
    from stochsim.program import WIRINGS, Graph, load_program, read_folder

    if read_folder(path, (*WIRINGS, Graph.kind)).kind != Graph.kind:
        return _of_program(f"the program of {path}", load_program(path), args)
    about = f"the converted network of {path}"
    _check_no_bits(about, args, but=("rho",))
    from stochsim.lowering import load_converted  # torch, which no other program needs

    converted = load_converted(path)
    if args.hardware is not None:
        bits = converted.hardware.precision
        converted = load_converted(
            path,
            hardware_of(args.hardware).with_precision(
                bits.weight_bits, bits.input_bits, bits.output_bits
            ),
        )
    shape = (args.stimuli or 1, *converted.examples.shape[1:])
    x = converted.examples.new_tensor(_drawn_stimuli(converted.program.input, shape))
    given = converted.inputs.form(converted.inputs.scaled(x, 1, 0))  # no index is out of range
    rho = _rho_of_converted(about, converted, args.rho)
    return f"{about}, {_DRAWN}", converted.bill(given, args.reads or 1, rho)


def _rho_of_converted(about: str, converted: Any, rho: float | None) -> float:
    """The exponent of the price of reliability, 0 where none is given; raises SettingError for one
    that no neuron pays, and one without a price.
    """
    from stochsim.settings import SettingError, check_rho

    if rho is None:
        return 0.0
    if all(layer.log_sigma is None for layer in converted.layers.values()):
        rule = f"prices the noise that neurons have of their own, and those of {about} have none"
        raise SettingError.of("--rho", rho, rule)
    try:
        rho = check_rho(rho)
        converted.hardware.reliability_law(rho)
    except SettingError as error:
        raise error.renamed({("rho",): ("--rho",)}) from None
    return rho


def _of_program(about: str, program: "Program", args: argparse.Namespace) -> tuple[str, "Bill"]:
    from stochsim.chip import Chip

    _check_no_bits(about, args)
    x = _drawn_stimuli(program.input, (args.stimuli or 1, program.inputs))
    chip = Chip(program, _fitted(_hardware(args), program), calibration=x)
    return f"{about}, {_DRAWN}", chip.bill(x, args.reads or 1)


_DRAWN = "on stimuli drawn uniformly over the input codes by key 0"


def _drawn_stimuli(codes: "Quantizer", shape: tuple[int, ...]) -> Any:
    from stochsim.keys import generator

    return codes.values(
        generator(0, "drawn stimuli").integers(codes.c_min, codes.c_min + codes.levels, shape)
    )


def _check_no_bits(about: str, args: argparse.Namespace, but: tuple[str, ...] = ()) -> None:
    """Raise SettingError for bits, and for options that name a cell of a run; but: options that it
    takes all the same.
    """
    from stochsim.settings import SettingError

    bill_target.check_none_given(about, args, but)
    if args.bits is not None:
        rule = f"belongs to a run or a shape, and {about} has its widths already"
        raise SettingError.of("--bits", "/".join(map(str, args.bits)), rule)


def _of_shape(args: argparse.Namespace) -> tuple[str, "Bill"]:
    """A network that is nothing but a shape."""
    from stochsim.chip import bill_of_inputs
    from stochsim.program import random_program

    bill_target.check_none_given("a shape", args)
    hardware = _hardware(args)
    widths = args.bits or (8, 8, 8)
    sizes = tuple(map(int, args.target.split("-")))
    drawn = random_program(sizes, widths, hardware.reliability.s, stimuli=args.stimuli or 1)
    about = (
        f"a network of shape {args.target} at {'/'.join(map(str, widths))} bits "
        f"(weight/input/output): weights and what each layer reads "
        "drawn uniformly over the codes by key 0, the last layer at noise level σ = s, rho 0"
    )
    program, integers = drawn
    chip = hardware.with_precision(*widths)
    return about, bill_of_inputs(program, chip, integers, args.reads or 1)


def _write(path: Path, about: str, bill: "Bill") -> None:
    from stochsim.accounting import sensitivity_json
    from stochsim.settings import write_text

    table = {"about": about, "bill": bill.to_json(), "sensitivity": sensitivity_json(bill)}
    write_text(path, json.dumps(table, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
