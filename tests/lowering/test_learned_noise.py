"""Neurons of converted networks with a noise of their own, which they pay for."""

import math

import numpy as np
import pytest
import torch
from conversiontest import Twice, chip_of, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.energy import reliability_law, reliability_price_to_cost
from stochsim.lowering import ChipModule, convert, load_converted

READS = 2000


def net() -> nn.Module:
    """A grouped convolution at 16 positions, and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3)
    )


def made(sigma_lsb: float = 2.0, of: str = "neurons") -> tuple[ChipModule, torch.Tensor]:
    """A converted network with noise of its own, and its examples."""
    x = stimuli(40, 2, 6, 6)
    module = convert(seeded(net), chip_of(8, 8, 8), x)
    module.learn_noise(sigma_lsb, of)
    return module, x


def spread(module: ChipModule, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Outputs' sd over reads (stimulus, output), of the chip and in training."""
    chip = module.sample(x, READS, 0).std(1)
    module.train()
    with torch.no_grad():
        ours = np.stack([module(x, key=read).numpy() for read in range(READS)], 1).std(1)
    return chip, ours


def test_chip_and_training_draw_the_same_noise() -> None:
    """Six standard errors of an sd, 1/√(2 · reads) of it each: one of 6 values fails falsely once
    in 10⁸; at half the noise all of them do.
    """
    module, x = made()
    chip, ours = spread(module, x[:2])
    within = 6 * math.sqrt(2) / math.sqrt(2 * READS)
    assert ours == pytest.approx(chip, rel=within)
    with torch.no_grad():
        module.layers["3"].log_sigma -= math.log(2)
        module.layers["0"].log_sigma -= math.log(2)
    halved = spread(module.eval(), x[:2])[0]
    assert (halved < (1 - within) * chip).all()


def test_sigma_is_that_of_the_drive() -> None:
    """A sum of 0 with σ of 40 steps: the sd of codes is σ, and that of rounding beside it."""
    linear = seeded(lambda: nn.Linear(3, 2))
    x = stimuli(200, 3)
    module = convert(linear, chip_of(8, 8, 8), x)
    module.learn_noise(10.0)
    sigma = module.layers["linear"].log_sigma.exp().detach().numpy()
    step = float(module.layers["linear"].output_grid.step().detach())
    assert sigma == pytest.approx(10 * step)
    found = module.sample(0 * x[:1], 20_000, 0)[0].std(0)
    wanted = np.sqrt(sigma**2 + step**2 / 12)
    assert found == pytest.approx(wanted, rel=6 / math.sqrt(2 * 20_000))


@pytest.mark.parametrize("rho", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("of", ["neurons", "layers"])
def test_the_price_is_that_of_every_neuron_and_position(rho: float, of: str) -> None:
    module, _ = made(of=of)
    wanted = 0.0
    for name, count in (("0", 4 * 16), ("3", 3)):
        ratio = 1 / (2 * float(module.layers[name].output_grid.step().detach()))
        wanted += count * (math.log(ratio) if rho == 0 else (ratio**rho - 1) / rho)
    assert float(module.reliability_cost(rho).detach()) == pytest.approx(wanted, rel=1e-5)
    module.reliability_cost(0.0, 2.0).backward()
    shape = (4,) if of == "neurons" else ()
    found = module.layers["0"].log_sigma.grad
    assert found.shape == shape
    assert found.numpy() == pytest.approx(-2.0 * (16 if of == "neurons" else 64))


def test_the_bill_has_what_the_price_says() -> None:
    """λ times the joules of E = e_bit log2(s/σ) is the cost, where σ is below s."""
    module, x = made()
    joules = module.bill(x[:1]).energy.reliability_j
    cost = reliability_price_to_cost(1.0, reliability_law(0.0))
    assert float(module.reliability_cost(0.0, cost).detach()) == pytest.approx(joules, rel=1e-6)


def test_a_network_buys_as_much_as_it_pays_for() -> None:
    x = stimuli(200, 6)
    target = torch.tanh(x @ torch.randn(6, 2, generator=torch.Generator().manual_seed(1)))

    def learned(price: float) -> float:
        module = convert(seeded(lambda: nn.Linear(6, 2)), chip_of(8, 8, 8), x)
        module.learn_noise(4.0)
        optimizer = torch.optim.Adam(module.train().parameters(), lr=0.05)
        for _ in range(80):
            optimizer.zero_grad()
            loss = (module(x) - target).square().mean() + price * module.reliability_cost()
            loss.backward()
            optimizer.step()
        return float(module.layers["linear"].log_sigma.exp().detach().mean())

    dear, cheap = learned(1e-1), learned(1e-4)
    assert dear > 2 * cheap


def test_layers_on_the_same_cells_share_it(tmp_path) -> None:
    module = convert(seeded(Twice), chip_of(8, 8, 8), stimuli(40, 4))
    module.learn_noise()
    assert module.layers["one"].log_sigma is module.layers["one_again"].log_sigma
    module.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net").layers
    assert again["one"].log_sigma is again["one_again"].log_sigma


@pytest.mark.parametrize("of", ["neurons", "layers"])
def test_files_keep_it(of: str, tmp_path) -> None:
    module, x = made(of=of)
    if of == "neurons":
        with torch.no_grad():
            module.layers["0"].log_sigma += torch.arange(4) / 4
    module.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert np.array_equal(again.sample(x, 3, 0), module.sample(x, 3, 0))
    assert again.layers["0"].log_sigma.shape == module.layers["0"].log_sigma.shape
    costs = [float(one.reliability_cost().detach()) for one in (again, module)]
    assert costs[0] == pytest.approx(costs[1])


def test_without_it_and_twice_are_errors() -> None:
    module = convert(seeded(net), chip_of(), stimuli(9, 2, 6, 6))
    with pytest.raises(ss.SettingError, match="call learn_noise"):
        module.reliability_cost()
    with pytest.raises(ss.SettingError, match="sigma_lsb"):
        module.learn_noise(0.0)
    with pytest.raises(ss.SettingError, match="did you mean 'neurons'"):
        module.learn_noise(1.0, of="neuron")
    module.learn_noise()
    with pytest.raises(ss.SettingError, match="already"):
        module.learn_noise()
    with pytest.raises(ss.SettingError, match="rho"):
        module.reliability_cost(-1.0)


def test_a_price_is_a_number_or_an_error() -> None:
    """(s/σ)^ρ of small σ in float64, where float32 has no such powers; what float32 cannot hold in
    the end is refused, as is an exponent that no law has.
    """
    module, _ = made(of="layers")
    for layer in module.layers.values():
        with torch.no_grad():
            layer.log_sigma.fill_(math.log(1e-9))
    sigma = float(module.layers["0"].log_sigma.detach().double().exp())
    wanted = (4 * 16 + 3) * (sigma**-4.0 - 1) / 4.0
    assert float(module.reliability_cost(4.0, c=1e-3).detach()) == pytest.approx(1e-3 * wanted)
    refused = r"'rho' = 8\.0: .*layer '0'.* 1e-09, is beyond float32"
    with pytest.raises(ss.SettingError, match=refused):
        module.reliability_cost(8.0)
    wanted = (4 * 16 + 3) * sigma**-8.0 / 8.0
    assert float(module.double().reliability_cost(8.0).detach()) == pytest.approx(wanted)
    for rho in (1e6, 17.0, math.inf):
        with pytest.raises(ss.SettingError, match=r"'rho' = .*: should be from 0 to 16"):
            module.reliability_cost(rho)
