"""From rows to what the API answers: pure functions, without a session, a clock or a request."""
