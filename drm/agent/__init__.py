"""`drm agent`: one small process that tells a dashboard what its host has and uses.

Everything here imports the standard library, psutil and, where it is installed, NVML: nothing of the rest of drm but its errors, so that
the process stays small.
"""
