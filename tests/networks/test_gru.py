import numpy as np
import pytest
import torch
from torch import nn

from skvideo_gru.networks.gru import POOLINGS, GRUNetwork


def run_by_the_equations(weights, inputs, suffix):
    """Outputs of one layer in one direction, from the GRU's equations (cuDNN's variant)."""
    w_i, w_h, b_i, b_h = (
        weights[f"gru.{name}_{suffix}"]
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    size = w_h.shape[1]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    state, outputs = np.zeros(size), []
    for x in inputs:
        i, h = w_i @ x + b_i, w_h @ state + b_h
        reset = sigmoid(i[:size] + h[:size])
        update = sigmoid(i[size : 2 * size] + h[size : 2 * size])
        new = np.tanh(i[2 * size :] + reset * h[2 * size :])
        state = (1 - update) * new + update * state
        outputs.append(state)
    return np.stack(outputs)


def by_the_equations(network, sequence):
    """Logits of one sequence."""
    weights = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    outputs = sequence.double().numpy()
    if network.delta_weight:
        change = outputs - np.concatenate([outputs[:1], outputs[:-1]])
        risen, fallen = np.maximum(change, 0), np.maximum(-change, 0)
        gain = network.delta_weight**0.5
        outputs = np.concatenate([outputs / gain, risen * gain, fallen * gain], axis=1)
    for layer in range(network.gru.num_layers):
        inputs = outputs
        outputs = last = run_by_the_equations(weights, inputs, f"l{layer}")
        if network.gru.bidirectional:
            backward = run_by_the_equations(weights, inputs[::-1], f"l{layer}_reverse")
            outputs = np.concatenate([outputs, backward[::-1]], axis=1)
            last = np.concatenate([last, backward], axis=1)
    if network.pooling == "last":
        out = last[-1]
    elif network.pooling == "mean":
        out = outputs.mean(axis=0)
    elif network.pooling == "max":
        out = outputs.max(axis=0)
    else:
        scores = outputs @ weights["attention.weight"][0] + weights["attention.bias"]
        shares = np.exp(scores) / np.exp(scores).sum()
        out = shares @ outputs
    if network.pooling == "pyramid":
        bounds = np.arange(5) * len(outputs) / 4
        quarters = zip(np.floor(bounds[:-1]), np.ceil(bounds[1:]), strict=True)
        means = [outputs[int(start) : int(end)].mean(axis=0) for start, end in quarters]
        out = np.concatenate([out, *means])
    linears = [name for name in weights if name.startswith("fc") and name.endswith("weight")]
    for position, name in enumerate(linears):
        out = weights[name] @ out + weights[name.replace("weight", "bias")]
        if position < len(linears) - 1:
            out = np.maximum(out, 0)
    return out


@pytest.mark.parametrize("delta_weight", [0, 1, 9.0])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_logits_follow_the_equations(pooling, bidirectional, delta_weight):
    torch.manual_seed(0)
    network = GRUNetwork(
        5,
        3,
        hidden_size=4,
        num_layers=2,
        fc_sizes=(7, 6),
        pooling=pooling,
        bidirectional=bidirectional,
        delta_weight=delta_weight,
    ).eval()
    sequences = torch.randn(4, 9, 5)
    lengths = torch.tensor([6, 1, 4, 9])
    logits = network(sequences, lengths).detach().numpy()
    for row, length in enumerate(lengths):
        expected = by_the_equations(network, sequences[row, :length])
        np.testing.assert_allclose(logits[row], expected, rtol=1e-5, atol=1e-6)


def test_equals_torchs_gru():
    torch.manual_seed(0)
    network = GRUNetwork(5, 3, hidden_size=4)
    gru, linear = nn.GRU(5, 4, batch_first=True), nn.Linear(4, 3)
    gru.load_state_dict(network.gru.state_dict())
    linear.load_state_dict({"weight": network.fc[-1].weight, "bias": network.fc[-1].bias})
    x = torch.randn(8, 6, 5)
    expected = linear(gru(x)[0][:, -1])
    torch.testing.assert_close(network(x, torch.full((8,), 6)), expected)


@pytest.mark.parametrize("delta_weight", [0, 1, 9.0])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_is_ignored_whatever_its_values(pooling, bidirectional, delta_weight):
    torch.manual_seed(0)
    options = {"pooling": pooling, "bidirectional": bidirectional}
    network = GRUNetwork(5, 3, delta_weight=delta_weight, **options).eval()
    x = torch.randn(4, 6, 5)
    lengths = torch.tensor([2, 6, 3, 1])
    alone = torch.cat([network(x[i : i + 1, :n], n[None]) for i, n in enumerate(lengths)])
    padded = torch.full((4, 20, 5), float("nan"))
    for i, n in enumerate(lengths):
        padded[i, :n] = x[i, :n]
    torch.testing.assert_close(network(padded, lengths), alone)
    same = torch.full((4,), 6)
    wide = torch.cat([x, torch.full((4, 3, 5), float("nan"))], dim=1)
    torch.testing.assert_close(network(wide, same), network(x, same))


def test_dropout_is_active_only_in_training():
    torch.manual_seed(0)
    network = GRUNetwork(5, 3, dropout=0.5)
    x, lengths = torch.randn(4, 6, 5), torch.full((4,), 6)
    assert not torch.equal(network(x, lengths), network(x, lengths))
    network.eval()
    assert torch.equal(network(x, lengths), network(x, lengths))
