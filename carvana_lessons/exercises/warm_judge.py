"""Everything that judges answers, loaded once; every answer then gets a copy of this process.

Only the process that is copied imports this module. It computes with one thread, for a copy has none of the others.
Processes that an answer leaves behind become its children, so that they can be found and ended.
"""

import ctypes
import importlib
import os
import sys
import warnings

import torch

PR_SET_CHILD_SUBREAPER = 36
MODULES = (
    *("IPython.display", "pandas", "carvana_lessons.course", "carvana_lessons.data", "carvana_lessons.models"),
    *("carvana_lessons.show", "carvana_lessons.evaluation.metrics", "carvana_lessons.training.losses"),
    "carvana_lessons.exercises",
)

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a copy could not use a GPU, and CUDA needs more addresses than an answer gets
torch.set_num_threads(1)  # before anything computes
for _name in MODULES:
    importlib.import_module(_name)

if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")
