"""The wave files that contests of audio features work on: voices that rise and fall, six seconds at 16 kHz."""

import os

import numpy as np
import soundfile

RATE, SECONDS = 16_000, 6


def prepare(job):
    random = np.random.default_rng(1)
    folder = os.path.join(job["folder"], "waves")
    os.makedirs(folder, exist_ok=True)
    for i in range(4 if job["quick"] else 100):
        time = np.arange(RATE * SECONDS) / RATE
        voice = sum(np.sin(2 * np.pi * (110 + i) * k * time) / k for k in range(1, 20))
        samples = 0.1 * voice * (1 + np.sin(2 * np.pi * 3 * time)) + 0.01 * random.standard_normal(time.size)
        soundfile.write(os.path.join(folder, f"{i:03}.wav"), np.clip(samples, -1, 1), RATE, subtype="PCM_16")
    return [], lambda: None


def paths(job):
    folder = os.path.join(job["folder"], "waves")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
