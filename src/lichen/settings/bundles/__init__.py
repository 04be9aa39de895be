"""What a bundle and the files that start a demo or an operator say: `bundle.yaml`, `greentic.demo.yaml` and their kin.

Others take `read_words`, and the `words` themselves.
"""
