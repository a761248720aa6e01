"""Writes the files that a run left behind, with nothing but mkdir and open: the least that such a run can cost.

usage: replay.py RECORDED   (RECORDED: a pickled list of relative path and bytes, in the order to write them)
"""

import os
import pickle
import sys

if __name__ == "__main__":
    with open(sys.argv[1], "rb") as recorded:  # noqa: PTH123
        files = pickle.load(recorded)
    made = set()
    for path, content in files:
        folder = os.path.dirname(path)  # noqa: PTH120
        if folder not in made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            made.add(folder)
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content)
