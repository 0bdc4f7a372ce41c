"""Regenerates audio/voice_activity.safetensors: what silero-vad's network (its tinygrad_model.py, here in PyTorch) with the weights of its
safetensors file says of a synthesised voice between noise and silence, and the stretches that its own rules make of that.

The wheel's TorchScript model is of another training: its probabilities, printed too, differ by up to 0.2 here, its stretches are the same.

    python3 -m venv .venv && .venv/bin/pip install torch silero-vad==6.2.3 safetensors numpy
    .venv/bin/python voice_activity.py OUT_DIR

GOLDEN_SEED makes another voice. The waveform is made here; nobody's voice is in it.
"""
import os, sys
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from safetensors.torch import load_file
from silero_vad.utils_vad import get_speech_timestamps, get_speech_timestamps_from_probs, init_jit_model
import silero_vad

OUT = sys.argv[1]
RATE, WINDOW = 16_000, 512
rng = np.random.default_rng(int(os.environ.get("GOLDEN_SEED", "20221121")))
VOWELS = [(730, 1_090, 2_440), (300, 2_200, 2_950), (500, 900, 2_410), (530, 1_840, 2_480), (320, 900, 2_240)]


def resonate(x, hz, width):
    r = np.exp(-np.pi * width / RATE)
    a, b = 2 * r * np.cos(2 * np.pi * hz / RATE), -r * r
    y, y1, y2 = np.empty_like(x), 0.0, 0.0
    for i, v in enumerate(x):
        y[i] = (1 - a - b) * v + a * y1 + b * y2
        y2, y1 = y1, y[i]
    return y


def syllable(hz, vowel, seconds):
    """A vowel of glottal pulses that rise over two thirds of a period and fall at once, with a hiss before it."""
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    phase = np.cumsum(hz * (1 + 0.08 * np.sin(2 * np.pi * 2.3 * t) + 0.01 * rng.normal(size=n))) / RATE % 1
    flow = np.where(phase < 0.4, 0.5 - 0.5 * np.cos(np.pi * phase / 0.4), np.where(phase < 0.6, np.cos(np.pi / 2 * (phase - 0.4) / 0.2), 0))
    x = np.diff(flow, prepend=0) + 0.002 * rng.normal(size=n)
    for formant, width in zip((*vowel, 3_500), (70, 100, 150, 220)):
        x = resonate(x, formant, width)
    x *= np.sin(np.pi * np.linspace(0, 1, n)) ** 0.4
    hiss = np.diff(rng.normal(size=RATE // 16 + 1)) * np.hanning(RATE // 16)
    return np.concatenate([0.01 * hiss, 0.25 * x / abs(x).max()])


def phrase(hz, syllables):
    parts = [syllable(hz * 2 ** (rng.normal() / 8), VOWELS[k % 5], 0.14 + 0.1 * rng.random()) for k in rng.permutation(syllables)]
    return np.concatenate(parts)


pause = lambda seconds: np.zeros(int(seconds * RATE))
parts = [pause(0.5), phrase(120, 9), pause(0.6), 0.03 * rng.normal(size=RATE), pause(0.3), phrase(210, 7), pause(0.05), phrase(190, 4), pause(0.4),
         0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE // 2) / RATE), phrase(95, 6), pause(0.217)]
signal = np.concatenate(parts)
signal += 1e-3 * rng.normal(size=len(signal))
signal = np.round(np.clip(signal, -1, 1) * 32_767).astype(np.int16)

audio = torch.from_numpy(signal.astype(np.float32) / 32_768)
data = os.path.join(os.path.dirname(silero_vad.__file__), "data")
w = load_file(os.path.join(data, "silero_vad_16k.safetensors"))
lstm = torch.nn.LSTMCell(128, 128)
lstm.load_state_dict({name.removeprefix("lstm_cell."): w[name] for name in w if name.startswith("lstm_cell.")})


def forward(x, state):
    x = F.conv1d(F.pad(x[None, None], (0, 64), mode="reflect"), w["stft_conv.weight"], stride=128)
    x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
    for layer, stride in ((1, 1), (2, 2), (3, 2), (4, 1)):
        x = F.conv1d(x, w[f"conv{layer}.weight"], w[f"conv{layer}.bias"], stride=stride, padding=1).relu()
    state = lstm(x.squeeze(-1), state)
    return F.conv1d(state[0].relu().unsqueeze(-1), w["final_conv.weight"], w["final_conv.bias"]).sigmoid().item(), state


padded = F.pad(audio, (64, -len(audio) % WINDOW))
said, state = [], None
with torch.no_grad():
    for at in range(64, len(padded), WINDOW):
        probability, state = forward(padded[at - 64 : at + WINDOW], state)
        said.append(probability)
stretches = get_speech_timestamps_from_probs(said, audio_length_samples=len(audio))
save_file({
    "signal": signal,
    "probabilities": np.array(said, np.float32),
    "stretches": np.array([[s["start"], s["end"]] for s in stretches], np.int64).reshape(-1, 2),
}, os.path.join(OUT, "voice_activity.safetensors"))
model = init_jit_model(os.path.join(data, "silero_vad.jit"))
other = [model(chunk, RATE).item() for chunk in padded[64:].split(WINDOW)]
print(len(said), "windows, TorchScript differs by", max(abs(a - b) for a, b in zip(said, other)))
print(stretches, "\n", get_speech_timestamps(audio, model))
