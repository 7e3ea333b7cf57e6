"""What the page's components do: one module per tab, each with `register(app, state)`."""
