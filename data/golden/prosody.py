"""Regenerates audio/prosody.safetensors and audio/prosody.json: what openSMILE (eGeMAPSv02), Praat and librosa say of three synthesised
voices.

    python3 -m venv .venv && .venv/bin/pip install opensmile==2.6.0 praat-parselmouth==0.4.7 librosa==0.11.0 safetensors
    .venv/bin/python prosody.py OUT_DIR

GOLDEN_SEED makes voices of other pitch. The waveforms are made here; nobody's voice is among them.
"""
import json, os, sys
import librosa
import numpy as np
import opensmile
import parselmouth
from parselmouth.praat import call
from safetensors.numpy import save_file

OUT = sys.argv[1]
SEED = int(os.environ.get("GOLDEN_SEED", "20221121"))
RATE = 16_000
rng = np.random.default_rng(SEED)


def resonate(x, hz, width):
    r = np.exp(-np.pi * width / RATE)
    a, b = 2 * r * np.cos(2 * np.pi * hz / RATE), -r * r
    y, y1, y2 = np.empty_like(x), 0.0, 0.0
    for i, v in enumerate(x):
        y[i] = v + a * y1 + b * y2
        y2, y1 = y1, y[i]
    return y


def pulses(pitch, jitter, shimmer):
    """Bumps of half a millisecond, a period of the contour `pitch` apart, with normal deviations of length and size."""
    x, at = np.zeros(len(pitch)), 40.0
    while at < len(pitch) - 40:
        n = np.arange(int(np.ceil(at - 4)), int(at + 4) + 1)
        x[n] += (1 + shimmer * rng.normal()) * (0.5 + 0.5 * np.cos(np.pi * (n - at) / 4))
        at += RATE / pitch[int(at)] * (1 + jitter * rng.normal())
    return x


def voice(hz, glide, jitter, shimmer, breath):
    """Two syllables with a rise and a fall of the pitch, a hiss between them, pauses around them."""
    parts = [np.zeros(RATE // 5)]
    for vowel in [((730, 90), (1_090, 110), (2_440, 170)), ((300, 60), (2_300, 120), (3_000, 180))]:
        n = int(0.6 * RATE)
        t = np.linspace(0, 1, n)
        x = pulses(hz * 2 ** (glide / 12 * np.sin(np.pi * t)), jitter, shimmer) + breath * rng.normal(size=n)
        for resonance in vowel:
            x = resonate(x, *resonance)
        x -= x.mean()
        parts += [x / abs(x).max() * 0.4 * np.sin(np.pi * t) ** 0.5, np.zeros(RATE // 20)]
        parts.append(0.02 * np.diff(rng.normal(size=RATE // 8 + 1)))
    x = np.concatenate(parts + [np.zeros(RATE // 5)]) + 2e-4 * rng.normal(size=sum(map(len, parts)) + RATE // 5)
    return np.round(np.clip(x, -1, 1) * 32_767).astype(np.int16)


def praat(signal):
    """Praat's own commands with its defaults, pitch from 60 to 600 Hz."""
    sound = parselmouth.Sound(signal.astype(np.float64), RATE)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=60, pitch_ceiling=600)
    hz = pitch.selected_array["frequency"]
    harmonicity = sound.to_harmonicity_ac(time_step=0.01, minimum_pitch=60, periods_per_window=3.0)
    marks = call([sound, pitch], "To PointProcess (cc)")
    voiced = [t for t, f in zip(pitch.xs(), hz) if f > 0]
    hnr = [x for x in (call(harmonicity, "Get value at time", t, "nearest") for t in voiced) if x > -100]
    return {
        "f0_mean": float(np.mean(12 * np.log2(hz[hz > 0] / 27.5))),
        "hnr_mean": float(np.mean(hnr)),
        "jitter": call(marks, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3),
        "shimmer_db": call([sound, marks], "Get shimmer (local_dB)", 0, 0, 0.0001, 0.02, 1.3, 1.6),
    }


smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals)
waves, expected = {}, {}
for name, base, glide, jitter, shimmer, breath in [
    ("low", 105, 3, 0.0, 0.0, 0.002),
    ("high", 215, 5, 0.01, 0.04, 0.005),
    ("rough", 140, 1, 0.025, 0.1, 0.02),
]:
    wave = voice(base * (1 + 0.05 * rng.uniform(-1, 1)), glide, jitter, shimmer, breath)
    signal = wave.astype(np.float32) / 32_768
    waves[name] = wave
    contour = librosa.yin(signal, fmin=60, fmax=600, sr=RATE, frame_length=1_024, hop_length=160)
    loud = librosa.feature.rms(y=signal, frame_length=1_024, hop_length=160)[0] > 0.05
    power = np.mean(librosa.feature.rms(y=signal, frame_length=320, hop_length=160, center=False) ** 2)
    expected[name] = {
        "opensmile": {key: float(value) for key, value in smile.process_signal(signal, RATE).iloc[0].items()},
        "praat": praat(signal),
        "librosa": {"f0_median": float(12 * np.log2(np.median(contour[loud]) / 27.5)), "level": float(10 * np.log10(power))},
    }
os.makedirs(os.path.join(OUT, "audio"), exist_ok=True)
save_file(waves, os.path.join(OUT, "audio/prosody.safetensors"))
with open(os.path.join(OUT, "audio/prosody.json"), "w") as f:
    json.dump({"rate": RATE, "opensmile": opensmile.__version__, "librosa": librosa.__version__, "voices": expected}, f, indent=1)
