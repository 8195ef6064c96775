# SPDX-License-Identifier: Apache-2.0
"""Every sample file that a machine has: ../shared/data where it exists, and those of Debian's python3-pydicom."""
import os
import pathlib

import pydicom

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get('COR_SHARED_DIR', ROOT.parent / 'shared')) / 'data'
PYDICOM = pathlib.Path(pydicom.__file__).parent / 'data'


def files():
    """(name, path) of each, in the order of names."""
    found = []
    if SHARED.is_dir():
        found += [(str(path.relative_to(SHARED)), path) for path in SHARED.rglob('*') if path.is_file()]
    for folder in ('test_files', 'charset_files', 'palettes'):
        found += [('pydicom/' + str(path.relative_to(PYDICOM)), path)
                  for path in (PYDICOM / folder).rglob('*') if path.is_file()]
    return sorted(found)
