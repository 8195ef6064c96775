#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compile the built console in: embed-console.py OUT.c DEPFILE MANIFEST

MANIFEST names the files of the console, one per line, relative to its own folder; beside each lie its .gz and
.br.  Their bytes come in by the assembler (.incbin), which takes no time whatever their size.  An empty
manifest makes an empty table: a server without a console.
"""
import hashlib
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
         ".json": "application/json", ".wasm": "application/wasm", ".png": "image/png", ".woff2": "font/woff2",
         ".txt": "text/plain; charset=utf-8", ".ico": "image/x-icon", ".webmanifest": "application/manifest+json"}


def main():
    out, depfile, manifest = map(pathlib.Path, sys.argv[1:])
    folder = manifest.parent.resolve()
    names = manifest.read_text(encoding="utf-8").split("\n")
    names = [name for name in names if name]
    lines = ["/* Made by tools/embed-console.py. */", '#include "gateway/console.h"', ""]
    rows, dependencies = [], [manifest]
    for number, name in enumerate(names):
        path = folder / name
        for ending in ("gz", "br"):
            part = pathlib.Path(f"{path}.{ending}")
            symbol = f"cor_console_priv_{number}_{ending}"
            dependencies.append(part)
            lines.append(f'__asm__(".pushsection .rodata\\n.balign 16\\n.hidden {symbol}\\n.global {symbol}\\n{symbol}:\\n'
                         f'.incbin \\"{part}\\"\\n.popsection");')
            lines.append(f"extern const unsigned char {symbol}[];")
        tag = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        sizes = [path.stat().st_size, *(pathlib.Path(f"{path}.{ending}").stat().st_size for ending in ("gz", "br"))]
        rows.append(f'    {{"/{name}", "{TYPES.get(path.suffix, "application/octet-stream")}", "{tag}", '
                    f"{str(name.startswith('assets/')).lower()}, {sizes[0]}, cor_console_priv_{number}_gz, {sizes[1]}, "
                    f"cor_console_priv_{number}_br, {sizes[2]}}},")
    lines += ["", "const CorConsoleAsset cor_console_priv_assets[] = {", *rows, "    {0},", "};",
              f"const size_t cor_console_priv_asset_len = {len(rows)};", ""]
    out.write_text("\n".join(lines), encoding="utf-8")
    depfile.write_text(f"{out}: {' '.join(map(str, dependencies))}\n", encoding="utf-8")


main()
