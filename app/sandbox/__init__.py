"""Files from outside, opened in a child process with limits on CPU time, memory and output.

`children.open_files` starts the child and returns what it wrote; `child.py` is the program. What opens the files
(`app.spreadsheet.grids`, `pictures`, `documents`) runs only in there.
"""
