"""What a view holds, as tables for files: the same numbers as on the screen, with whose numbers they are in every row."""
