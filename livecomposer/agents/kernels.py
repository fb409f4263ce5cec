"""Numba kernels of the tabular agents, flat, each with its formula above it and a slow twin in ``tests/agents``.

Decide and update kernels are called by the loop and hold the GIL (a kernel that releases it can wait 5 ms to get it
back); ``td_sweep`` runs in the learner thread without it. The random state is an array: uint64[1], advanced by
splitmix64 (Steele, Lea & Flood 2014), so the same seed gives the same notes.
"""

import numpy as np
from numba import njit

METHODS = ("q", "sarsa", "expected-sarsa")
Q_LEARNING, SARSA, EXPECTED_SARSA = range(3)
FADED = 1e-8  # a trace below counts as none


def new_rng(*seeds: int) -> np.ndarray:
    """A random state uint64[1] made from whole numbers (their order matters)."""
    return np.random.SeedSequence([seed % 2**63 for seed in seeds]).generate_state(1, np.uint64)


# π(a|s) = exp([Q(s,a) + l(a) + u·ln π₀(a)]/τ) / Σ_b exp([Q(s,b) + l(b) + u·ln π₀(b)]/τ) over the actions b with mask 1
# (softmax: Sutton & Barto 2018, eq. 2.11; Q beside a prior policy: Jaques et al. 2017, eq. 8)
@njit("int64(float64[:,::1], int64, uint8[::1], float64[::1], float64[::1], float64, float64, uint64[::1])", cache=True)
def softmax_decide(q, state, mask, prior, liking, unit, temperature, rng):
    """Draw an action; -1 if the mask allows none. ``prior`` float64[actions] are logits, ``unit`` what one of them
    is worth in rewards, ``liking`` float64[actions] rewards. A value that is not finite is never drawn while another
    is."""
    n = q.shape[1]
    best = -np.inf
    for a in range(n):
        if mask[a] == 1 and best < q[state, a] + liking[a] + unit * prior[a] < np.inf:
            best = q[state, a] + liking[a] + unit * prior[a]
    total = 0.0
    last = -1
    for a in range(n):
        if mask[a] == 1:
            if last < 0:
                last = a
            x = q[state, a] + liking[a] + unit * prior[a] - best
            if x <= 0.0:
                total += np.exp(x / temperature)
    z = rng[0] + np.uint64(0x9E3779B97F4A7C15)
    rng[0] = z
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    left = np.float64(z >> np.uint64(11)) * 1.1102230246251565e-16 * total
    for a in range(n):
        if mask[a] == 1:
            x = q[state, a] + liking[a] + unit * prior[a] - best
            if x <= 0.0:
                last = a
                left -= np.exp(x / temperature)
                if left < 0.0:
                    return a
    return last


# with probability ε any allowed action, else argmax_a [Q(s,a) + l(a) + u·ln π₀(a)], the first of equals
# (Sutton & Barto 2018, section 2.2)
@njit(
    "int64(float64[:,::1], int64, uint8[::1], float64[::1], float64[::1], float64, float64, uint64[::1])",
    cache=True,
    error_model="numpy",
)
def epsilon_greedy_decide(q, state, mask, prior, liking, unit, epsilon, rng):
    """Draw an action; -1 if the mask allows none; the rest as above. NaN is never the greatest."""
    row = q[state]
    n = row.shape[0]
    allowed = 0
    best = -np.inf
    greedy = -1
    for a in range(n):
        if mask[a] == 1:
            allowed += 1
            x = row[a] + liking[a] + unit * prior[a]
            if greedy < 0 or x > best:
                greedy = a
                best = x if x == x else -np.inf
    z = rng[0] + np.uint64(0x9E3779B97F4A7C15)
    rng[0] = z
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    u = np.float64(z >> np.uint64(11)) * 1.1102230246251565e-16
    if u >= epsilon or allowed == 0:
        return greedy
    pick = np.int64(u / epsilon * allowed)
    for a in range(n):
        if mask[a] == 1:
            if pick == 0:
                return a
            pick -= 1
    return greedy


