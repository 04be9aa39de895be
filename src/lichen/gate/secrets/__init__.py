"""Where secrets come from: `Sources` asks the adapter that an environment names; `built_in` need no server."""
