"""The same formulas as the kernels, slowly and in plain Python: what the kernels are checked against."""

import math

import numpy as np

WORD = 2**64


def splitmix64(state: int) -> tuple[int, float]:
    """The next state and a uniform number in [0, 1) with 53 bits (Steele, Lea & Flood 2014, figure 16)."""
    state = (state + 0x9E3779B97F4A7C15) % WORD
    z = state
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    z ^= z >> 31
    return state, (z >> 11) * 2.0**-53


def allowed_actions(mask) -> list[int]:
    return [a for a, bit in enumerate(mask) if bit == 1]


def softmax_probabilities(row, mask, temperature: float) -> dict[int, float]:
    """Probability by action; values that are not finite have none while another has."""
    finite = [a for a in allowed_actions(mask) if math.isfinite(row[a])]
    if not finite:
        return dict.fromkeys(allowed_actions(mask)[:1], 1.0)
    best = max(row[a] for a in finite)
    weights = {a: math.exp((row[a] - best) / temperature) for a in finite}
    total = sum(weights.values())
    return {a: weight / total for a, weight in weights.items()}


def softmax_decide(row, mask, temperature: float, state: int) -> tuple[int, int]:
    """(action, next random state): walk along the weights until u × total is used up."""
    state, u = splitmix64(state)
    finite = [a for a in allowed_actions(mask) if math.isfinite(row[a])]
    if not finite:
        return (allowed_actions(mask) or [-1])[0], state
    best = max(row[a] for a in finite)
    weights = [float(np.exp((row[a] - best) / temperature)) for a in finite]
    total = 0.0
    for weight in weights:
        total += weight
    left = u * total
    for a, weight in zip(finite, weights, strict=True):
        left -= weight
        if left < 0.0:
            return a, state
    return finite[-1], state


def epsilon_greedy_decide(row, mask, epsilon: float, state: int) -> tuple[int, int]:
    """(action, next random state): below ε the same number also picks which."""
    state, u = splitmix64(state)
    allowed = allowed_actions(mask)
    if not allowed:
        return -1, state
    numbers = [a for a in allowed if not math.isnan(row[a])]
    greedy = max(numbers, key=lambda a: row[a]) if numbers else allowed[0]  # max takes the first of equals
    if numbers and row[greedy] == -math.inf:
        greedy = allowed[0]
    if u >= epsilon:
        return greedy, state
    pick = int(u / epsilon * len(allowed))
    return (allowed[pick] if pick < len(allowed) else greedy), state


def td_update(
    q, trace, mask, state, action, reward, next_state, next_action, method, alpha, gamma, lambda_, epsilon, temperature,
    replacing,
) -> float:  # fmt: skip
    """One step of Q-learning, Sarsa or Expected Sarsa in place; ``trace`` {(s, a): e}; the TD error."""
    future, best = 0.0, 0.0
    allowed = [b for b in allowed_actions(mask) if q[next_state, b] > -math.inf] if next_state >= 0 else []
    if allowed:
        best = max(q[next_state, b] for b in allowed)
        if method == "q":
            future = best
        elif method == "sarsa":
            future = q[next_state, next_action]
        elif temperature > 0.0:
            weights = [float(np.exp((q[next_state, b] - best) / temperature)) for b in allowed_actions(mask)]
            future = sum(w * q[next_state, b] for w, b in zip(weights, allowed_actions(mask), strict=True))
            future /= sum(weights)
        else:
            mean = sum(q[next_state, b] for b in allowed_actions(mask)) / len(allowed_actions(mask))
            future = epsilon * mean + (1.0 - epsilon) * best
    td_error = reward + gamma * future - q[state, action]
    if not math.isfinite(td_error):
        return td_error
    if lambda_ == 0.0:
        q[state, action] += alpha * td_error
        return td_error
    trace[state, action] = 1.0 if replacing else trace.get((state, action), 0.0) + 1.0
    cut = next_state < 0 or (method == "q" and bool(allowed) and q[next_state, next_action] < best)
    for place in list(trace):
        q[place] += alpha * td_error * trace[place]
        trace[place] *= 0.0 if cut else gamma * lambda_
        if trace[place] < 1e-8:
            del trace[place]
    return td_error


def td_sweep(q, states, actions, rewards, terminated, masks, sweeps, method, *rates) -> None:
    """``td_update`` along the rows, ``sweeps`` times, each with traces of its own."""
    for _ in range(sweeps):
        trace = {}
        for i in range(len(states) - 1):
            after = -1 if terminated[i] else states[i + 1]
            td_update(
                q, trace, masks[i + 1], states[i], actions[i], rewards[i], after, actions[i + 1], method, *rates
            )  # fmt: skip


def optimal_q(rewards, successors, gamma: float, rounds: int = 200) -> np.ndarray:
    """Q* of a deterministic problem by value iteration; successor -1 = terminated (Sutton & Barto eq. 4.10)."""
    q = np.zeros_like(np.asarray(rewards, dtype=np.float64))
    for _ in range(rounds):
        for s in range(q.shape[0]):
            for a in range(q.shape[1]):
                after = successors[s][a]
                q[s, a] = rewards[s][a] + (gamma * max(q[after]) if after >= 0 else 0.0)
    return q
