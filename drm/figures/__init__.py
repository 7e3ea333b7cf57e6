"""Figures: data -> a Plotly figure as a plain dict. No Dash, no clock, no I/O.

Plain dicts, because `go.Figure` copies and validates what is built once a second here. Times are epoch seconds; the browser shows them as
its own local time.
"""
