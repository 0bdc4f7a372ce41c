"""Log-mel features of wave files by librosa, one file after the other, and the files themselves (`prepare`)."""

import os

import librosa
import numpy as np
import soundfile

from protocol import serve

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


def features(path):
    samples, _ = librosa.load(path, sr=RATE)
    power = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=400, hop_length=160, n_mels=64, pad_mode="constant")
    return librosa.power_to_db(power).T


def by_librosa(job):
    folder = os.path.join(job["folder"], "waves")
    files = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    def all_files():
        for file in files:
            features(file)

    return features(files[0]).ravel().tolist(), all_files


serve({"prepare": prepare, "librosa": by_librosa}, ["librosa", "numpy", "soundfile"])
