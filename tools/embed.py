#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turn files into C strings: embed.py OUT.c NAME=FILE...

A .yaml file is embedded as the JSON text of its content; every other file as it is.  Each NAME
becomes `const char NAME[]`, NUL-terminated, and `const size_t NAME_size` without that NUL.
"""
import json
import sys


def content(path):
    if path.endswith(".yaml"):
        import yaml

        with open(path, encoding="utf-8") as file:
            return json.dumps(yaml.safe_load(file), separators=(",", ":"), ensure_ascii=False).encode()
    with open(path, "rb") as file:
        return file.read()


def main():
    out, *pairs = sys.argv[1:]
    with open(out, "w", encoding="ascii") as file:
        file.write("/* Made by tools/embed.py. */\n#include <stddef.h>\n")
        for pair in pairs:
            name, path = pair.split("=", 1)
            data = content(path)
            file.write(f"extern const char {name}[];\nextern const size_t {name}_size;\n")
            file.write(f"const char {name}[] = {{")
            for i, byte in enumerate(data):
                if i % 24 == 0:
                    file.write("\n")
                file.write(f"{byte if byte < 128 else byte - 256},")
            file.write(f"0}};\nconst size_t {name}_size = {len(data)};\n")


main()
