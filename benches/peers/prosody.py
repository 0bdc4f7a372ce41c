"""Prosodic functionals of wave files by openSMILE (eGeMAPSv02), one file after the other."""

import opensmile

from protocol import serve
from waves import paths, prepare

COMPARED = ["F0semitoneFrom27.5Hz_sma3nz_percentile50.0", "mfcc1_sma3_amean", "equivalentSoundLevel_dBp"]


def by_opensmile(job):
    files = paths(job)
    smile = opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals)

    def all_files():
        for file in files:
            smile.process_file(file)

    return smile.process_file(files[0]).iloc[0][COMPARED].tolist(), all_files


serve({"prepare": prepare, "opensmile": by_opensmile}, ["numpy", "opensmile", "soundfile"])
