"""Measurements that take minutes: run by hand with ``python -m benchmarks NAME``, never by the tests."""
