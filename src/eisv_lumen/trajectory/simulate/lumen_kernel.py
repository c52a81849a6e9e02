"""The compiled walk of the Lumen-like process: one pass over its states."""

from __future__ import annotations

import math

from numba import njit

from ...eisv import V_MAX

DIP_RHYTHM = 10
"""Most dips of clarity fall on a tenth state: in the real summaries of the last four of twenty
states (stride ten) three of four dips fall on the last state."""


@njit(cache=True, nogil=True)
def walk(  # type: ignore[no-untyped-def]
    rng,
    length,
    episode,
    interval,
    anima,
    i_top,
    dip_depth,
    telegraph_depth,
    surge,
    surge_size,
    surge_decay,
    spike,
    spike_size,
    spike_decay,
    pair_gap,
    pair_gap_spread,
    pair_noise,
    pair_noise_spread,
    pause,
    pause_length,
    pause_spread,
):
    """Write the log of the process.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : (n,) states of each episode, adding up to the length of the log
    episode : (n, 18) levels and constants of each episode, in the order in which they are unpacked
    interval : (N,) written: time since the state before [µs]
    anima : (4, N) written: warmth, clarity, stability, presence [1/1000]
    dip_depth, … : the constants that hold everywhere, as in `lumen_like.json`
    """
    k = 0
    E = I = S = V = 0.0
    for i in range(length.size):
        row = episode[i]
        E0, I0, S0, V0 = row[0], row[1], row[2], row[3]
        pace, jitter, pair = row[4], row[5], row[6]
        e_noise, i_noise, i_move, s_noise, v_noise = row[7], row[8], row[9], row[10], row[11]
        s_on_e, v_on_s, v_pulse, telegraph = row[12], row[13], row[14], row[15]
        dip, dip_tenth = row[16], row[17]
        i_shift = surged = spiked = 0.0
        low = rng.random() < 0.5 and telegraph > 0.0
        pulse_in = 1
        for _ in range(length[i]):
            if pair > 0.0 and k % 2 == 1:  # the second of two near-simultaneous states
                dt = pair_gap * math.exp(pair_gap_spread * rng.standard_normal())
                size = pair_noise * math.exp(pair_noise_spread * rng.standard_normal())
                e_jump = size * rng.standard_normal()
                s_jump = s_on_e * e_jump + 0.3 * size * rng.standard_normal()
                E += e_jump
                I = min(I + 2.0 * size * rng.standard_normal(), i_top)
                S += s_jump
                V += v_on_s * s_jump + 0.1 * size * rng.standard_normal()
            else:
                dt = pace * math.exp(jitter * abs(rng.standard_normal()))
                if rng.random() < pause:
                    dt += pause_length * math.exp(pause_spread * rng.standard_normal())
                surged *= surge_decay
                if rng.random() < surge:
                    surged += surge_size * rng.standard_normal()
                spiked *= spike_decay
                if rng.random() < spike:
                    spiked += spike_size * (0.5 + rng.random())
                if rng.random() < telegraph:
                    low = not low
                if rng.random() < i_move:
                    i_shift = i_noise * rng.standard_normal()
                e = surged + e_noise * rng.standard_normal()
                s = s_on_e * e + s_noise * rng.standard_normal() + spiked
                E = E0 + e
                I = min(I0 + i_shift, i_top) - (telegraph_depth if low else 0.0)
                S = S0 + s
                V = V0 + v_on_s * (s - spiked) + v_noise * rng.standard_normal()
                if rng.random() < (dip_tenth if k % DIP_RHYTHM == DIP_RHYTHM - 1 else dip):
                    I -= dip_depth * (1.0 + 0.1 * rng.standard_normal())
                pulse_in -= 1
                if pulse_in == 0:
                    V += v_pulse
                    pulse_in = 3 if rng.random() < 0.5 else 4
            S, V = max(S, 0.0), max(V, 0.0)
            interval[k] = max(1000, round(1e6 * dt))
            anima[0, k] = round(1000.0 * min(max(E, 0.0), 1.0))
            anima[1, k] = round(1000.0 * min(max(I, 0.0), 1.0))
            anima[2, k] = round(1000.0 * (1.0 - min(S, 1.0)))
            anima[3, k] = round(1000.0 * (1.0 - min(V / V_MAX, 1.0)))
            k += 1
    interval[0] = 0
