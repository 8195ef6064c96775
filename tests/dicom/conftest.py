# SPDX-License-Identifier: Apache-2.0
"""Prints the table of files when the tests are through."""
import sys

sys.dont_write_bytecode = True
TABLE = []


def pytest_configure(config):
    config.addinivalue_line('filterwarnings', 'ignore')  # pydicom comments on every odd file


def pytest_terminal_summary(terminalreporter):
    if not TABLE:
        return
    terminalreporter.section('files read')
    widths = [max(len(str(row[i])) for row in TABLE) for i in range(3)]
    for name, syntax, judge, verdict in sorted(TABLE):
        terminalreporter.write_line(f'{name:{widths[0]}}  {syntax:{widths[1]}}  {judge:{widths[2]}}  {verdict}')
    refused = sum('refused' in row[3] for row in TABLE)
    terminalreporter.write_line(f'{len(TABLE)} files: {len(TABLE) - refused} read, {refused} refused in whole or in part')
