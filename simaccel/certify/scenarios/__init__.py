"""The scenarios: each is one way in which servers that use asynchronous crypto have been broken."""