# δ = r + γ U(s′) − Q(s,a), with U = max_b Q(s′,b) [Q-learning: Watkins 1989; Sutton & Barto 2018, eq. 6.8], Q(s′,a′)
# [Sarsa: Rummery & Niranjan 1994; eq. 6.7] or Σ_b π(b|s′) Q(s′,b) [Expected Sarsa: van Seijen et al. 2009; eq. 6.9];
# 0 after a terminal step. Q ← Q + αδe; without traces (λ = 0) e is 1 at (s,a) and 0 elsewhere, else e(s,a) grows by 1
# or becomes 1, and e ← γλe behind the update; Watkins's Q(λ) cuts it where a′ is not greedy (section 12.10)
@njit(
    "float64(float64[:,::1], float64[:,::1], int64[::1], uint8[::1], int64, int64, float64, int64, int64, int64,"
    " float64, float64, float64, float64, float64, boolean)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def td_update(
    q, trace, active, mask, state, action, reward, next_state, next_action, method, alpha, gamma, lambda_, epsilon,
    temperature, replacing,
):  # fmt: skip
    """One update in place; returns the TD error. A non-finite error changes nothing.

    ``next_state`` -1 = terminated; ``mask`` and ``next_action`` belong to it. ``method`` is an index in ``METHODS``;
    Expected Sarsa expects a softmax if ``temperature`` is above 0, else ε-greedy. ``trace`` float64[s, a] holds e,
    ``active`` int64[1 + s · a] how many are not 0 and which; both are only used if λ > 0.
    """
    n = q.shape[1]
    best, greedy = 0.0, -1
    if next_state >= 0:
        best = -np.inf
        row = q[next_state]
        for b in range(n):
            if mask[b] == 1 and row[b] > best:
                best = row[b]
                greedy = b
        if greedy < 0:
            best = 0.0
    future = best
    if greedy >= 0 and method == SARSA:
        future = q[next_state, next_action]
    elif greedy >= 0 and method == EXPECTED_SARSA:
        total, weights = 0.0, 0.0
        for b in range(n):
            if mask[b] == 1:
                weight = np.exp((q[next_state, b] - best) / temperature) if temperature > 0.0 else 1.0
                total += weight * q[next_state, b]
                weights += weight
        share = 1.0 if temperature > 0.0 else epsilon
        future = share * total / weights + (1.0 - share) * best
    td_error = reward + gamma * future - q[state, action]
    if not np.isfinite(td_error):
        return td_error
    if lambda_ == 0.0:
        q[state, action] += alpha * td_error
        return td_error
    if trace[state, action] == 0.0:
        active[0] += 1
        active[active[0]] = state * n + action
    trace[state, action] = 1.0 if replacing else trace[state, action] + 1.0
    fading = gamma * lambda_
    if next_state < 0 or (method == Q_LEARNING and greedy >= 0 and q[next_state, next_action] < best):
        fading = 0.0
    kept = 0
    for k in range(1, active[0] + 1):
        s, a = active[k] // n, active[k] % n
        q[s, a] += alpha * td_error * trace[s, a]
        trace[s, a] *= fading
        if trace[s, a] < FADED:
            trace[s, a] = 0.0
        else:
            kept += 1
            active[kept] = active[k]
    active[0] = kept
    return td_error


# the update above over rows 0..n-2 in the order they were played, ``sweeps`` times (batch TD learning; Lin 1992)
@njit(
    "void(float64[:,::1], float64[:,::1], int64[::1], int64[::1], int64[::1], float64[::1], uint8[::1],"
    " uint8[:,::1], int64, int64, float64, float64, float64, float64, float64, boolean)",
    cache=True,
    nogil=True,
)
def td_sweep(
    q, trace, active, states, actions, rewards, terminated, masks, sweeps, method, alpha, gamma, lambda_, epsilon,
    temperature, replacing,
):  # fmt: skip
    """Learner kernel: row i leads to row i+1 unless ``terminated[i]``; the last row only serves as a successor."""
    for _ in range(sweeps):
        trace[:, :] = 0.0
        active[0] = 0
        for i in range(states.shape[0] - 1):
            following = -1 if terminated[i] == 1 else states[i + 1]
            td_update(
                q, trace, active, masks[i + 1], states[i], actions[i], rewards[i], following, actions[i + 1], method,
                alpha, gamma, lambda_, epsilon, temperature, replacing,
            )  # fmt: skip


# V(s) ← (1/β) ln Σ_a π₀(a|s) exp β [w·φ̄(s,a) + F(s,a)], F(s,a) = γ Σ_s' P(s'|s,a) V(s'), π₀(a|s) = n(s,a)/n(s)
# less its mean over visits (soft value iteration: Haarnoja et al. 2017, eq. 5–6; an action that was never chosen counts
# for nothing here)
@njit(
    "void(float32[:,::1], float32[:,:,::1], float32[:,:,::1], float64[::1], float64, float64, int64, float64[::1],"
    " float64[:,::1])",
    cache=True,
    nogil=True,
)
def plan_sweeps(chosen, features, following, weights, beta, gamma, sweeps, values, future):
    """Learner kernel: ``values`` float64[s] and ``future`` float64[s, a] after so many sweeps."""
    n_states, n_actions = chosen.shape
    for sweep in range(sweeps + 1):
        for s in range(n_states):
            for a in range(n_actions):
                total = 0.0
                for t in range(n_states):
                    total += following[s, a, t] * values[t]
                future[s, a] = gamma * total
        if sweep == sweeps:
            break
        total = 0.0
        mean = 0.0
        for s in range(n_states):
            visits = 0.0
            best = -np.inf
            for a in range(n_actions):
                if chosen[s, a] > 0.0:
                    visits += chosen[s, a]
                    liked = future[s, a]
                    for k in range(weights.shape[0]):
                        liked += features[s, a, k] * weights[k]
                    best = max(best, beta * liked)
            values[s] = 0.0
            if visits == 0.0:
                continue
            mass = 0.0
            for a in range(n_actions):
                if chosen[s, a] > 0.0:
                    liked = future[s, a]
                    for k in range(weights.shape[0]):
                        liked += features[s, a, k] * weights[k]
                    mass += chosen[s, a] / visits * np.exp(beta * liked - best)
            values[s] = (best + np.log(mass)) / beta
            total += visits
            mean += visits * values[s]
        for s in range(n_states):
            visits = 0.0
            for a in range(n_actions):
                visits += chosen[s, a]
            if visits > 0.0:
                values[s] -= mean / total  # only differences count
