"""Log-mel features of wave files by librosa, one file after the other."""

import librosa

from protocol import serve
from waves import RATE, paths, prepare


def features(path):
    samples, _ = librosa.load(path, sr=RATE)
    power = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=400, hop_length=160, n_mels=64, pad_mode="constant")
    return librosa.power_to_db(power).T


def by_librosa(job):
    files = paths(job)

    def all_files():
        for file in files:
            features(file)

    return features(files[0]).ravel().tolist(), all_files


serve({"prepare": prepare, "librosa": by_librosa}, ["librosa", "numpy", "soundfile"])
