import numpy as np
import torch
from torch import nn

from skvideo_gru.gru import GRUNetwork


def by_the_equations(network, sequence):
    """Logits of one sequence, from the GRU's equations (cuDNN's variant)."""
    weights = {name: value.detach().double().numpy() for name, value in network.named_parameters()}
    inputs = sequence.double().numpy()

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    for layer in range(network.gru.num_layers):
        w_i, w_h, b_i, b_h = (
            weights[f"gru.{name}_l{layer}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        size = w_h.shape[1]
        state, outputs = np.zeros(size), []
        for x in inputs:
            i, h = w_i @ x + b_i, w_h @ state + b_h
            reset = sigmoid(i[:size] + h[:size])
            update = sigmoid(i[size : 2 * size] + h[size : 2 * size])
            new = np.tanh(i[2 * size :] + reset * h[2 * size :])
            state = (1 - update) * new + update * state
            outputs.append(state)
        inputs = np.stack(outputs)
    out = inputs[-1]
    linears = [name for name in weights if name.startswith("fc") and name.endswith("weight")]
    for position, name in enumerate(linears):
        out = weights[name] @ out + weights[name.replace("weight", "bias")]
        if position < len(linears) - 1:
            out = np.maximum(out, 0)
    return out


def test_logits_follow_the_equations():
    torch.manual_seed(0)
    network = GRUNetwork(5, 3, hidden_size=4, num_layers=2, fc_sizes=(7, 6)).eval()
    sequences = torch.randn(3, 6, 5)
    lengths = torch.tensor([6, 1, 4])
    logits = network(sequences, lengths).detach().numpy()
    for row, length in enumerate(lengths):
        expected = by_the_equations(network, sequences[row, :length])
        np.testing.assert_allclose(logits[row], expected, rtol=1e-5, atol=1e-6)


def test_equals_plain_torch():
    torch.manual_seed(0)
    network = GRUNetwork(5, 3, hidden_size=4)
    gru, linear = nn.GRU(5, 4, batch_first=True), nn.Linear(4, 3)
    gru.load_state_dict(network.gru.state_dict())
    linear.load_state_dict({"weight": network.fc[-1].weight, "bias": network.fc[-1].bias})
    x = torch.randn(8, 6, 5)
    expected = linear(gru(x)[0][:, -1])
    torch.testing.assert_close(network(x, torch.full((8,), 6)), expected)


def test_padding_changes_nothing_whatever_is_in_it():
    torch.manual_seed(0)
    network = GRUNetwork(5, 3).eval()
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


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network = GRUNetwork(5, 3, dropout=0.5)
    x, lengths = torch.randn(4, 6, 5), torch.full((4,), 6)
    assert not torch.equal(network(x, lengths), network(x, lengths))
    network.eval()
    assert torch.equal(network(x, lengths), network(x, lengths))
