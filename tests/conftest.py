"""Kernels are compiled once for all tests, and anew when any of their sources has changed."""

from livecomposer.desk.wiring import prepare_cache

prepare_cache()
