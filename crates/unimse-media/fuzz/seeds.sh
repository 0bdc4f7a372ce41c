#!/bin/sh
# Small files of every container and codec for the fuzz target `clip`, and a raw signal for `signal`: half a second of a tone, by ffmpeg.
set -eu
folder="${1:?names no folder for the corpora}"
mkdir -p "$folder/clip" "$folder/signal"
make() { ffmpeg -nostdin -v error -y -f lavfi -i "sine=frequency=220:sample_rate=16000:duration=0.5" "$@"; }
for name in a.wav a.flac a.mp3 a.ogg a.m4a a.mov a.aac; do make "$folder/clip/$name"; done
make -c:a pcm_f32le "$folder/clip/float.wav"
make -c:a alac "$folder/clip/alac.m4a"
make -f f32le "$folder/signal/tone"
