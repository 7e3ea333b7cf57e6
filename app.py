"""The checkout's front door: `python app.py`."""

from drm.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
