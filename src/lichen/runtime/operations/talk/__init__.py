"""One conversation, as its customer, its channel and its operators have it."""
