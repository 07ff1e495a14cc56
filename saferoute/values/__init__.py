"""Every frozen type that crosses packages: messages, requests, events, replies, targets, attempts."""
