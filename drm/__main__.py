"""`python -m drm`."""

from drm.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
