"""`python -m unimse`: the commands that the package has by itself; the others go to the binary `unimse` on PATH."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence

import unimse


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is that of the binary: 0, 1 for an error of the data, 2 for one of usage, 130 when interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, commands = _parser()
    if words and not words[0].startswith("-") and words[0] not in commands:
        return _binary(words, commands)
    options = parser.parse_args(words)
    try:
        return int(options.run(options))
    except unimse.UnimseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> tuple[argparse.ArgumentParser, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m unimse",
        description="What the Python package does by itself. Any other command is handed to the binary unimse where one is on PATH.",
    )
    parser.add_argument("--version", action="version", version=f"unimse {unimse.__version__} (Python package)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="write the demo corpora (synthetic) in the layouts of the four data sets")
    demo.add_argument("--out", metavar="DIR", required=True)
    demo.set_defaults(run=_demo)
    ingest = commands.add_parser("ingest", help="read data sets into Parquet utterance tables")
    ingest.add_argument("--data", metavar="DIR", required=True)
    ingest.add_argument("--out", metavar="DIR", required=True)
    ingest.add_argument("--features", metavar="CORPUS=FILE", type=_pair, action="append", default=[])
    ingest.set_defaults(run=_ingest)
    doctor = commands.add_parser("doctor", help="say what a data folder holds, what is wrong and what is missing")
    doctor.add_argument("dir", metavar="DIR")
    doctor.add_argument("--json", action="store_true", help="JSON instead of lines")
    doctor.set_defaults(run=_doctor)
    return parser, list(commands.choices)


def _pair(text: str) -> tuple[str, str]:
    corpus, separator, file = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError("expected CORPUS=FILE, as in mosi=features.pkl")
    return corpus, file


def _demo(options: argparse.Namespace) -> int:
    unimse.demo(options.out)
    print(f"demo: synthetic corpora in {options.out}", file=sys.stderr)
    return 0


def _ingest(options: argparse.Namespace) -> int:
    written = unimse.ingest(
        options.data,
        options.out,
        features=dict(options.features),
        progress=lambda line: print(f"ingest: {line}", file=sys.stderr),
    )
    for table in written:
        print(f"{table['corpus']} {table['split']}: {table['utterances']} utterances, {table['dialogues']} dialogues")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    findings = unimse.doctor(options.dir)
    if options.json:
        print(json.dumps({"findings": findings}, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            rows = f", {len(finding['rows'])} rows" if finding["rows"] else ""
            print(f"{finding['severity']} {finding['code']} {finding['file']}{rows}: {finding['message']} -> {finding['advice']}")
    return int(any(finding["severity"] == "error" for finding in findings))


def _binary(words: list[str], commands: list[str]) -> int:
    """Becomes the binary, and says so."""
    binary = shutil.which("unimse")
    if binary is None:
        print(
            f"error: `{words[0]}` needs the binary unimse, and none is on PATH; the Python package has: {', '.join(commands)}",
            file=sys.stderr,
        )
        return 2
    print(f"unimse: {binary} {words[0]}", file=sys.stderr)
    sys.stderr.flush()
    os.execv(binary, [binary, *words])


if __name__ == "__main__":
    sys.exit(main())
