"""Prosodic functionals of wave files by openSMILE (eGeMAPSv02), one file after the other, and the files themselves (`prepare`)."""

import os

import numpy as np
import opensmile
import soundfile

from protocol import serve

RATE, SECONDS = 16_000, 6
COMPARED = ["F0semitoneFrom27.5Hz_sma3nz_percentile50.0", "mfcc1_sma3_amean", "equivalentSoundLevel_dBp"]


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


def by_opensmile(job):
    folder = os.path.join(job["folder"], "waves")
    files = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals)

    def all_files():
        for file in files:
            smile.process_file(file)

    return smile.process_file(files[0]).iloc[0][COMPARED].tolist(), all_files


serve({"prepare": prepare, "opensmile": by_opensmile}, ["numpy", "opensmile", "soundfile"])
