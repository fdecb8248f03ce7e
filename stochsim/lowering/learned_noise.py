"""A noise of the neurons' own in a converted network, which it pays for being less."""

from collections.abc import Mapping

import torch

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.walks import Walk
from stochsim.settings import SettingError
from stochsim.training import reliability_cost

_TWICE = "the neurons have a noise of their own already; each layer's `log_sigma` is its logarithm"


def give_noise(layers: Mapping[str, ChipLayer], sigma_lsb: float, of_neurons: bool) -> None:
    """A parameter `log_sigma` for every layer, once for those on the same cells; see
    `ChipModule.learn_noise`.
    """
    if any(layer.log_sigma is not None for layer in layers.values()):
        raise SettingError.of((), rule=_TWICE)
    of_cells: dict[tuple[int, int], torch.nn.Parameter] = {}
    for layer in layers.values():
        step = layer.output_grid.step().detach()
        sigma = (sigma_lsb * step).to(layer.weight).expand(layer.neurons if of_neurons else 1)
        own = torch.nn.Parameter(torch.log(sigma).clone() if of_neurons else torch.log(sigma)[0])
        layer.log_sigma = of_cells.setdefault((id(layer.weight), layer.neurons), own)


def cost_of_noise(
    network: Network,
    layers: Mapping[str, ChipLayer],
    x: torch.Tensor,
    prices: tuple[float, float, float],
) -> torch.Tensor:
    """See `ChipModule.reliability_cost`; x: one stimulus; prices: ρ, c and s."""
    if not layers or any(layer.log_sigma is None for layer in layers.values()):
        raise SettingError.of((), rule="the neurons have no noise of their own: call learn_noise")
    positions: dict[str, int] = {}

    def step(layer: ChipLayer, values: torch.Tensor) -> torch.Tensor:
        found = layer(values)
        positions[layer.name] = found[0].numel() // layer.neurons
        return found

    with torch.no_grad():
        Walk(network, step).run(x)
    rho, c, s = prices
    costs = []
    for name, layer in layers.items():
        assert layer.log_sigma is not None
        each = reliability_cost(layer.log_sigma.double().exp(), rho, c, s)
        neurons = each.expand(layer.neurons) if each.ndim == 0 else each
        costs.append(positions[name] * neurons.sum())
        _check_size(layer, torch.stack(costs).sum(), rho)
    return torch.stack(costs).sum().to(next(iter(layers.values())).weight)


def _check_size(layer: ChipLayer, cost: torch.Tensor, rho: float) -> None:
    """Raise SettingError for a price of a layer's noise that its numbers do not hold."""
    dtype = layer.weight.dtype
    if float(cost.detach()) > torch.finfo(dtype).max:
        assert layer.log_sigma is not None
        least = float(layer.log_sigma.detach().double().exp().min())
        numbers = str(dtype).removeprefix("torch.")
        rule = (
            f"(s/σ)^ρ of layer '{layer.name}', whose least σ is {least:.3g}, is beyond {numbers}; "
            f"valid: a smaller ρ, or more noise"
        )
        raise SettingError.of("rho", rho, rule)
