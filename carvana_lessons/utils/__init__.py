"""Tools that know nothing of cars: files, errors, progress, devices."""
