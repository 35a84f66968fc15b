#!/usr/bin/env python3
"""Vetting's command line: `./manage.py help` lists what there is."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vetting.settings")
    from vetting.commandline import CommandLine

    CommandLine(sys.argv).execute()
