# SPDX-License-Identifier: BSD-3-Clause
"""What a client needs whose preloaded library alone is instrumented."""


def preload_of(library):
    return library


def wrapper():
    return []
