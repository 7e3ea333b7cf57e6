"""Component trees of the page: the shell and one module per tab. No state, no callbacks."""
