"""From a file to the intermediate form, with everything that is wrong with it."""
