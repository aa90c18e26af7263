"""Tools under all rooms: files, errors, progress, devices, and what the command line needs before torch is loaded."""
