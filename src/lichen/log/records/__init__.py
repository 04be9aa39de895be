"""One record: its bytes, its sealed contents, and who its pseudonyms are."""
