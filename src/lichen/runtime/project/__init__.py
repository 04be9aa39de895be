"""What a project hosts: what its `lichen.toml` names, found, loaded and checked (`Project`), and its versions."""
