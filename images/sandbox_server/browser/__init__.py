"""Chromium: kept alive, driven by the `browser_*` tools, by programs and by people, with a profile and downloads."""
